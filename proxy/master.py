"""The embedded host: its own `Master`, its own mode, our addons and nothing else of mitmproxy's.

Reference `mitmproxy.md` §1.3 and §3.2: a mode and a server instance are public extension points; `SO_REUSEPORT` lets
workers share the port. Never loads a script, a user's configuration, or an option an administrator could reach.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitmproxy import master
from mitmproxy.addons import block, core, errorcheck, proxyserver

from addons import build_addons, clienthello
from addons.cutting import cut
from addons.flownotes import STOPPED, busy
from addons.live import Live
from addons.tls import GatewayTls
from proxy import connection, faults
from proxy.dispatch import DispatchManager
from proxy.listening import Arrivals
from proxy.redirected import REDIRECTED
from proxy.relay import Relaying
from proxy.settled import SettledOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the host is told."""

    listen_host: str
    """Address to listen on."""
    listen_port: int
    """Port to listen on."""
    confdir: Path
    """Folder with the CA, laid out as the host wants it."""
    upstream_trust: Path
    """One PEM file of every CA trusted for origins."""
    idle_timeout: int
    """Seconds without a byte."""
    tunnel_timeout: float = 12 * 3600.0
    """Longest life of a passed-through tunnel, seconds."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Where clients arrive, and through whom."""
    passphrase: str | None = None
    """Opens the CA's key when it is locked."""


class GatewayMaster(master.Master):
    """mitmproxy with our addons."""

    def __init__(self, live: Live, told: HostOptions) -> None:
        super().__init__(SettledOptions(), with_termlog=False)
        self._legacy_log_events.uninstall()
        connection.install()
        clienthello.install()
        self.addons = DispatchManager(self)  # before any addon: the first manager is only weakly held, and goes
        self.live = live
        self.arrivals = told.arrivals
        self.server = proxyserver.Proxyserver()
        self.tls = GatewayTls()
        self.addons.add(
            core.Core(),
            self.server,
            errorcheck.ErrorCheck(),
            block.Block(),
            self.tls,
            *build_addons(live),
            Relaying(self.server.connections, idle=told.idle_timeout, longest=told.tunnel_timeout),
        )
        self.options.update(
            mode=["gateway", f"{REDIRECTED}@0"] if told.arrivals.redirected else ["gateway"],
            listen_host=told.listen_host,
            listen_port=told.listen_port,
            confdir=str(told.confdir),
            connection_strategy="lazy",
            ssl_verify_upstream_trusted_ca=str(told.upstream_trust),
            ssl_insecure=False,
            cert_passphrase=told.passphrase,
            upstream_cert=False,
            rawtcp=False,
            http2=False,
            http3=False,
            websocket=True,
            block_global=False,
            validate_inbound_headers=True,
            store_streamed_bodies=False,
            tcp_timeout=told.idle_timeout,
        )

    def _asyncio_exception_handler(self, loop: Any, context: dict[str, Any]) -> None:
        """As the host's, which writes down every socket and address an error has to do with."""
        faults.unhandled(context)

    @property
    def listening(self) -> bool:
        """Whether clients can come in everywhere they should."""
        servers = list(self.server.servers)
        return bool(servers) and all(server.is_running for server in servers)

    async def drain(self, seconds: float) -> int:
        """Close the listeners, give open connections `seconds`, cut the rest. Returns how many were cut."""
        await self.server.servers.update([])
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.server.connections and loop.time() < end:
            self._cut_idle()
            await asyncio.sleep(0.05)
        left = list(self.server.connections.values())
        for handler in left:
            cut(handler, STOPPED)
        while self.server.connections and loop.time() < end + 2:
            for handler in list(self.server.connections.values()):
                if isinstance(handler, connection.GatewayConnection) and handler.client not in handler.transports:
                    handler.show_out(STOPPED)  # only the rest of its last answer keeps it
            await asyncio.sleep(0.02)
        return len(left)

    def _cut_idle(self) -> None:
        """Connections with no exchange under way need not be waited for."""
        for handler in list(self.server.connections.values()):
            if not busy(handler.client):
                cut(handler, STOPPED)
