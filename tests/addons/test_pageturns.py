"""A page that is much to read is read in turns of the loop; nobody waits behind it, and nothing unread passes.

Shows: `addons.content`, `addons.pagecheck`.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import itertools
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest
import zstandard
from mitmproxy.connection import Client as ClientConnection
from mitmproxy.connection import ConnectionState
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test import tutils

from addons import pagecheck
from addons.flownotes import flow_notes
from addons.pagebody import BodyKind, PageBody, PageLimits
from addons.pagecheck import LITTLE, PAUSE, PageCheck
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from policy.engine import Engine
from policy.model import Request
from policy.rules import load_policy
from tests.addons import test_pagecheck
from tests.addons.host import Host
from tests.addons.readinghost import POLICY
from tests.addons.test_decoders import nothing_in_gzip, nothing_in_zstd
from tests.addons.test_pagecheck import BAD, GOOD, fetch, url

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
PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("zstd", zstandard.ZstdCompressor().compress),
    ("gzip, zstd", lambda page: zstandard.ZstdCompressor().compress(gzip.compress(page))),
]


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


@pytest.mark.parametrize(("coding", "pack"), PACKERS, ids=[coding for coding, _ in PACKERS])
def test_fifty_long_pages_that_arrive_together_take_little_memory(
    host: Host, monkeypatch: pytest.MonkeyPatch, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """They are unpacked a piece at a time, in their turns: what waits is what came, not what it unpacks to."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)  # one look in a turn
    packed = pack(b"<!--".ljust(8 * 1024 * 1024))
    checks = [held(host, coding) for _ in range(50)]
    tracemalloc.start()
    try:
        for check in checks:
            check.hold(packed)
        asyncio.run(some_turns(checks, 2 * len(checks)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 32 * 1024 * 1024
    assert all(check.busy for check in checks)  # nothing was left out
    left = [check for check in checks if not check.decide(last=True)]
    assert left == checks  # nor does any pass that was not read


async def some_turns(checks: list[PageCheck], turns: int) -> None:
    """So many turns for all of them together; then their clients leave."""
    went: list[PageCheck] = []
    whole = PageCheck._go_on

    def counted(self: PageCheck, *, in_turn: bool = False) -> None:
        whole(self, in_turn=in_turn)
        went.append(self)
        if len(went) >= turns:
            for check in checks:
                check._flow.client_conn.state = ConnectionState.CLOSED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PageCheck, "_go_on", counted)
        await asyncio.gather(*(check.read_on() for check in checks))
    assert len(set(went)) == len(checks)


def test_pages_that_take_much_to_unpack_wait_for_the_first_of_them(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A coding that looks back far keeps what it has made: beyond the bound one page is read on, then the next. If
    those that then wait for more take too much, the one that takes most is read no further, and its row says so."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "UNPACKED_TOGETHER", 1024 * 1024)
    monkeypatch.setattr(pagecheck, "TURN", 0.001)
    checks = [held(host, "br") for _ in range(4)]
    most: list[int] = []
    whole = PageCheck._go_on

    def noted(self: PageCheck, *, in_turn: bool = False) -> None:
        whole(self, in_turn=in_turn)
        most.append(sum(sorted(check._body.unpacked for check in checks)[:-1]))

    monkeypatch.setattr(PageCheck, "_go_on", noted)
    packed = brotli.compress(b"<!--".ljust(4 * 1024 * 1024))

    async def read() -> None:
        for check in checks:
            check.hold(packed)
        await asyncio.gather(*(check.read_on() for check in checks))

    asyncio.run(read())
    assert not any(check.busy for check in checks)
    assert max(most) < 3 * 1024 * 1024  # those that were read and wait for more, and those that stand in line
    assert [check._body.trouble for check in checks].count(None) >= 1
    given_up = next(check for check in checks if check._body.trouble == "effort")
    assert given_up.decide(last=True)
    assert (given_up._notes.note or "").startswith("scanned:")
    for check in checks:
        check.left()


def test_pages_are_read_one_at_a_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the turns of any two there is a pause, in which the loop does whatever else there is to do."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    happened: list[str] = []
    whole = PageCheck._go_on

    def noted(self: PageCheck, *, in_turn: bool = False) -> None:
        happened.append("turn")
        whole(self, in_turn=in_turn)

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


def test_thirty_long_pages_that_come_together_take_turns(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each the beginning is read as it comes. What then comes of all of them at once is no turn of thirty looks: it
    stands in line, and between any two looks of the line the loop has its own turn, as long as the look was."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "_pause", pagecheck._Pause())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    looks: list[tuple[float, float]] = []
    whole = PageBody.look

    def timed(self: PageBody) -> None:
        began = time.perf_counter()
        whole(self)
        looks.append((began, time.perf_counter()))

    monkeypatch.setattr(PageBody, "look", timed)
    checks = [held(host) for _ in range(30)]
    piece = (b"<p>a tower and a moat</p>\n" * 2560)[:LITTLE]
    for check in checks:
        check.hold(piece)
    assert len(looks) == len(checks)
    for check in checks:
        check.hold(piece)
    assert len(looks) <= len(checks) + 1
    first = len(looks)

    async def read() -> None:
        await asyncio.gather(*(check.read_on() for check in checks))

    asyncio.run(read())
    assert not any(check.busy for check in checks)
    assert len(looks) == 2 * len(checks)
    pairs = itertools.pairwise(looks[first:])
    assert all(later[0] - sooner[1] >= min(PAUSE, sooner[1] - sooner[0]) * 0.9 for sooner, later in pairs)
    for check in checks:
        check.left()


def test_a_page_whose_client_has_left_is_not_read_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read of it does not pass either."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)
    check = held(host, "gzip")
    check.hold(gzip.compress(LONG[: 256 * 1024]))
    monkeypatch.setattr(pagecheck, "TURN", 0.02)
    check._flow.client_conn.state = ConnectionState.CLOSED
    asyncio.run(check.read_on())
    assert check.busy
    assert not check.decide(last=True)
    assert check._notes.verdict is not None
    assert check._notes.verdict.blocked
    assert not pagecheck._slow


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("zstd, zstd, zstd", nothing_in_zstd(16)), ("gzip, gzip, gzip", nothing_in_gzip(16))],
    ids=["zstd", "gzip"],
)
def test_a_page_of_which_nothing_comes_is_read_in_turns(
    host: Host, monkeypatch: pytest.MonkeyPatch, coding: str, packed: bytes
) -> None:
    """Codings one in the other that unpack to much and hold nothing: a turn is looked at, then others have theirs."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    monkeypatch.setattr(pagecheck, "_pause", pagecheck._Pause())
    monkeypatch.setattr(pagecheck, "TURN", 1e-9)  # one look in a turn
    looks: list[float] = []
    whole = PageBody.look

    def timed(self: PageBody) -> None:
        began = time.process_time()
        whole(self)
        looks.append(time.process_time() - began)

    monkeypatch.setattr(PageBody, "look", timed)
    check = held(host, coding)
    check.hold(packed)
    assert len(looks) == 1
    assert check.busy
    assert pagecheck._pause.until > 0  # the next turn waits
    monkeypatch.setattr(pagecheck, "TURN", 0.005)
    asyncio.run(check.read_on())
    assert not check.busy
    assert len(looks) > 100
    assert max(looks) < 0.1
    check.left()


def test_a_brotli_page_that_stops_is_judged_by_all_that_came(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream is flushed and not ended, as at the deadline of a slow page: a browser shows all of it."""
    monkeypatch.setattr(host.live, "pages", PageLimits())
    engine = brotli.Compressor(quality=5)
    text = b"<p>" + b" ".join(b"keep %d" % (number * 7919) for number in range(6000)) + BAD + b" </p>" + b"x" * 20_000
    check = held(host, "br")
    check.hold(engine.process(text) + engine.flush())
    asyncio.run(check.read_on())
    assert check._body.decoded == len(text)
    assert [one.match.entry for one in check._scan.findings(last=False)] == ["< sword ><70>"]
    check.left()


def held(host: Host, encoding: str = "") -> PageCheck:
    """A page that waits."""
    client = ClientConnection(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), state=ConnectionState.OPEN)
    context = Context(client, Options())
    flow, table = HTTPFlow(client, context.server), host.live.engine.index.pages
    assert table is not None
    flow.request = tutils.treq()
    asked = Request(canonical_url("http://a.example/"))
    return PageCheck(host.live, flow, flow_notes(flow), asked, table, BodyKind(encoding))
