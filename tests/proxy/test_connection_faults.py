"""Faults of our own in the middle of an answer: what was sent before them is not spoilt, each request has one row.

Shows: `proxy.connection`, `addons.trafficlog`, `addons.tlslayers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from OpenSSL import SSL

from addons import tlslayers
from addons.httplayers import BoundedHttp1Server
from addons.relaying import HalfClose
from addons.straight import StraightHttpLayer
from addons.trafficlog import TrafficLog
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for


def test_an_answer_of_which_a_part_cannot_be_sealed_is_cut_off(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sees at once that it is not whole; no byte from behind the missing ones comes; the row says why."""
    whole, sealed = tlslayers._write, list[int]()

    def write(connection: SSL.Connection, plain: bytes) -> None:
        if not plain.startswith(b"GET"):
            sealed.append(len(plain))
            if len(sealed) == 2:
                raise RuntimeError("broken on purpose")
        whole(connection, plain)

    monkeypatch.setattr(tlslayers, "_write", write)
    with Raw(host, timeout=10) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name)
        raw.send(f"GET /large?bytes=1000000 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        came = raw.read_all()
    assert len(sealed) == 2
    assert came.startswith(b"HTTP/1.1 200")
    assert len(came) <= sealed[0]
    (row,) = [row for row in host.rows() if row.host == name]
    ending = host.endings()[row.id]
    assert (ending.kind, ending.error) == ("error", "the gateway failed")


@pytest.mark.parametrize(
    ("host_name", "ending"),
    [("{name}", ("allow", "error", "the gateway failed")), ("games.schoolgate.test", ("block", "blocked", None))],
    ids=["an answer", "our page"],
)
def test_what_cannot_be_sealed_when_its_answer_is_through_has_one_row(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, host_name: str, ending: tuple[str, str, str | None]
) -> None:
    """The layers are done with it by then: no row says that it was delivered, and no second one that we failed."""
    to = host_name.format(name=name)
    seal_nothing_that_begins(b"HTTP/1.1 ", monkeypatch)
    with Raw(host, timeout=10) as raw:
        assert raw.tunnel(f"{to}:443") == 200
        raw.secure(to)
        raw.send(f"GET /json HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        assert raw.read_all() == b""
    assert host.master is not None
    wait_for(lambda: not host.master.server.connections, "the connection to be over")
    (row,) = host.rows()
    found = host.endings()[row.id]
    assert (row.action, found.kind, found.error) == ending


def test_a_fault_behind_an_answer_spoils_no_row_of_it(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests in one packet: what was answered goes out, and its row says so; what broke us has its own."""
    whole = BoundedHttp1Server.read_headers

    def read_headers(self: BoundedHttp1Server, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived) and bytes(self.buf).startswith(f"GET http://{name}/evil".encode()):
            raise RuntimeError("broken on purpose")
        yield from whole(self, event)

    monkeypatch.setattr(BoundedHttp1Server, "read_headers", read_headers)
    with Raw(host, timeout=10) as raw:
        heads = (f"GET http://{name}/{path} HTTP/1.1\r\nHost: {name}\r\n\r\n" for path in ("page", "evil"))
        raw.send("".join(heads).encode())
        assert raw.read_all().endswith(b"</html>")
    assert how_it_ended(host) == [("GET", "response", None, None), ("-", "refused", "the gateway failed", "failure")]


def test_a_question_that_cannot_be_sealed_spoils_no_row_before_it(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer before it was sent in the same turn."""
    seal_nothing_that_begins(b"GET /second", monkeypatch)
    with Raw(host, timeout=10) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name)
        heads = (f"GET /{path} HTTP/1.1\r\nHost: {name}\r\n\r\n" for path in ("page", "second"))
        raw.send("".join(heads).encode())
        assert raw.read_all().endswith(b"</html>")
    assert how_it_ended(host) == [("GET", "response", None, None), ("GET", "error", "the gateway failed", "failure")]


def test_half_a_request_behind_our_fault_is_our_fault(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a row, for it was something else; nothing was wrong with it."""
    whole = StraightHttpLayer.handle_event

    def handle_event(self: StraightHttpLayer, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived) and event.data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError("broken on purpose")
        yield from whole(self, event)

    monkeypatch.setattr(StraightHttpLayer, "handle_event", handle_event)
    with Raw(host, timeout=10) as raw:
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\nGET http://{name}/ha".encode())
        assert raw.read_all() == b""
    assert how_it_ended(host) == [
        ("GET", "error", "the gateway failed", "failure"),
        ("-", "refused", "the gateway failed", "failure"),
    ]


def seal_nothing_that_begins(so: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the sealing of such bytes fail."""
    whole = tlslayers._write

    def write(connection: SSL.Connection, plain: bytes) -> None:
        if plain.startswith(so):
            raise RuntimeError("broken on purpose")
        whole(connection, plain)

    monkeypatch.setattr(tlslayers, "_write", write)


def how_it_ended(host: Host) -> list[tuple[str, str, str | None, str | None]]:
    """Of each record: method, ending, error, and the reason of one that ended badly."""
    assert host.master is not None
    wait_for(lambda: not host.master.server.connections, "the connection to be over")
    endings = host.endings()
    rows = [(row, endings[row.id]) for row in host.rows()]
    return [
        (row.method, str(end.kind), end.error, None if end.error is None else str(end.reason or row.reason))
        for row, end in rows
    ]


def test_a_fault_in_what_is_recorded_of_an_answer_ends_no_connection(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is sent by then; its row ends as one whose end nobody knows."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(TrafficLog, "_ending", broken)
    with Raw(host) as raw:
        for _ in range(2):
            raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert raw.answer().status == 200
        faults = host.live.metrics.hook_failures.labels("trafficlog")._value
        wait_for(lambda: faults.get() == 2, "both faults to be counted")


class Unsealable(commands.SendData):
    """Bytes that fail when they are taken."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def data(self) -> bytes:  # type: ignore[override]
        raise RuntimeError("broken on purpose")


def test_nothing_of_the_same_turn_comes_behind_missing_bytes(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said before the connection's task hears that it is over would close the hole."""
    whole = StraightHttpLayer.handle_event

    def handle_event(self: StraightHttpLayer, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived) and event.data.startswith(b"HTTP/1.1 200"):
            yield Unsealable(self.context.client)
            yield HalfClose(event.connection)  # before which everything is sent
        yield from whole(self, event)

    monkeypatch.setattr(StraightHttpLayer, "handle_event", handle_event)
    with Raw(host) as raw:
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.read_all() == b""


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running
