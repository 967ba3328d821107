"""What becomes of a connection: ended when nothing moves, and gone when it is over."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.utils import typecheck

from proxy.lifetime import Watchdog
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Host]:
    """A host of this module's own."""
    with Host(tmp_path_factory.mktemp("host"), origin.address, trust=authority.pem).running() as running:
        yield running


@pytest.fixture
def no_collection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever goes now goes by itself."""
    monkeypatch.setattr(typecheck, "check_option_type", lambda *_: None)  # not in a gateway, which runs with -O
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parts_of(host: Host) -> list[weakref.ref[Any]]:
    """The open connections' handlers, their layers and their clients, without holding them."""

    def look() -> list[weakref.ref[Any]]:
        found = []
        for handler in host.master.server.connections.values() if host.master is not None else ():
            layers = handler.layer.context.layers
            found += [weakref.ref(one) for one in (handler, handler.client, handler.layer, *layers)]
        return found

    return host.call(look)


def ask(raw: Raw, name: str, path: str) -> bytes:
    """A page over an open tunnel, head and body."""
    raw.send(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return raw.read_head()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("how", ["a page", "a handshake that fails", "a tunnel that is not used"])
def test_a_connection_that_is_over_is_gone_at_once(host: Host, name: str, how: str) -> None:
    """Nothing of it waits for the garbage collector, whose pauses every other connection feels."""
    with Raw(host, timeout=20) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        if how == "a page":
            raw.secure(name)
            assert b" 200 " in ask(raw, name, "/page")
        parts = parts_of(host)
        assert len(parts) > 4
        if how == "a handshake that fails":
            raw.send(b"\x16\x03\x01\x00\x06\x01\x00\x00\x02no")
            raw.read_all()
    wait_for(lambda: not any(part() is not None for part in parts), "the connection to be gone")


@pytest.mark.usefixtures("no_collection")
def test_an_exchange_that_is_over_is_gone_at_once(host: Host, name: str) -> None:
    """Though its connection stays open for the next."""
    seen: list[weakref.ref[Any]] = []

    class Look:
        def response(self, flow: Any) -> None:
            seen.append(weakref.ref(flow))

    look = Look()
    assert host.master is not None
    host.call(lambda: host.master.addons.add(look))  # type: ignore[union-attr]
    try:
        with Raw(host, timeout=20) as raw:
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name)
            for number in range(3):
                assert b" 200 " in ask(raw, name, f"/page?{number}")
            wait_for(lambda: len(seen) == 3, "the exchanges")
            wait_for(lambda: not any(flow() is not None for flow in seen), "the exchanges to be gone")
    finally:
        host.call(lambda: host.master.addons.remove(look))  # type: ignore[union-attr]


def watched(seconds: float, moves: list[float], *, held: float = 0.0) -> float:
    """When a watchdog calls, if something moves at these times and it is held at the beginning; 9 for never."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[float] = loop.create_future()
        began = loop.time()
        watchdog = Watchdog(seconds, lambda: called.done() or called.set_result(loop.time() - began))
        watchdog.begin()
        for move in moves:
            loop.call_later(move, watchdog.register_activity)
        if held:
            with watchdog.disarm():
                await asyncio.sleep(held)
        try:
            async with asyncio.timeout(9):
                return await called
        except TimeoutError:
            return 9.0
        finally:
            watchdog.end()

    return asyncio.run(main())


def test_it_is_called_when_nothing_moves() -> None:
    """After as long as was said, and not before."""
    assert 0.2 <= watched(0.2, []) < 5


def test_whatever_moves_puts_it_off() -> None:
    """A byte now and then."""
    assert 0.6 <= watched(0.3, [0.1, 0.2, 0.3]) < 5


def test_it_stands_still_while_something_is_waited_for() -> None:
    """A password that is checked is no idleness."""
    assert 0.8 <= watched(0.2, [], held=0.6) < 5


def test_one_that_was_ended_calls_nobody(tmp_path: Path) -> None:
    """The connection it was for is over."""

    async def main() -> list[str]:
        called: list[str] = []
        watchdog = Watchdog(0.05, lambda: called.append("called"))
        watchdog.begin()
        watchdog.end()
        await asyncio.sleep(0.3)
        return called

    assert asyncio.run(main()) == []
