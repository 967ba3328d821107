"""Where the traffic of devices arrives that know of no proxy: a firewall redirects it, and the kernel tells where it
was going.

In comes a redirected connection; out goes the same, with its destination, to the host. One that was not redirected, or
that was going to this machine itself, is closed with a row: it would lead the gateway to itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from dataclasses import dataclass
from functools import partial
from typing import Any

from mitmproxy import ctx
from mitmproxy.proxy import mode_servers, mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer

from addons.destinations import Destinations
from addons.transparent import TransparentLayer
from proxy.listening import BACKLOG, arrivals, turned_away

REDIRECTED = "redirected"
"""What the host calls this way in."""
SO_ORIGINAL_DST = 80
"""`linux/netfilter_ipv4.h`; IPv6 has the same number at another level."""
SOL_IPV6 = 41


@dataclass(frozen=True)
class RedirectedMode(mode_specs.ProxyMode):
    """A transparent proxy whose port several workers share."""

    description = "Schoolgate, transparent"
    transport_protocol = mode_specs.TCP

    def __post_init__(self) -> None:
        """No data follows the mode's name."""


class RedirectedServer(mode_servers.AsyncioServerInstance[RedirectedMode]):
    """Listens on the sockets it was given."""

    def make_top_layer(self, context: Context) -> Layer:
        """The layer a connection starts with."""
        return TransparentLayer(context)

    async def handle_stream(self, reader: Any, writer: Any = None) -> None:
        """Serve one client, or turn it away at once."""
        try:
            wanted = meant_for(writer.get_extra_info("socket"))
            refusal = refused_here(wanted, writer.get_extra_info("sockname"), ctx.master.live.destinations)  # type: ignore[attr-defined]
            if refusal is not None or wanted is None:
                await turned_away(writer, refusal or "not redirected", wanted or writer.get_extra_info("sockname")[:2])
                return
            _take_as(writer, wanted)
            await super().handle_stream(reader, writer)
        finally:
            if not writer.is_closing():
                writer.close()

    async def listen(self, host: str, port: int) -> Any:
        """One listening socket a worker and address."""
        serve = partial(asyncio.start_server, self.handle_stream, backlog=BACKLOG)
        return [await serve(sock=end) for end in arrivals().redirected]


def meant_for(end: Any) -> tuple[str, int] | None:
    """The address and port a connection was going to before the firewall redirected it; None when the kernel knows of
    none."""
    try:
        if end.family == socket.AF_INET6:
            told = end.getsockopt(SOL_IPV6, SO_ORIGINAL_DST, 28)
            port, packed = struct.unpack_from("!2xH4x16s", told)
        else:
            told = end.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
            port, packed = struct.unpack_from("!2xH4s", told)
    except (OSError, struct.error):
        return None
    return str(ipaddress.ip_address(packed)), port


def refused_here(wanted: tuple[str, int] | None, local: Any, destinations: Destinations) -> str | None:
    """Why a connection is not served here; None when it was redirected, and from somewhere else. Pure.

    `local` is where it arrived: a connection that was going there all along was not redirected.
    """
    if wanted is None or wanted == (local[0], local[1]):
        return "not redirected"
    return "own address" if destinations.is_own(wanted[0]) else None


def _take_as(writer: asyncio.StreamWriter, wanted: tuple[str, int]) -> None:
    original = writer.get_extra_info

    def told(name: str, default: Any = None) -> Any:
        return wanted if name == "sockname" else original(name, default)

    writer.get_extra_info = told  # type: ignore[method-assign]
