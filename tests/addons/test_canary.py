"""What we lean on in mitmproxy, and whether it is still what we read.

We subclass and replace parts of the host that are not its public face. When an upgrade changes one of them, this test
names it, so that somebody reads the new source before it meets children's traffic.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from h11 import _receivebuffer
from mitmproxy import addonmanager, certs, connection, flow, hooks, http, master, optmanager
from mitmproxy import tls as host_tls
from mitmproxy.addons import proxyserver, tlsconfig
from mitmproxy.contrib.kaitaistruct import tls_client_hello
from mitmproxy.coretypes import multidict
from mitmproxy.net import check
from mitmproxy.net import tls as net_tls
from mitmproxy.net.http import validate
from mitmproxy.net.http.http1 import assemble, read
from mitmproxy.proxy import context, layer, mode_servers, server, tunnel
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers import tcp, tls
from mitmproxy.proxy.layers.http import _http1
from OpenSSL import SSL

from addons import clienthello, headers

READ: dict[str, tuple[Any, str]] = {
    "HttpStream.state_wait_for_request_headers": (
        http_layers.HttpStream.state_wait_for_request_headers,
        "3706d5d5ce01dcd4",
    ),
    "HttpStream.state_consume_request_body": (http_layers.HttpStream.state_consume_request_body, "45459c1bbd8bdb1a"),
    "HttpStream.send_response": (http_layers.HttpStream.send_response, "d581bc106152e369"),
    "HttpStream.handle_protocol_error": (http_layers.HttpStream.handle_protocol_error, "59fc3b2eeeabf63a"),
    "HttpStream.check_killed": (http_layers.HttpStream.check_killed, "368cad352d1e82b6"),
    "HttpStream.handle_connect_finish": (http_layers.HttpStream.handle_connect_finish, "eb3a0054cb5b716e"),
    "HttpStream._handle_event": (http_layers.HttpStream._handle_event, "e3cbfef7310ae81f"),
    "HttpStream.start_response_stream": (http_layers.HttpStream.start_response_stream, "b0de9e9a5ee27276"),
    "HttpStream.state_stream_response_body": (http_layers.HttpStream.state_stream_response_body, "3fb6320300d3ddd5"),
    "HttpStream.state_wait_for_response_headers": (
        http_layers.HttpStream.state_wait_for_response_headers,
        "10e32e91b2948164",
    ),
    "HttpStream.flow_done": (http_layers.HttpStream.flow_done, "ad9969744785c572"),
    "HttpLayer.event_to_child": (http_layers.HttpLayer.event_to_child, "1095f6e1581d1780"),
    "HttpLayer.make_stream": (http_layers.HttpLayer.make_stream, "654959c6e74548e1"),
    "HttpLayer.get_connection": (http_layers.HttpLayer.get_connection, "1aa1c63e3175766c"),
    "HttpClient._handle_event": (http_layers.HttpClient._handle_event, "bc1cae775a49a4fe"),
    "Http1Connection.read_body": (_http1.Http1Connection.read_body, "aece271029af36e4"),
    "Http1Connection.mark_done": (_http1.Http1Connection.mark_done, "dc5ed395ce4f0763"),
    "Http1Server.read_headers": (_http1.Http1Server.read_headers, "3fe0945216bcf7bc"),
    "Http1Server.send": (_http1.Http1Server.send, "cc218a1337c0f5cf"),
    "Http1Client.read_headers": (_http1.Http1Client.read_headers, "415454c5fa8b5981"),
    "ReceiveBuffer (h11's)": (_receivebuffer.ReceiveBuffer, "108c4355eb3b1717"),
    "make_body_reader": (_http1.make_body_reader, "9b076acda459637b"),
    "NextLayer": (layer.NextLayer, "3cbcbafad282cba3"),
    "ClientTLSLayer.receive_handshake_data": (tls.ClientTLSLayer.receive_handshake_data, "a0ee021f92f6d0ff"),
    "TCPLayer": (tcp.TCPLayer, "5e842b94cd4425b0"),
    "TunnelLayer.event_to_child": (tunnel.TunnelLayer.event_to_child, "119a33642637d420"),
    "ConnectionHandler.handle_connection": (server.ConnectionHandler.handle_connection, "95c3f93e9824e527"),
    "ConnectionHandler.drain_writers": (server.ConnectionHandler.drain_writers, "6b57434604561e3e"),
    "StreamReader.read (Python's)": (asyncio.StreamReader.read, "b3e781f2317fe198"),
    "StreamReader.feed_data (Python's)": (asyncio.StreamReader.feed_data, "f1dc194f7bceb07d"),
    "StreamReader._wait_for_data (Python's)": (asyncio.StreamReader._wait_for_data, "3064c5757b9dd9af"),
    "TlsConfig.tls_clienthello": (tlsconfig.TlsConfig.tls_clienthello, "d85ce5b87dbdaf61"),
    "TlsConfig.tls_start_server": (tlsconfig.TlsConfig.tls_start_server, "2e2dc9c25670cf64"),
    "ConnectionHandler.open_connection": (server.ConnectionHandler.open_connection, "5e0b3cbaf7a4030a"),
    "ConnectionHandler.on_timeout": (server.ConnectionHandler.on_timeout, "0d1e6b0aa6e41173"),
    "ServerInstance.handle_stream": (mode_servers.ServerInstance.handle_stream, "21eea06f208c752e"),
    "AsyncioServerInstance._start": (mode_servers.AsyncioServerInstance._start, "f96507081fa6236b"),
    "ConnectionHandler.server_event": (server.ConnectionHandler.server_event, "a2b42657ebe8bf6d"),
    "ConnectionHandler.hook_task": (server.ConnectionHandler.hook_task, "9ac7970160526268"),
    "ConnectionHandler.close_connection": (server.ConnectionHandler.close_connection, "c0d10cc05dd65b80"),
    "ConnectionHandler.handle_client": (server.ConnectionHandler.handle_client, "01f1b7cc991c4711"),
    "ConnectionHandler.log": (server.ConnectionHandler.log, "706760d6eecf10cd"),
    "ProxyConnectionHandler": (mode_servers.ProxyConnectionHandler, "10e340d70b3f23d9"),
    "Connection.__eq__": (connection.Connection.__eq__, "04776846f3cf761c"),
    "Hook.args": (hooks.Hook.args, "5bab95f7aa358e18"),
    "TlsConfig.tls_start_client": (tlsconfig.TlsConfig.tls_start_client, "05334c27c22a10ed"),
    "TlsConfig.get_cert": (tlsconfig.TlsConfig.get_cert, "7d9ade74c0b80011"),
    "TlsConfig.configure": (tlsconfig.TlsConfig.configure, "bcc91899a28dfd23"),
    "TlsConfig.request": (tlsconfig.TlsConfig.request, "84c6d74b564dde72"),
    "create_client_proxy_context": (net_tls.create_client_proxy_context, "8a3bd5b54ef3d093"),
    "create_proxy_server_context": (net_tls.create_proxy_server_context, "e2d90d71c5744797"),
    "dummy_cert": (certs.dummy_cert, "07e0758a7ed5a518"),
    "Connection.use_certificate (pyOpenSSL's)": (SSL.Connection.use_certificate, "f11fc6ff85aed5e5"),
    "Connection.bio_write (pyOpenSSL's)": (SSL.Connection.bio_write, "2198d63b78ada6dc"),
    "Connection.bio_read (pyOpenSSL's)": (SSL.Connection.bio_read, "bc83763ed40fc664"),
    "Connection.recv (pyOpenSSL's)": (SSL.Connection.recv, "84b0e9671ae37797"),
    "Connection.sendall (pyOpenSSL's)": (SSL.Connection.sendall, "785e1f1d7d7e7dc8"),
    "Connection._raise_ssl_error (pyOpenSSL's)": (SSL.Connection._raise_ssl_error, "04b0d7964c73ea9e"),
    "Connection._handle_bio_errors (pyOpenSSL's)": (SSL.Connection._handle_bio_errors, "eaea77f2e1fab12e"),
    "Layer": (layer.Layer, "e98dedd896fb7cd2"),
    "Context": (context.Context, "dd52bbec90eacace"),
    "HttpLayer._handle_event": (http_layers.HttpLayer._handle_event, "6ba31883cc7a06b3"),
    "HttpLayer.register_connection": (http_layers.HttpLayer.register_connection, "deed6282affc431f"),
    "HttpStream.__init__": (http_layers.HttpStream.__init__, "9892a5f6b47b7b7b"),
    "TunnelLayer._handle_event": (tunnel.TunnelLayer._handle_event, "00676a887c456cec"),
    "TunnelLayer._handle_command": (tunnel.TunnelLayer._handle_command, "11ede598b3b37965"),
    "ServerTLSLayer.event_to_child": (tls.ServerTLSLayer.event_to_child, "72ccc54bbf633c15"),
    "TLSLayer.tls_interact": (tls.TLSLayer.tls_interact, "62d6d57d43dd1a2e"),
    "TLSLayer.send_data": (tls.TLSLayer.send_data, "35a29a1b0b0cb184"),
    "TLSLayer.receive_data": (tls.TLSLayer.receive_data, "85c0e6b656c324e5"),
    "TLSLayer.receive_close": (tls.TLSLayer.receive_close, "244aa237c481fc55"),
    "HttpStream.passthrough": (http_layers.HttpStream.passthrough, "a6df32aba1ae251a"),
    "Http1Connection.passthrough": (_http1.Http1Connection.passthrough, "aa59bc78ffbdcf54"),
    "_read_headers": (headers.original, "66807318a8b7a7b7"),
    "Headers": (http.Headers, "947aa0298abd4010"),
    "MultiDict": (multidict._MultiDict, "9d8341c83747569d"),
    "OptManager.__getattr__": (optmanager.OptManager.__getattr__, "a9d5792099cd82ef"),
    "OptManager.update_known": (optmanager.OptManager.update_known, "08da94d0421dacbb"),
    "OptManager.reset": (optmanager.OptManager.reset, "77bc077a322912cd"),
    "AddonManager.safecall": (addonmanager.safecall, "f2052c18340e99b0"),
    "AddonManager.handle_lifecycle": (addonmanager.AddonManager.handle_lifecycle, "38c97e792d1db5b7"),
    "Flow.__init__": (flow.Flow.__init__, "7c7b602cfb75bf18"),
    "read_request_head": (read.read_request_head, "d7a54f7078584448"),
    "read_response_head": (read.read_response_head, "7f1f014abc5eeac1"),
    "expected_http_body_size": (read.expected_http_body_size, "bf258f07286cf770"),
    "connection_close": (read.connection_close, "d53e499096578d6b"),
    "validate_headers": (validate.validate_headers, "e7647a94704363e7"),
    "validate_request": (http_layers.validate_request, "e7cec257ce91b7c5"),
    "assemble_request_head": (assemble.assemble_request_head, "e034304c8d8989d1"),
    "_assemble_request_line": (assemble._assemble_request_line, "fede2719ed47fa3b"),
    "assemble_response_head": (assemble.assemble_response_head, "ce2b0b0a77f3d7e0"),
    "Http1Client.send": (_http1.Http1Client.send, "35d961e20d481204"),
    "Http1Connection.wait": (_http1.Http1Connection.wait, "c99d0494a840a2b6"),
    "HttpStream.make_server_connection": (http_layers.HttpStream.make_server_connection, "ddc7bc72f4d2fbc7"),
    "HttpStream.check_invalid": (http_layers.HttpStream.check_invalid, "ef0a126eef45d903"),
    "ConnectionHandler.wakeup": (server.ConnectionHandler.wakeup, "6e42e075ee5fa3df"),
    "ConnectionHandler.__init__": (server.ConnectionHandler.__init__, "ffb8e6c9e6c6d020"),
    "TimeoutWatchdog": (server.TimeoutWatchdog, "95c9f187c70d4d09"),
    "AsyncioServerInstance.listen_addrs": (mode_servers.AsyncioServerInstance.listen_addrs.fget, "1396fd19311682b5"),
    "Proxyserver.server_connect": (proxyserver.Proxyserver.server_connect, "1fc787ebda12ea02"),
    "parse_client_hello": (clienthello.host_parser, "537b0089913d85d9"),
    "get_client_hello": (tls.get_client_hello, "7fda12c4e3ef01b9"),
    "ClientHello": (host_tls.ClientHello, "46ba2420b3f5380d"),
    "TlsClientHello": (tls_client_hello.TlsClientHello, "c3ceb0d7530eea11"),
    "is_valid_host": (check.is_valid_host, "76efad3bee98e9b5"),
    "Master._asyncio_exception_handler": (master.Master._asyncio_exception_handler, "822415006521e79e"),
    "Master.run": (master.Master.run, "45c44c14f8f79349"),
}
"""What was read, and the start of its source's SHA-256 as it was then (mitmproxy 12.2.3)."""


def fingerprint(thing: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(inspect.unwrap(thing)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", READ)
def test_upstream_is_what_we_read(name: str) -> None:
    """Changed upstream: read it, adapt `addons/httplayers.py` and its kin, then note the new fingerprint here."""
    thing, known = READ[name]
    assert fingerprint(thing) == known, f"{name} changed in this mitmproxy"
