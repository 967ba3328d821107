"""The host's connection handler without a task for each hook: same order, same fate of what goes wrong.

Shows: `proxy.dispatch`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

from addons.relaying import TunnelLayer
from addons.straight import StraightHttpLayer
from proxy.connection import AHEAD, GatewayConnection
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for


@dataclass
class ShownHook(commands.StartHook):
    """A hook of this test."""

    data: list[str]


class Talkative(layer.Layer):
    """A layer that calls a hook twice for each event and writes down what it sees."""

    def __init__(self, context: Context, seen: list[str]) -> None:
        super().__init__(context)
        self.seen = seen

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        for number in (1, 2):
            self.seen.append(f"before {number}")
            yield ShownHook(self.seen)
            self.seen.append(f"after {number}")


class Listener:
    """An addon with a hook that is a plain function."""

    def shown(self, data: list[str]) -> None:
        data.append("hook")


class Patient:
    """An addon that must be waited for."""

    async def shown(self, data: list[str]) -> None:
        data.append("waiting")
        await asyncio.sleep(0.01)
        data.append("waited")


class Broken:
    """An addon that fails."""

    def shown(self, data: list[str]) -> None:
        raise RuntimeError("broken on purpose")


class Ends:
    """A socket's ends, for a handler that sends nothing."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if name == "transport_protocol" else ("127.0.0.1", 1)


def talk(host: Host, *addons: Any) -> list[str]:
    """What a layer and these addons see of one event, on the host's loop."""
    seen: list[str] = []

    async def run() -> None:
        master = host.master
        assert master is not None
        master.addons.add(*addons)
        try:
            ends = Ends()
            mode = next(iter(master.server.servers)).mode
            handler = GatewayConnection(master, ends, ends, master.options, mode)
            handler.layer = Talkative(handler.layer.context, seen)
            await handler.server_event(events.Start())
            deadline = asyncio.get_running_loop().time() + 5
            while seen[-1] != "after 2" and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.005)
        finally:
            for addon in addons:
                master.addons.remove(addon)

    asyncio.run_coroutine_threadsafe(run(), host.loop).result(10)
    return seen


def test_a_plain_hook_is_called_where_it_stands(host: Host) -> None:
    """The layer goes on as soon as it is called, with nothing between."""
    assert talk(host, Listener()) == ["before 1", "hook", "after 1", "before 2", "hook", "after 2"]


def test_a_hook_that_waits_is_waited_for(host: Host) -> None:
    """A password check: the layer goes on when it is done, and later addons run after it."""
    half = ["waiting", "waited", "hook"]
    assert talk(host, Patient(), Listener()) == ["before 1", *half, "after 1", "before 2", *half, "after 2"]


def test_a_broken_addon_does_not_keep_the_others_from_being_asked(host: Host) -> None:
    """The gatekeeper is one of the others."""
    assert talk(host, Broken(), Listener()) == ["before 1", "hook", "after 1", "before 2", "hook", "after 2"]


@pytest.mark.parametrize("at", [1, 3])
def test_whoever_meets_a_broken_layer_is_shown_out_with_a_row(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At the first bytes or later: nobody hangs, nothing passes, somebody can read of it."""
    whole, seen = StraightHttpLayer.handle_event, list[events.Event]()

    def handle_event(self: StraightHttpLayer, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived) and event.connection is self.context.client:
            seen.append(event)
            if len(seen) == at:
                raise RuntimeError("broken on purpose")
        return whole(self, event)

    monkeypatch.setattr(StraightHttpLayer, "handle_event", handle_event)
    with Raw(host) as raw:
        for _ in range(at - 1):
            raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert raw.answer().status == 200
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.read_all() == b""
    rows = host.rows()
    assert len(rows) == at
    assert (rows[-1].blocked, rows[-1].note, rows[-1].reason) == (True, "the gateway failed", "failure")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_open_when_a_layer_breaks_ends_at_once(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """In the middle of an answer: one row, which says that it was us, and not only at the next start."""
    whole = StraightHttpLayer.handle_event

    def handle_event(self: StraightHttpLayer, event: events.Event) -> Any:
        if isinstance(event, events.DataReceived) and event.data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError("broken on purpose")
        return whole(self, event)

    monkeypatch.setattr(StraightHttpLayer, "handle_event", handle_event)
    with Raw(host) as raw:
        target = f"http://{name}/page"
        if scheme == "https":
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name)
            target = "/page"
        raw.send(f"GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.read_all() == b""
    (row,) = [row for row in host.rows() if row.host == name]
    ending = host.endings()[row.id]
    assert (row.method, row.path, row.action, row.blocked) == ("GET", "/page", "allow", False)
    assert (ending.kind, ending.error, ending.reason) == ("error", "the gateway failed", "failure")


def test_a_tunnel_whose_layers_break_says_so(host: Host, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is passed through, before its sockets are somebody else's."""

    def relay_messages(self: TunnelLayer, event: events.Event) -> Any:
        raise RuntimeError("broken on purpose")
        yield

    monkeypatch.setattr(TunnelLayer, "relay_messages", relay_messages)
    with Raw(host) as raw:
        assert raw.tunnel("bank.example:443") == 200
        raw.send(hello("bank.example"))
        assert raw.read_all() == b""
    (row,) = [row for row in host.rows() if row.host == "bank.example"]
    ending = wait_for(lambda: host.endings().get(row.id), "its ending")  # its client is let go before
    assert (row.action, ending.kind, ending.error) == ("bypass", "error", "the gateway failed")


def test_the_host_uses_it(host: Host, origin: Origin, name: str) -> None:
    """And pages come through it."""
    assert curl(host, f"https://{name}/page").status == 200
    assert origin.seen(name)
    master = host.master
    assert master is not None
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        handlers = host.call(lambda: {type(one) for one in master.server.connections.values()})
    assert handlers == {GatewayConnection}


@pytest.fixture
def unreachable() -> Iterator[str]:
    """An address whose machine never answers: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def hello(name: str) -> bytes:
    """The bytes of a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("how", ["an upload", "a tunnel that is passed through"])
def test_what_is_sent_while_the_origin_is_reached_stays_with_whoever_sends_it(
    tmp_path: Path, unreachable: str, how: str
) -> None:
    """One tablet that sends on and on to a site that does not answer fills its own memory, not the gateway's."""
    with Host(tmp_path, unreachable).running() as host, Raw(host, timeout=5) as raw:
        if how == "an upload":
            head = (
                "POST http://allowed.example/ HTTP/1.1\r\nHost: allowed.example\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            raw.send(head.encode())
        else:
            assert raw.tunnel("bank.example:443") == 200
            piece = b"x" * 65536
            raw.send(hello("bank.example"))
        raw.socket.settimeout(1.0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                raw.socket.sendall(piece)
                sent += len(piece)
        assert AHEAD <= sent < 32 << 20, f"{sent} bytes were taken"


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running
