"""Where clients arrive: the host's server on sockets the supervisor holds, and who a client is behind a balancer.

In comes a connection; out goes the same, with the client's own address, to the host. A connection from a named
balancer must begin with a PROXY header; from anybody else none is believed (as HTTP its bytes are refused).
The sockets are the supervisor's, so connections that wait to be accepted outlive the worker they wait for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import mode_servers, mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.server_hooks import ClientConnectedHook, ClientDisconnectedHook

from addons.destinations import Network
from addons.flownotes import connection_notes
from addons.refusedbytes import RefusedBytes, RefusedBytesHook
from proxy.balancers import Announced, HeaderMistake, is_balancer, missing, read_header

logger = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections waiting to be accepted: a change of lesson is a burst."""
HEADER_SECONDS = 5.0
"""Longest a balancer may take over its header; it has it ready when it connects."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Where clients arrive, and through whom."""

    sockets: Sequence[socket.socket] = ()
    """Bound sockets to listen on; none to make them here."""
    balancers: tuple[Network, ...] = ()
    """Who must say for whom it connects."""
    redirected: Sequence[socket.socket] = ()
    """Bound sockets where traffic arrives that the firewall redirects; none for an explicit proxy alone."""


@dataclass(frozen=True)
class GatewayMode(mode_specs.ProxyMode):
    """An explicit proxy whose port several workers share."""

    description = "Schoolgate"
    transport_protocol = mode_specs.TCP

    def __post_init__(self) -> None:
        """No data follows the mode's name."""


class GatewayServer(mode_servers.AsyncioServerInstance[GatewayMode]):
    """Listens with `SO_REUSEPORT`, or on the sockets it was given."""

    _told: tuple[Any, tuple[Any, ...]] = (None, ())
    """The listeners, and the addresses they listen on: the host asks at each connection, and asks the kernel."""

    @property
    def listen_addrs(self) -> tuple[Any, ...]:
        """Where it listens, as long as the listeners are the same."""
        if self._told[0] is not self._servers:
            self._told = (self._servers, super().listen_addrs)
        return self._told[1]

    def make_top_layer(self, context: Context) -> Layer:
        """The layer a connection starts with."""
        return modes.HttpProxy(context)

    async def handle_stream(self, reader: Any, writer: Any = None) -> None:
        """Serve one client. The host leaves the socket open when it is cut while waiting for its own lock."""
        try:
            balancers = arrivals().balancers
            if not balancers or await _introduced(reader, writer, balancers):
                await super().handle_stream(reader, writer)
        finally:
            if writer is not None and not writer.is_closing():
                writer.close()

    async def listen(self, host: str, port: int) -> Any:
        """One listening socket a worker and address."""
        given = arrivals().sockets
        serve = partial(asyncio.start_server, self.handle_stream, backlog=BACKLOG)
        return [await serve(sock=end) for end in given] or [await serve(host or None, port, reuse_port=True)]


def arrivals() -> Arrivals:
    """What the one master of this process was told; the host makes servers itself, with nothing of ours."""
    told: Arrivals = ctx.master.arrivals  # type: ignore[attr-defined]
    return told


class Farewell:
    """The addon of a worker that is being replaced: the answer to a request is the last on its connection."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Say so to the client, who then comes back to the worker's successor."""
        if flow.response is not None and flow.response.status_code != 101:
            flow.response.headers["connection"] = "close"


async def _introduced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, balancers: Sequence[Network]) -> bool:
    """Whether the connection may go on: it is no balancer's, or its balancer has said whose it is."""
    peer = writer.get_extra_info("peername")
    if peer is None or not is_balancer(peer[0], balancers):
        return True
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            announced = await _read(reader)
    except asyncio.IncompleteReadError as error:
        if not error.partial and error.expected:
            return False  # looked whether the port is open, and went
        await turned_away(writer, "half a PROXY header")
    except (HeaderMistake, TimeoutError) as error:
        await turned_away(writer, str(error) or "no PROXY header in time")
    except OSError:
        return False
    else:
        _take_for(writer, announced)
        return True
    return False


async def _read(reader: asyncio.StreamReader) -> Announced:
    data = b""
    while need := missing(data):
        try:
            data += await reader.readexactly(need)
        except asyncio.IncompleteReadError as error:
            data += error.partial
            missing(data)  # names what it is, when it is none
            raise asyncio.IncompleteReadError(data, need) from None
    return read_header(data)


def _take_for(writer: asyncio.StreamWriter, announced: Announced) -> None:
    if announced.address is None:
        return
    client = (announced.address, announced.port)
    original = writer.get_extra_info

    def told(name: str, default: Any = None) -> Any:
        return client if name == "peername" else original(name, default)

    writer.get_extra_info = told  # type: ignore[method-assign]


async def turned_away(writer: asyncio.StreamWriter, why: str, wanted: tuple[str, int] | None = None) -> None:
    """A row of it, under the address it came from (a balancer's is its own) and with where it was going as far as that
    is known, and no answer."""
    client = Client(
        peername=writer.get_extra_info("peername"),
        sockname=writer.get_extra_info("sockname"),
        timestamp_start=time.time(),
        state=ConnectionState.CLOSED,
    )
    connection_notes(client).wanted = wanted
    refused = RefusedBytes(client, why, None)
    for hook in (ClientConnectedHook(client), RefusedBytesHook(refused), ClientDisconnectedHook(client)):
        await ctx.master.addons.trigger_event(hook)
