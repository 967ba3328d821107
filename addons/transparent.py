"""What arrives from a device that knows of no proxy: a TLS connection becomes the CONNECT the device would have sent,
plain HTTP a request with its whole address, anything else is closed.

In comes a connection whose destination the kernel has told; out go the same hooks an explicit proxy's client causes, so
that no addon decides, records or answers otherwise. The name decides (SNI, Host), and the gateway connects to that
name's own address, never to the one the device meant: a forged name gains nothing. Without a name the address decides.
"""

from __future__ import annotations

import time

from mitmproxy import http
from mitmproxy.net.http import url
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.proxy.layers.http._hooks import HttpConnectedHook, HttpConnectErrorHook, HttpConnectHook

from addons import httplayers
from addons.clienthello import LONGEST, parse_client_hello
from addons.flownotes import connection_notes
from addons.flowparts import new_flow
from addons.guard import is_literal
from addons.handshakes import HALF
from addons.inplace import InPlace, call
from addons.nextlayer import looks_like_http, may_become_http
from addons.refusedbytes import HALF_REQUEST, RefusedBytes, RefusedBytesHook, plain_page
from addons.shortway import HandOver, short_way
from addons.straight import StraightHttpLayer
from categories.names import NameProblem, canonical_host, make_url
from policy.model import Reason

TLS_RECORD = 0x16
"""First byte of a handshake (RFC 8446 §5.1)."""

type Commands = layer.CommandGenerator[None]


class TransparentLayer(InPlace):
    """The outermost layer of such a connection: looks at its first bytes, and becomes what they are."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.wanted = wanted_by(context)
        connection_notes(context.client).wanted = self.wanted
        self._first = b""
        self._handed_over = False
        self._clock: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.DataReceived):
            self._first += event.data
            yield from self._look()
        elif isinstance(event, events.Wakeup):
            yield from self._close("it took too long to say what it wants", Reason.GUARD)
        elif isinstance(event, events.ConnectionClosed):
            if self._first:
                half = HALF if self._first[0] == TLS_RECORD else HALF_REQUEST
                why = connection_notes(self.context.client).broken_off(half)
                yield RefusedBytesHook(RefusedBytes(self.context.client, why, None))
            yield from self._end()

    def _look(self) -> Commands:
        data = self._first
        if data[0] == TLS_RECORD and (len(data) < 3 or starts_like_tls_record(data)):
            yield from self._hello()
        elif looks_like_http(data):
            yield from self._become(RedirectedHttpLayer(self.context, HTTPMode.regular))
        elif may_become_http(data):
            yield from self._wait()
        else:
            yield from self._close("not TLS or HTTP")

    def _hello(self) -> Commands:
        try:
            hello = parse_client_hello(self._first)
        except ValueError:  # goes by the address, and the TLS layer says what is wrong with it
            if len(self._first) > LONGEST:
                yield from self._close("a ClientHello without end")
            else:
                yield from self._connect(None)
            return
        if hello is not None:
            yield from self._connect(hello.sni)
        else:
            yield from self._wait()

    def _wait(self) -> Commands:
        if self._clock is None:
            self._clock = clock = commands.RequestWakeup(httplayers.limits.seconds)
            yield clock

    def _connect(self, sni: str | None) -> Commands:
        """What a CONNECT to the name is; without one, to the address."""
        context = self.context
        flow = new_flow(context.client, context.server)
        flow.request = connect_request(self._host(sni), self.wanted[1])
        yield HttpConnectHook(flow)
        if flow.error is not None:  # an addon has stopped it
            flow.live = False
            yield from self._end()
            return
        if flow.response is not None and not 200 <= flow.response.status_code < 300:
            yield HttpConnectErrorHook(flow)
            flow.live = False
            yield from self._end()
            return
        context.server.address = (flow.request.host, flow.request.port)
        yield HttpConnectedHook(flow)
        yield from self._become(layer.NextLayer(context))

    def _host(self, sni: str | None) -> str:
        """The name to go by. An address is no server name (RFC 6066 §3)."""
        if sni is not None:
            try:
                host = canonical_host(sni)
            except NameProblem:
                return self.wanted[0]
            if not is_literal(host):
                return host
        return self.wanted[0]

    def _become(self, child: layer.Layer) -> Commands:
        """From here on, it is all the child's."""
        first, self._first = self._first, b""
        self._child = child
        self._handle_event = self._pass_on  # type: ignore[method-assign]
        if isinstance(child, RedirectedHttpLayer) and self._clock is None:
            yield HandOver(child)  # there is nothing left to do here
        yield from child.handle_event(events.Start())
        yield from child.handle_event(events.DataReceived(self.context.client, first))

    def _pass_on(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup) and event.command is self._clock:
            self._clock = None
            return
        if self._clock is None and self.context.client.tls_established and not self._handed_over:
            self._handed_over = True
            yield HandOver(short_way(self._child))
        yield from self._child.handle_event(event)

    def _close(self, why: str, reason: Reason | None = None) -> Commands:
        client, (host, port) = self.context.client, self.wanted
        connection_notes(client).connect = make_url("https", host, port, "/")
        yield RefusedBytesHook(RefusedBytes(client, why, None, reason))
        yield from self._end()

    def _end(self) -> Commands:
        self._handle_event = self._over  # type: ignore[assignment, method-assign]
        yield commands.CloseConnection(self.context.client)

    def _over(self, _: events.Event) -> Commands:
        yield from ()


class RedirectedHttpLayer(StraightHttpLayer):
    """Plain HTTP that was redirected: each request gets the address a proxy's client would have written."""

    def _receive(self, told: HttpEvent) -> Commands:
        if type(told) is RequestHeaders:
            fault = address_request(told.request, wanted_by(self.context))
            if fault is not None:
                yield from self._refuse(fault)
                return
        yield from super()._receive(told)

    def _refuse(self, why: str) -> Commands:
        client = self.context.client
        call(RefusedBytesHook(RefusedBytes(client, why, 400)))
        yield commands.SendData(client, assemble_response(plain_page(400, why)))
        yield commands.CloseConnection(client)


def wanted_by(context: Context) -> tuple[str, int]:
    """Where the device meant to go."""
    address = context.client.sockname
    return address[0], address[1]


def connect_request(host: str, port: int) -> http.Request:
    """What the device would have asked a proxy for."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    now = time.time()
    return http.Request(
        host, port, b"CONNECT", b"", authority.encode(), b"", b"HTTP/1.1", http.Headers(), b"", None, now, now
    )


def address_request(request: http.Request, wanted: tuple[str, int]) -> str | None:
    """Write where it goes into a request that was redirected: the name it says, else the address, and always the port
    the device meant. Why it is refused, for one that only a proxy's client sends; None when it may go on."""
    data = request.data
    if data.method == b"CONNECT":
        return "a CONNECT that was redirected"
    if data.host:
        return None if (data.scheme, data.port) == (b"http", wanted[1]) else "an address of another port"
    try:
        data.host = url.parse_authority(request.host_header or "", check=True)[0]
    except ValueError:  # none, or none that can be read: who decides looks at it again
        data.host = wanted[0]
    data.port, data.scheme = wanted[1], b"http"
    return None
