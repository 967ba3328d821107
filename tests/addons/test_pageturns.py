"""A page that is much to read is read in turns of the loop; nobody waits behind it, and nothing unread passes.

Shows: `addons.content`, `addons.pagecheck`.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import time
from pathlib import Path

import pytest
from mitmproxy.connection import Client as ClientConnection
from mitmproxy.connection import ConnectionState
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test import tutils

from addons import pagecheck
from addons.flownotes import flow_notes
from addons.pagebody import BodyKind, PageLimits
from addons.pagecheck import PageCheck
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from policy.engine import Engine
from policy.model import Request
from policy.rules import load_policy
from tests.addons import test_pagecheck
from tests.addons.host import Host
from tests.addons.test_pagecheck import BAD, GOOD, POLICY, fetch, url

host = test_pagecheck.host


class Turns:
    """The longest turn of the host's loop while the block runs, in seconds."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.longest = 0.0
        self._last = time.perf_counter()
        self._over = False

    def __enter__(self) -> Turns:
        self._last = time.perf_counter()
        self.host.loop.call_soon_threadsafe(self._tick)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now
        if not self._over:
            self.host.loop.call_later(0.001, self._tick)


LONG = b"<!--x-->" * (1024 * 1024)
"""Eight megabytes to read, a few kilobytes when they are packed."""


@pytest.mark.parametrize("way", ["whole", "let go"])
@pytest.mark.parametrize(("words", "status"), [(GOOD, 200), (BAD, 403)])
def test_a_packed_page_made_to_be_long_holds_up_nobody(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, way: str, words: bytes, status: int
) -> None:
    """It is read in turns, whether all of it waits or its beginning is shown; and is judged by its last word."""
    monkeypatch.setattr(host.live, "pages", PageLimits(hold_bytes=(16 if way == "whole" else 1) * 1024 * 1024))
    head = ["Content-Type: text/html", "Content-Encoding: gzip"]
    first, rest = gzip.compress(LONG[: len(LONG) // 4]), gzip.compress(LONG[len(LONG) // 4 : -1024] + words)
    pieces = (first + rest,) if way == "whole" else (first, rest)
    began = time.perf_counter()
    with Turns(host) as turns:
        try:
            answer = fetch(host, url(name, *pieces, head=head))
            told = answer.status
        except http.client.IncompleteRead:
            told = 403  # its beginning was shown
    took = time.perf_counter() - began
    assert told == status
    assert took > 0.3  # else nothing is shown
    assert turns.longest < took / 4
    assert host.rows()[-1].blocked is (words == BAD)
    assert not pagecheck._slow


def test_lists_that_change_while_a_page_waits_are_heeded(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All that waits is read by them."""
    (tmp_path / "forts.txt").write_text("< tower ><70>\n")
    source = ListSource("forts", tmp_path / "forts.txt", "phrases", category="weapons", apply_to=("page",))
    build_snapshot([source], tmp_path / "lists", load_taxonomy())
    check = held(host)
    check.hold(GOOD + b" ")
    policy = load_policy(POLICY, file="policy.yaml", categories=load_taxonomy())
    monkeypatch.setattr(host.live, "engine", Engine(open_snapshot(tmp_path / "lists"), policy))
    assert not check.anew()
    assert [one.match.entry for one in check._scan.findings(last=True)] == ["< tower ><70>"]
    check.left()


def test_pages_that_unpack_to_much_wait_for_one_another(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked and not read yet is bounded, however many pages are read in turns."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 0.0)
    monkeypatch.setattr(pagecheck, "UNPACKED_TOGETHER", 1024)
    monkeypatch.setattr(pagecheck, "_slow", set())
    one, other = (held(host, "gzip") for _ in range(2))
    one.hold(gzip.compress(LONG[:200_000]))
    assert one._body.unpacked == 0  # there was no time to begin
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    pagecheck._slow.update((one, other))
    monkeypatch.setattr(time, "perf_counter", iter(range(1000)).__next__)  # a turn for each look
    monkeypatch.setattr(pagecheck, "TURN", 2.5)
    one._go_on()
    assert one._body.unpacked > 100_000
    other.hold(gzip.compress(LONG[:200_000]))
    assert (other.busy, other._body.unpacked) == (True, 0)
    monkeypatch.undo()
    asyncio.run(one.read_on())
    asyncio.run(other.read_on())
    assert not one.busy
    assert not other.busy
    one.left()
    other.left()


def test_pages_are_read_one_at_a_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the turns of any two there is a pause, in which the loop does whatever else there is to do."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    monkeypatch.setattr(pagecheck, "_slow", set())
    happened: list[str] = []
    whole = PageCheck._go_on

    def noted(self: PageCheck) -> None:
        happened.append("turn")
        whole(self)

    async def others(reading: asyncio.Future[object]) -> None:
        while not reading.done():
            happened.append("other")
            await asyncio.sleep(0)

    async def read() -> None:
        reading = asyncio.gather(*(check.read_on() for check in checks))
        await others(reading)
        await reading

    checks = [held(host, "gzip") for _ in range(5)]
    for check in checks:
        check.hold(gzip.compress(LONG[: 256 * 1024]))
    monkeypatch.setattr(pagecheck, "TURN", 0.001)
    monkeypatch.setattr(PageCheck, "_go_on", noted)
    asyncio.run(read())
    assert not any(check.busy for check in checks)
    assert happened.count("turn") >= len(checks)
    assert "turn, turn" not in ", ".join(happened)
    for check in checks:
        check.left()


def test_a_page_whose_client_has_left_is_not_read_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read of it does not pass either."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    check = held(host, "gzip")
    check.hold(gzip.compress(LONG[: 256 * 1024]))
    check._flow.request = tutils.treq()
    monkeypatch.setattr(pagecheck, "TURN", 0.02)
    check._flow.client_conn.state = ConnectionState.CLOSED
    asyncio.run(check.read_on())
    assert check.busy
    assert not check.decide(last=True)
    assert check._notes.verdict is not None
    assert check._notes.verdict.blocked
    assert not pagecheck._slow


def held(host: Host, encoding: str = "") -> PageCheck:
    """A page that waits."""
    client = ClientConnection(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), state=ConnectionState.OPEN)
    context = Context(client, Options())
    flow, table = HTTPFlow(client, context.server), host.live.engine.index.pages
    assert table is not None
    asked = Request(canonical_url("http://a.example/"))
    return PageCheck(host.live, flow, flow_notes(flow), asked, table, BodyKind(encoding))
