"""The event loop of a worker: every outgoing connection of the process goes through `create_connection` here.

In comes a name and a port; out goes a socket to an address that `Destinations` allows. Names are judged by what they
resolve to at the moment of connecting, so there is no second look-up for DNS rebinding to answer differently. Answers
are kept for half a minute, and judged anew for each connection. Adds what the host lacks: a connect timeout and happy
eyeballs (RFC 8305).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from addons.destinations import Destinations
from addons.guard import ASKING
from proxy.eyeballs import connect_first
from proxy.lookups import Lookups

KEPT = 4096
"""Answers kept, the last used of all."""
KEPT_SECONDS = 30.0
"""How long: the resolver does not say for how long they hold, so no longer than a name may be down."""
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
        self._lookups = Lookups(self)
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, Any]] = OrderedDict()

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
                    host, port, options["sock"] = None, None, await self._reach(host, port)
                return await super().create_connection(protocol_factory, host, port, **options)
        except TimeoutError as error:  # asyncio's has no words, and the record needs one
            raise TimeoutError("connect timed out") from error

    async def _reach(self, host: str, port: int) -> socket.socket:
        """A socket to this name. An answer nobody of whom can be reached is asked for again by whoever comes next."""
        asked = {"type": socket.SOCK_STREAM}
        try:
            return await connect_first(self, await self.getaddrinfo(host, port, **asked), HAPPY_EYEBALLS)
        except BaseException:
            self._kept.pop(_key(host, port, asked), None)
            raise

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """As the original, without the addresses that may not be connected to."""
        found = await self._found(host, port, options)
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

    async def _found(self, host: Any, port: Any, options: dict[str, Any]) -> Any:
        """What the resolver says, or has said not long ago."""
        key = _key(host, port, options)
        if (kept := self._kept.get(key)) is not None and self.time() < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        found = await self._lookups.ask(host, port, options, client=ASKING.get())
        self._kept[key] = (self.time() + KEPT_SECONDS, found)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _judge(self, address: str, port: int, name: str | None) -> None:
        if self.destinations is None:
            raise Refused("refused: no destinations are in force")
        why = self.destinations.refuse_address(address, port, name=name)
        if why is not None:
            raise Refused(f"refused: {why}")


def _key(host: Any, port: Any, options: dict[str, Any]) -> tuple[Any, ...]:
    return (host, port, *sorted(options.items()))


@lru_cache(KEPT)
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
