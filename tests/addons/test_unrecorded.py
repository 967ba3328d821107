"""What was let through while the record was full is an exchange like any other: it has its time, its end, and a true
row of that as soon as there is room.

Shows: `addons.trafficlog`, `addons.flownotes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.flownotes import flow_notes, open_flows
from logstore.spool import SpoolFull
from policy.model import Action, Reason, Verdict
from tests.addons.host import Host
from tests.addons.site import Site
from tests.addons.test_recheck import look_again, with_rule
from tests.proxy.test_connection_faults import how_it_ended, seal_nothing_that_begins
from tests.rig.certificates import Authority
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for


class FullAtFirst:
    """A spool that has no room while anything begins, and has when it ends."""

    def __init__(self, spool: Any) -> None:
        self._spool = spool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spool, name)

    def open(self, *_: Any) -> None:
        raise SpoolFull("no room")


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running, full_at_first(running):
        yield running


@contextlib.contextmanager
def full_at_first(host: Host) -> Iterator[None]:
    """What begins here has no room, and passes."""
    spool = host.live.spool
    host.live.when_full = "count"
    host.live.spool = FullAtFirst(spool)  # type: ignore[assignment]
    yield
    host.live.spool = spool


def ask(raw: Raw, name: str, path: str, *, inside: bool = False) -> None:
    raw.send(f"GET {'' if inside else f'http://{name}'}{path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())


SLOW = "/slow?pieces=4&pause=0.2"


def under_way(host: Host, raw: Raw, name: str) -> Any:
    """A download of which the first piece is here; and its flow."""
    ask(raw, name, SLOW)
    return begun(host, raw)


def begun(host: Host, raw: Raw) -> Any:
    """The flow of the only answer that has begun to come."""
    assert raw.read_head().startswith(b"HTTP/1.1 200")
    (flows,) = wait_for(lambda: host.call(lambda: list(open_flows().values())), "the exchange")
    return flows[0]


@pytest.mark.parametrize("path", ["/json", "/large?bytes=1000000"], ids=["all of it", "its beginning"])
def test_an_answer_that_cannot_be_sealed_was_not_delivered(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The layers were done with it when that failed; its one row says that we did."""
    seal_nothing_that_begins(b"HTTP/1.1 ", monkeypatch)
    with Raw(host) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name)
        ask(raw, name, path, inside=True)
        assert raw.read_all() == b""
    assert how_it_ended(host) == [("GET", "error", "the gateway failed", "failure")]


def test_an_answer_that_came_was_delivered(host: Host, name: str) -> None:
    """And the next one on the same connection, too."""
    with Raw(host) as raw:
        for _ in range(2):
            ask(raw, name, "/page")
            assert raw.answer().status == 200
    assert how_it_ended(host) == [("GET", "response", None, None)] * 2


def test_a_stop_gives_it_its_time(host: Host, name: str) -> None:
    """`proxy.drain` is for whoever is in the middle of something."""
    with Raw(host) as raw:
        under_way(host, raw, name)
        assert host.master is not None
        stop = asyncio.run_coroutine_threadsafe(host.master.drain(10), host.loop)
        assert len(raw.read_all()) == 40
        assert stop.result(10) == 0
    assert how_it_ended(host) == [("GET", "response", None, None)]


def test_a_stop_gives_a_tunnel_its_time(host: Host, name: str, authority: Authority) -> None:
    """One that passes unread, let through while nothing could be recorded: what is on its way comes."""
    with_rule(host, f"{{rule: unread, what: ['host:{name}'], action: bypass}}")
    with Raw(host) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name, ssl.create_default_context(cafile=str(authority.pem)))
        raw.send(f"GET {SLOW} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert raw.read_head().startswith(b"HTTP/1.1 200")
        assert host.master is not None
        stop = asyncio.run_coroutine_threadsafe(host.master.drain(10), host.loop)
        assert len(raw.read_all()) == 40
    assert stop.result(15) == 0


def test_a_new_policy_reaches_it(host: Host, name: str) -> None:
    """What would not be allowed now ends, with a row or without."""
    with Raw(host) as raw:
        under_way(host, raw, name)
        with_rule(host, f"{{rule: closed, what: ['host:{name}'], action: block}}")
        assert look_again(host) == 1
        raw.read_all()
    assert [row[:3] for row in how_it_ended(host)] == [("GET", "aborted", "no longer allowed")]


def test_a_verdict_that_turned_into_a_block_while_it_came_is_in_its_row(tmp_path: Path, name: str) -> None:
    """As in that of a page that was recorded all along and that its words closed; here the test turns it."""
    site = Site()
    with site.listener, Host(tmp_path, site.address).running() as host, full_at_first(host):
        with Raw(host) as raw:
            ask(raw, name, "/two.json")
            with site.asked() as end:
                end.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
                flow = begun(host, raw)
                blocked = Verdict(action=Action.BLOCK, reason=Reason.RULE, because="words on the page")
                host.call(lambda: setattr(flow_notes(flow), "verdict", blocked))
                end.sendall(b"}")
                wait_for(lambda: flow_notes(flow).ended, "its end")
        assert [row[:2] for row in how_it_ended(host)] == [("GET", "blocked")]
