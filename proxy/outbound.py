"""The event loop of a worker: every outgoing connection of the process goes through `create_connection` here.

In comes a name and a port; out goes a socket to an address that `Destinations` allows. Names are judged by what they
resolve to at the moment of connecting, so there is no second look-up for DNS rebinding to answer differently. Adds what
the host lacks: a connect timeout and happy eyeballs (RFC 8305).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from addons.destinations import Destinations
from categories.names import registrable_domain
from proxy.eyeballs import connect_first

LOOKUPS = 64
"""Name look-ups under way at once."""
LOOKUPS_PER_ZONE = 8
"""Of these, for names of one registrable domain."""
HAPPY_EYEBALLS = 0.25
"""Seconds before the next address is tried (RFC 8305 §5)."""


class Refused(OSError):
    """A destination the gateway never connects to."""


class OutboundLoop(asyncio.SelectorEventLoop):
    """A selector loop that asks `destinations` before it connects."""

    destinations: Destinations | None = None
    """In force once the worker is set up; None refuses everything."""
    connect_timeout: float = 10.0
    """Seconds to reach an origin, name look-up included."""

    def __init__(self) -> None:
        super().__init__()
        # A thread that waits for a name server cannot be called back, so look-ups have threads of their own.
        self._lookers = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="names")
        self._asked: dict[tuple[Any, ...], asyncio.Future[Any]] = {}
        self._zones: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Event] = {}

    async def create_connection(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """As the original, but only to allowed addresses. Raises `Refused`, `TimeoutError` or another `OSError`."""
        if host is None:
            return await super().create_connection(protocol_factory, host, port, **options)
        if self.destinations is None:
            raise Refused("refused: no destinations are in force")
        pin = self.destinations.pin(host)
        if pin is not None:
            port = pin.port or port
            self._judge(pin.address, port, host)
            host = pin.address
        elif _is_literal(host):
            self._judge(host, port, None)
        try:
            async with asyncio.timeout(self.connect_timeout):
                if pin is None and not _is_literal(host) and not options.get("local_addr"):
                    infos = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                    host, port, options["sock"] = None, None, await connect_first(self, infos, HAPPY_EYEBALLS)
                return await super().create_connection(protocol_factory, host, port, **options)
        except TimeoutError as error:  # asyncio's has no words, and the record needs one
            raise TimeoutError("connect timed out") from error

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """As the original, without the addresses that may not be connected to."""
        found = await self._look_up(host, port, options)
        if self.destinations is None or host is None or isinstance(host, bytes):
            return found
        allowed, refusal = [], "no address"
        for entry in found:
            why = self.destinations.refuse_address(str(entry[4][0]), int(port or 0), name=host)
            if why is None:
                allowed.append(entry)
            else:
                refusal = why
        if not allowed:
            raise Refused(f"refused: {refusal}")
        return allowed

    async def _look_up(self, host: Any, port: Any, options: dict[str, Any]) -> Any:
        """Ask for a name once, however many wait; a zone that does not answer holds only its own share of threads.

        Whoever asks for one name more waits for a turn, as long as for a connection.
        """
        key = (host, port, *sorted(options.items()))
        zone = registrable_domain(host) or host if isinstance(host, str) else ""
        while (running := self._asked.get(key)) is None:
            if len(self._asked) >= LOOKUPS * 4:
                raise OSError("temporary failure in name lookup: too many under way")
            if self._zones[zone] >= LOOKUPS_PER_ZONE:
                await self._turns.setdefault(zone, asyncio.Event()).wait()
                continue
            self._zones[zone] += 1
            running = self.run_in_executor(self._lookers, partial(socket.getaddrinfo, host, port, **options))
            self._asked[key] = running
            running.add_done_callback(partial(self._looked_up, key, zone))
            break
        return await asyncio.shield(running)

    def _looked_up(self, key: tuple[Any, ...], zone: str, done: asyncio.Future[Any]) -> None:
        self._asked.pop(key, None)
        self._zones[zone] -= 1
        if self._zones[zone] <= 0:
            del self._zones[zone]
        if (turn := self._turns.pop(zone, None)) is not None:
            turn.set()
        if not done.cancelled():
            done.exception()  # taken note of, also when nobody waits any more

    def _judge(self, address: str, port: int, name: str | None) -> None:
        if self.destinations is None:
            raise Refused("refused: no destinations are in force")
        why = self.destinations.refuse_address(address, port, name=name)
        if why is not None:
            raise Refused(f"refused: {why}")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def own_addresses() -> frozenset[str]:
    """Every address of this machine's interfaces, canonical text."""
    import psutil

    found = set()
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                found.add(str(ipaddress.ip_address(entry.address.partition("%")[0])))
    return frozenset(found)
