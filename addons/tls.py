"""TLS with clients and origins: mitmproxy's own configuration, closed where it stays open.

An exception in the host's hook leaves no TLS context and a client that hangs; here the connection ends instead.
"""

from __future__ import annotations

import logging

from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.tls import TlsData

logger = logging.getLogger(__name__)


class GatewayTls(TlsConfig):
    """As the host's, but a fault ends the connection."""

    def read_authority(self) -> None:
        """Read the CA again and sign with it from now on. Raises what reading it raises; the old one then stays."""
        self.configure({"confdir"})  # type: ignore[no-untyped-call]

    def tls_start_client(self, tls_start: TlsData) -> None:
        """A context for the client's handshake."""
        try:
            super().tls_start_client(tls_start)
        except Exception:
            logger.exception("no certificate could be made for a client; the connection ends")
            tls_start.ssl_conn = None

    def tls_start_server(self, tls_start: TlsData) -> None:
        """A context for the origin's handshake."""
        try:
            super().tls_start_server(tls_start)
        except Exception:
            logger.exception("no TLS context could be made for an origin; the connection ends")
            tls_start.ssl_conn = None
