"""Name servers that say nothing, and pupils who know them: everybody else's pages open all the same."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from addons.destinations import read_destinations
from proxy import lookups
from proxy.lookups import LOOKUPS, LOOKUPS_PER_CLIENT, LOOKUPS_PER_ZONE, Lookups
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

PUPIL, TEACHER = "10.4.1.7", "10.4.2.9"
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.88.99.7", 443))]


class Resolver:
    """Stands for the machine's resolver: says nothing of names with *silent* in them until told to."""

    def __init__(self) -> None:
        self.speak = threading.Event()
        self.waiting = 0
        self._real = socket.getaddrinfo
        self._lock = threading.Lock()

    def __call__(self, host: str, *more: Any, **options: Any) -> list[Any]:
        if not host.endswith(".example"):
            return self._real(host, *more, **options)
        if "silent" not in host or self.speak.is_set():
            return FOUND
        with self._lock:
            self.waiting += 1
        try:
            self.speak.wait(60)
        finally:
            with self._lock:
                self.waiting -= 1
        if "late" in host:
            return FOUND
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    standing_in = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", standing_in)
    yield standing_in
    standing_in.speak.set()


def run(resolver: Resolver, school: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop; whatever still hangs is let go at the end, or the loop would wait for its threads."""

    async def main() -> None:
        try:
            async with asyncio.timeout(50):
                await school
        finally:
            resolver.speak.set()

    asyncio.run(main())


async def until(count: int, resolver: Resolver) -> None:
    """Until so many threads hang, and for a moment longer, in which no more should."""
    while resolver.waiting < count:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


def ask(names: Lookups, client: str, *hosts: str) -> list[asyncio.Task[Any]]:
    loop = asyncio.get_running_loop()
    return [loop.create_task(names.ask(host, 443, {}, client)) for host in hosts]


def silent(count: int, names: int = 1) -> list[str]:
    return [f"n{name}.silent-{number}.example" for number in range(count) for name in range(names)]


def test_a_pupil_with_many_silent_domains_holds_a_share(resolver: Resolver) -> None:
    """A hundred domains that never answer, eight names each: others are asked at once, the pupil waits for turns."""

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        hanging = ask(names, PUPIL, *silent(100, 8), "lesson.example")
        await until(LOOKUPS_PER_CLIENT, resolver)
        assert resolver.waiting == LOOKUPS_PER_CLIENT < LOOKUPS
        (asked,) = ask(names, TEACHER, "lesson.example")
        assert await asked == FOUND
        resolver.speak.set()
        assert (await asyncio.gather(*hanging, return_exceptions=True))[-1] == FOUND

    run(resolver, school())


def test_a_silent_domain_gets_one_thread_until_it_answers(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first names of it may be asked for together; once it is known to be silent, one after the other."""
    monkeypatch.setattr(lookups, "SILENCE", 0.2)

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        first = ask(names, "", *silent(1, 30))
        await until(LOOKUPS_PER_ZONE, resolver)
        assert resolver.waiting == LOOKUPS_PER_ZONE
        await asyncio.sleep(0.3)
        for task in first:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        resolver.speak.set()  # what hung has failed
        while resolver.waiting:
            await asyncio.sleep(0.01)
        resolver.speak.clear()
        again = ask(names, "", *silent(1, 30))
        await until(1, resolver)
        assert resolver.waiting == 1
        resolver.speak.set()  # it answers now, and all of them are
        assert FOUND in await asyncio.gather(*again, return_exceptions=True)
        resolver.speak.clear()
        once_more = ask(names, "", *silent(1, 30))
        await until(LOOKUPS_PER_ZONE, resolver)
        assert resolver.waiting == LOOKUPS_PER_ZONE
        resolver.speak.set()
        await asyncio.gather(*once_more, return_exceptions=True)

    run(resolver, school())


def test_slow_answers_are_answers(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a dead first name server every answer is late: no domain is taken to be silent for that."""
    monkeypatch.setattr(lookups, "SILENCE", 0.05)

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        for _ in range(2):
            resolver.speak.clear()
            slow = ask(names, "", *(f"n{name}.late.silent.example" for name in range(LOOKUPS_PER_ZONE)))
            await until(LOOKUPS_PER_ZONE, resolver)
            assert resolver.waiting == LOOKUPS_PER_ZONE
            resolver.speak.set()
            assert await asyncio.gather(*slow) == [FOUND] * LOOKUPS_PER_ZONE

    run(resolver, school())


@pytest.mark.parametrize(
    ("addresses", "threads"),
    [
        ([f"2001:db8::{number:x}" for number in range(50)], LOOKUPS_PER_CLIENT),
        ([f"10.4.1.{number}" for number in range(50)], 50),
    ],
)
def test_a_device_with_many_addresses_has_one_share(resolver: Resolver, addresses: list[str], threads: int) -> None:
    """In IPv6 a network of 64 bits is one client's; in IPv4 an address is."""

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        hanging = [ask(names, client, host)[0] for client, host in zip(addresses, silent(50), strict=True)]
        await until(threads, resolver)
        assert resolver.waiting == threads
        resolver.speak.set()
        await asyncio.gather(*hanging, return_exceptions=True)

    run(resolver, school())


def test_a_name_that_many_want_is_asked_once(resolver: Resolver) -> None:
    """Whoever they are; and when one of them leaves, the others still get it."""

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        wanted = [ask(names, f"10.4.1.{number}", "n0.late.silent.example")[0] for number in range(40)]
        await until(1, resolver)
        wanted[0].cancel()
        assert resolver.waiting == 1
        resolver.speak.set()
        assert await asyncio.gather(*wanted[1:]) == [FOUND] * 39

    run(resolver, school())


def test_too_many_at_all_is_said_at_once(resolver: Resolver) -> None:
    """When a whole class holds every thread, the next gets a page, not a thread."""

    async def school() -> None:
        names = Lookups(asyncio.get_running_loop())
        hanging = [ask(names, f"10.4.1.{number}", host)[0] for number, host in enumerate(silent(LOOKUPS))]
        await until(LOOKUPS, resolver)
        began = time.monotonic()
        with pytest.raises(OSError, match="too many under way"):
            await names.ask("lesson.example", 443, {}, TEACHER)
        assert time.monotonic() - began < 5
        resolver.speak.set()
        await asyncio.gather(*hanging, return_exceptions=True)

    run(resolver, school())


def test_the_gateway_knows_on_whose_behalf_it_asks(
    resolver: Resolver, tmp_path, origin: Origin, authority: Authority
) -> None:
    """From the client's connection to its share of look-ups, through the host."""
    with Host(tmp_path, origin.address, trust=authority.pem).running() as host:
        host.loop.destinations = read_destinations((), {}, own_ports=(), own_addresses=(), own_names=())
        with Raw(host, source="127.0.9.44") as raw:
            raw.send(b"GET http://www.silent.example/ HTTP/1.1\r\nHost: www.silent.example\r\n\r\n")
            held = host.loop._lookups._held
            wait_for(lambda: held["client 127.0.9.44"] == 1, "the pupil's look-up")
            resolver.speak.set()
            assert raw.answer().status == 502
            assert not held
