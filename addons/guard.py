"""Refuses what the gateway never serves: too many connections, odd ports, its own and private addresses, loops.

The verdict is made here and nowhere else; `filter` turns it into a page and `trafficlog` into a row (reason *guard* or
*circumvention*). Addresses a name resolves to are judged by the event loop (`proxy.outbound`) with the
same `Destinations`.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from mitmproxy.connection import Client as ClientConnection
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from addons.live import Live
from categories.names import Url
from identity.shares import shares
from policy.model import Action, Reason, Stage, Verdict

logger = logging.getLogger(__name__)

ASKING: ContextVar[str] = ContextVar("asking", default="")
"""Address of the client for which this task is about to reach an origin; empty when for none."""
NETWORK_CONNECTIONS = 64
"""How often what one client may have open all clients of one IPv6 network may have together. No share: a bound for one
device with as many addresses as it likes, and beyond what a school of one network needs when lessons change."""
NETWORK_REQUESTS = 32
"""The same for the requests of one second."""


class Guard:
    """First in the chain: what is refused here never reaches the policy."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._counted: dict[str, list[str]] = {}
        """Under what the open connections are counted."""

    def client_connected(self, client: ClientConnection) -> None:
        """Cap the connections of one address, and of one IPv6 network, counted at all workers."""
        self.live.metrics.connections.inc()
        most = self.live.connections_per_client
        counted = self._counted[client.id] = []
        for share in shares(client.peername[0]):
            counted.append(share)
            if self.live.connections.opened(share) > most:
                client.error = "too many connections"
                break  # what an address may not have is not charged to its neighbours
            most *= NETWORK_CONNECTIONS

    def client_disconnected(self, client: ClientConnection) -> None:
        """Forget a connection, wherever it was counted."""
        self.live.metrics.connections.dec()
        for share in self._counted.pop(client.id, ()):
            self.live.connections.closed(share)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """The last word before a socket is opened. An exception here refuses: the error is set first."""
        data.server.error = "not checked"
        if data.server.address is None or data.server.transport_protocol != "tcp":
            data.server.error = "no destination"
            return
        host, port = data.server.address[:2]
        refusal = refuse_destination(self.live, host, port)
        ASKING.set(data.client.peername[0])
        data.server.error = f"refused: {refusal}" if refusal else None


def too_many_requests(live: Live, address: str, stage: Stage) -> Verdict | None:
    """The refusal of a request, or CONNECT, of a client that has made too many within this second."""
    most = live.requests_per_client
    if not most:
        return None
    now = live.clock()
    for share in shares(address):
        if live.pace.asked(share, now) > most:
            break  # what an address may not ask is not charged to its neighbours
        most *= NETWORK_REQUESTS
    else:
        return None
    live.metrics.over_cap.inc()
    return Verdict(
        action=Action.BLOCK,
        reason=Reason.GUARD,
        because="This device asks for too much at once. Wait a moment, then try again.",
        rule="guard:requests",
        stage=stage,
        revision=live.engine.revision,
    )


def refuse_destination(live: Live, host: str, port: int) -> str | None:
    """Why this destination is never connected to, as written; None when DNS may be asked."""
    if host and host == live.handout.host:
        return "own page"
    destinations = live.destinations
    if destinations.pin(host) is not None:
        return destinations.refuse_name(host, port)
    if is_literal(host):
        return destinations.refuse_address(host, port)
    return destinations.refuse_name(host, port)


def is_literal(host: str) -> bool:
    """True for a canonical IP literal."""
    return ":" in host or host.replace(".", "").isdecimal()


def guard_verdict(live: Live, url: Url, *, connect: bool) -> Verdict | None:
    """The refusal of a request the gateway never serves; None when the policy may decide.

    `connect` tells a CONNECT's port rule from a plain request's.
    """
    stage = Stage.CONNECT if connect else Stage.REQUEST
    refusal = refuse_destination(live, url.host, url.port)
    if refusal is not None:
        return Verdict(
            action=Action.BLOCK,
            reason=Reason.GUARD,
            because=f"The gateway never connects to this address ({refusal}).",
            rule=f"guard:{refusal}",
            stage=stage,
            revision=live.engine.revision,
        )
    usual = url.port in live.connect_ports or (not connect and url.port in live.http_ports)
    if not usual and not _named(live, url):
        return Verdict(
            action=Action.BLOCK,
            reason=Reason.CIRCUMVENTION,
            because=f"Port {url.port} is not one that web sites use here.",
            rule="guard:odd-port",
            category="circumvention",
            stage=stage,
            revision=live.engine.revision,
        )
    return None


def _named(live: Live, url: Url) -> bool:
    """True when the settings name this very port of this destination."""
    destinations = live.destinations
    return (url.host, url.port) in destinations.allowed_names or any(
        port == url.port and str(network.network_address) == url.host for network, port in destinations.allowed_networks
    )
