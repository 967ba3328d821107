"""TLS with clients and origins: mitmproxy's own configuration, closed where it stays open, and made once.

An exception in the host's hook leaves no TLS context and a client that hangs; here the connection ends instead. What
the host reads from its options and builds for each connection is read and built when the CA is read.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

from mitmproxy import connection, ctx
from mitmproxy.addons import tlsconfig
from mitmproxy.net import tls as net_tls
from mitmproxy.proxy.layers import modes
from mitmproxy.tls import TlsData
from OpenSSL import SSL

from addons import staples
from addons.leaves import Leaves, Names, openssl

logger = logging.getLogger(__name__)


class GatewayTls(tlsconfig.TlsConfig):
    """As the host's, but a fault ends the connection."""

    leaves: Leaves
    """What clients are shown; there once the CA has been read."""

    request = None  # type: ignore[assignment]
    """The host answers for revocation lists that certificates of ours never name."""

    def __init__(self) -> None:
        self._origin_context: SSL.Context | None = None

    def read_authority(self) -> None:
        """Read the CA again and sign with it from now on. Raises what reading it raises; the old one then stays."""
        self.configure({"confdir"})

    def configure(self, updated: Any) -> None:
        """As the host's; then with contexts for clients and origins that fit."""
        super().configure(updated)  # type: ignore[no-untyped-call]
        self._origin_context = None
        if self.certstore is not None and ("confdir" in updated or "cert_passphrase" in updated):
            self.leaves = Leaves(self.certstore, client_context(self.certstore))

    def tls_start_client(self, tls_start: TlsData) -> None:
        """A context for the client's handshake."""
        if tls_start.ssl_conn is not None:
            return
        try:
            tls_start.ssl_conn = self._client_connection(tls_start)
        except Exception:
            logger.exception("no certificate could be made for a client; the connection ends")
            tls_start.ssl_conn = None

    def _client_connection(self, tls_start: TlsData) -> SSL.Connection:
        context, client = tls_start.context, tls_start.context.client
        made = self.leaves.connection(shown_names(client, context.server))
        # TLS to the proxy itself (two layers: the proxy's and this one) carries a CONNECT, which HTTP/2 is not for
        to_us = len(context.layers) == 2 and isinstance(context.layers[0], modes.HttpProxy)
        alpn = b"http/1.1" if to_us else client.alpn
        made.set_app_data(tlsconfig.AppData(client_alpn=alpn, server_alpn=context.server.alpn, http2=False))
        made.set_accept_state()
        return made

    def tls_start_server(self, tls_start: TlsData) -> None:
        """A context for the origin's handshake."""
        if tls_start.ssl_conn is not None:
            return
        try:
            tls_start.ssl_conn = self._origin_connection(tls_start)
        except Exception:
            logger.exception("no TLS context could be made for an origin; the connection ends")
            tls_start.ssl_conn = None

    def _origin_connection(self, tls_start: TlsData) -> SSL.Connection:
        client, server = tls_start.context.client, tls_start.conn
        if not isinstance(server, connection.Server) or server.address is None:
            raise TypeError(f"{server} is no origin")
        server.sni = server.sni or client.sni or server.address[0]
        if not server.alpn_offers:
            server.alpn_offers = tuple(offer for offer in client.alpn_offers if offer != b"h2")
        if self._origin_context is None:
            self._origin_context = origin_context()
        made = SSL.Connection(self._origin_context)
        made.request_ocsp()
        expect_name(made, server.sni)
        if server.alpn_offers:
            made.set_alpn_protos(list(server.alpn_offers))
        made.set_connect_state()
        return made


def shown_names(client: connection.Client, server: connection.Server) -> Names:
    """What the certificate for this connection is for: the name the client says, and the one it asked to go to."""
    names = [client.sni or client.sockname[0]]
    if server.address is not None and server.address[0] != names[0]:
        names.append(server.address[0])
    return tuple(names)


def client_context(authority: Any) -> SSL.Context:
    """TLS towards clients, as the host makes it; the certificate is each connection's own."""
    options = ctx.options
    return net_tls.create_client_proxy_context.__wrapped__(  # not the host's own: a key is put in
        method=net_tls.Method.TLS_SERVER_METHOD,
        min_version=net_tls.Version[options.tls_version_client_min],
        max_version=net_tls.Version[options.tls_version_client_max],
        cipher_list=ciphers(options.ciphers_client, options.tls_version_client_min),
        ecdh_curve=net_tls.get_curve(options.tls_ecdh_curve_client),
        chain_file=authority.default_chain_file,
        alpn_select_callback=tlsconfig.alpn_select_callback,
        request_client_cert=False,
        extra_chain_certs=(),
        dhparams=authority.dhparams,
    )


def origin_context() -> SSL.Context:
    """TLS towards origins, as the host makes it: certificates are always checked, and what is stapled to them."""
    options = ctx.options
    made: SSL.Context = net_tls.create_proxy_server_context.__wrapped__(  # not the host's own, which may be in use
        method=net_tls.Method.TLS_CLIENT_METHOD,
        min_version=net_tls.Version[options.tls_version_server_min],
        max_version=net_tls.Version[options.tls_version_server_max],
        cipher_list=ciphers(options.ciphers_server, options.tls_version_server_min),
        ecdh_curve=net_tls.get_curve(options.tls_ecdh_curve_server),
        verify=net_tls.Verify.VERIFY_PEER,
        ca_path=options.ssl_verify_upstream_trusted_confdir,
        ca_pemfile=options.ssl_verify_upstream_trusted_ca,
        client_cert=None,
        legacy_server_connect=False,
    )
    made.set_ocsp_client_callback(staples.accepts)
    return made


def ciphers(told: str | None, least: str) -> tuple[str, ...]:
    """Names of cipher suites: those of the options, else the host's."""
    return tuple(told.split(":")) if told else tlsconfig._default_ciphers(net_tls.Version[least])


def expect_name(made: SSL.Connection, name: str) -> None:
    """Ask for this host, and take only a certificate that is for it. Raises when that cannot be set."""
    param = openssl.SSL_get0_param(made._ssl)
    openssl.X509_VERIFY_PARAM_set_hostflags(param, tlsconfig.DEFAULT_HOSTFLAGS)
    try:
        address = ipaddress.ip_address(name).packed
    except ValueError:
        host = name.encode("idna")
        made.set_tlsext_host_name(host)
        SSL._openssl_assert(openssl.X509_VERIFY_PARAM_set1_host(param, host, len(host)) == 1)
    else:  # RFC 6066 §3: an address is no HostName
        SSL._openssl_assert(openssl.X509_VERIFY_PARAM_set1_ip(param, address, len(address)) == 1)
