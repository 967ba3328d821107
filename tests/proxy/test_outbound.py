"""The one way out of a worker: judged by what a name resolves to, at the moment of connecting."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from addons.destinations import read_destinations
from proxy import outbound
from proxy.lookups import LOOKUPS_PER_ZONE
from proxy.outbound import OutboundLoop, Refused, own_addresses

Resolver = Callable[[dict[str, list[str]]], list[str]]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on loopback who must not be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Let names resolve to these addresses; every question that was asked is returned."""

    def install(answers: dict[str, list[str]]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            found = []
            for text in answers[host]:
                family = socket.AF_INET6 if ":" in text else socket.AF_INET
                end = (text, int(port or 0), 0, 0) if ":" in text else (text, int(port or 0))
                found.append((family, socket.SOCK_STREAM, 6, "", end))
            return found

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


def reach(
    host: str, port: int, *, allowed: tuple[str, ...] = (), pins: dict[str, str] | None = None, timeout: float = 3
) -> str:
    """Connect as mitmproxy does, on a loop of a worker; the address that was reached."""

    async def main() -> str:
        _, writer = await asyncio.open_connection(host, port)
        peer = writer.get_extra_info("peername")
        writer.close()
        return f"{peer[0]}:{peer[1]}"

    loop = OutboundLoop()
    loop.connect_timeout = timeout
    loop.destinations = read_destinations(
        allowed, pins or {}, own_ports=(8080,), own_addresses=own_addresses(), own_names=("gate.school.example",)
    )
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def was_contacted(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


INNER = (
    *("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "169.254.169.254"),
    *("10.0.0.1", "192.168.1.1", "fe80::1", "fd00::1", "224.0.0.1", "100.64.0.1"),
)
"""Addresses a public name has no business to resolve to."""


@pytest.mark.parametrize("address", INNER)
def test_a_name_that_resolves_to_an_inner_address_is_refused(
    listener: socket.socket, resolve: Resolver, address: str
) -> None:
    """DNS rebinding: the public name `rebind.example` points inside."""
    asked = resolve({"rebind.example": [address]})
    with pytest.raises(Refused, match=r"^refused: "):
        reach("rebind.example", port_of(listener))
    assert not was_contacted(listener)
    assert asked == ["rebind.example"]


def test_the_name_is_asked_once_and_only_good_addresses_are_tried(listener: socket.socket, resolve: Resolver) -> None:
    """No second look-up that could answer differently; of several addresses the inner ones are left out."""
    asked = resolve({"mixed.example": ["10.0.0.1", "127.0.0.1"]})
    assert (
        reach("mixed.example", port_of(listener), allowed=(f"127.0.0.1:{port_of(listener)}",))
        == f"127.0.0.1:{port_of(listener)}"
    )
    assert asked == ["mixed.example"]


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "::1", "::ffff:127.0.0.1", "0.0.0.0"]
)
def test_loopback_is_refused_in_every_spelling(listener: socket.socket, host: str) -> None:
    """With the real resolver of this machine."""
    with pytest.raises(OSError, match=r"refused: |Name or service|not known|No address"):
        reach(host, port_of(listener))
    assert not was_contacted(listener)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", *sorted(own_addresses())])
def test_the_gateway_does_not_reach_itself(host: str) -> None:
    """Not even where loopback is allowed: a request to our own port is a loop."""
    with pytest.raises(Refused, match="loop"):
        reach(host, 8080, allowed=("127.0.0.0/8", "::1", "0.0.0.0/0", "::/0"))


@pytest.mark.parametrize("pin", ["127.0.0.1:{port}", "127.0.0.1"])
def test_a_pinned_name_goes_where_the_settings_say(listener: socket.socket, resolve: Resolver, pin: str) -> None:
    """Without asking DNS; with and without a port of its own."""
    asked = resolve({})
    port = port_of(listener)
    asked_port = 443 if "{port}" in pin else port
    assert (
        reach("intranet.example", asked_port, pins={"intranet.example": pin.format(port=port)}) == f"127.0.0.1:{port}"
    )
    assert asked == []


def test_a_pin_to_our_own_port_is_a_loop() -> None:
    """A slip in the settings must not make the gateway talk to itself."""
    with pytest.raises(Refused, match="loop"):
        reach("intranet.example", 443, pins={"intranet.example": "127.0.0.1:8080"})


def test_before_there_are_rules_nothing_is_reached(listener: socket.socket) -> None:
    """Fail closed."""

    async def main() -> None:
        await asyncio.open_connection("127.0.0.1", port_of(listener))

    with asyncio.Runner(loop_factory=OutboundLoop) as runner, pytest.raises(Refused, match="no destinations"):
        runner.run(main())
    assert not was_contacted(listener)


def test_who_never_answers_is_given_up_on() -> None:
    """A listener whose queue is full drops every SYN; the record needs a word for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = port_of(full)
        waiting = []
        for _ in range(4):
            end = socket.socket()
            end.setblocking(False)
            end.connect_ex(("127.0.0.1", port))
            waiting.append(end)
        with pytest.raises(TimeoutError, match="connect timed out"):
            reach("127.0.0.1", port, allowed=(f"127.0.0.1:{port}",), timeout=0.3)
        for end in waiting:
            end.close()


def test_a_slow_name_server_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit holds from the name to the socket."""
    answer = threading.Event()

    def hanging(*_: Any, **__: Any) -> list[Any]:
        answer.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    timer = threading.Timer(0.6, answer.set)  # or the loop would wait for its thread at the end
    timer.start()
    with pytest.raises(TimeoutError, match="connect timed out"):
        reach("slow.example", 443, timeout=0.2)


def ask_all(names: list[str], limit: float = 20.0) -> list[Any]:
    """Ask one loop for all these names at once; what came, or the exception."""
    loop = OutboundLoop()
    loop.destinations = read_destinations((), {}, own_ports=(), own_addresses=(), own_names=())

    async def one(name: str) -> Any:
        async with asyncio.timeout(limit):
            return await loop.getaddrinfo(name, 443, type=socket.SOCK_STREAM)

    async def main() -> list[Any]:
        return await asyncio.gather(*map(one, names), return_exceptions=True)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def test_a_page_with_many_hosts_of_one_domain_gets_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty names of one domain at the change of lesson: a few are asked at a time, and nobody is turned away."""
    under_way, most, lock = [0], [0], threading.Lock()

    def answering(*_: Any, **__: Any) -> list[Any]:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)  # as long as a name server takes
        with lock:
            under_way[0] -= 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.88.99.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", answering)
    found = ask_all([f"s{number}.photos.example" for number in range(40)] * 2)
    assert not [one for one in found if isinstance(one, BaseException)]
    assert most[0] == LOOKUPS_PER_ZONE


def test_a_domain_that_does_not_answer_keeps_nobody_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own names wait for as long as a connection may; others are asked at once."""
    hanging = threading.Event()

    def answering(host: str, *_: Any, **__: Any) -> list[Any]:
        if host.endswith("stuck.example"):
            hanging.wait(20)
        else:
            hanging.set()  # the others did not have to wait for it
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.88.99.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", answering)
    found = ask_all([*(f"s{number}.stuck.example" for number in range(100)), "www.lessons.example"])
    assert not [one for one in found if isinstance(one, BaseException)]


def reach_often(host: str, port: int, times: int) -> list[str]:
    """Connect to a name so often on one loop, one time after the other; "reached", or what was raised."""

    async def main() -> list[str]:
        told = []
        for _ in range(times):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError as error:
                told.append(str(error).split(":")[0])
            else:
                writer.close()
                told.append("reached")
        return told

    loop = OutboundLoop()
    loop.destinations = read_destinations(("127.0.0.1",), {}, own_ports=(), own_addresses=(), own_names=())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def test_a_name_that_is_known_is_not_asked_for_again(listener: socket.socket, resolve: Resolver) -> None:
    """Thirty children open the same page."""
    asked = resolve({"known.example": ["127.0.0.1"]})
    told = reach_often("known.example", port_of(listener), 5)
    assert told == ["reached"] * 5
    assert asked == ["known.example"]


def test_an_answer_that_is_old_is_asked_for_again(
    listener: socket.socket, resolve: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that moves is found where it is now."""
    monkeypatch.setattr(outbound, "KEPT_SECONDS", 0.0)
    asked = resolve({"known.example": ["127.0.0.1"]})
    reach_often("known.example", port_of(listener), 3)
    assert asked == ["known.example"] * 3


def test_an_answer_that_leads_nowhere_is_asked_for_again(resolve: Resolver) -> None:
    """The origin has failed, and its name leads to its stand-in since."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = port_of(gone)
    asked = resolve({"known.example": ["127.0.0.1"]})
    told = reach_often("known.example", port, 2)
    assert "reached" not in told
    assert asked == ["known.example"] * 2


def test_a_known_answer_is_judged_for_each_connection(listener: socket.socket, resolve: Resolver) -> None:
    """The name may be asked to a port that is ours, or the settings may have changed: what is known is not allowed."""
    asked = resolve({"known.example": ["127.0.0.1"]})
    port = port_of(listener)
    loop = OutboundLoop()
    loop.destinations = read_destinations(("127.0.0.1",), {}, own_ports=(), own_addresses=(), own_names=())

    async def main() -> None:
        _, writer = await asyncio.open_connection("known.example", port)
        writer.close()
        loop.destinations = read_destinations((), {}, own_ports=(), own_addresses=(), own_names=())
        with pytest.raises(Refused, match="loopback"):
            await asyncio.open_connection("known.example", port)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert asked == ["known.example"]


def test_names_that_are_known_do_not_fill_the_memory(resolve: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for ever new names makes the gateway forget old ones, nothing else."""
    monkeypatch.setattr(outbound, "KEPT", 3)
    names = [f"s{number}.known.example" for number in range(5)]
    asked = resolve({name: ["192.88.99.7"] for name in names})
    loop = OutboundLoop()

    async def main() -> None:
        for name in [*names, names[-1], names[0]]:
            await loop.getaddrinfo(name, 443, type=socket.SOCK_STREAM)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert asked == [*names, names[0]]


def test_our_own_addresses_are_known() -> None:
    """Loopback among them, in canonical text."""
    assert "127.0.0.1" in own_addresses()
