"""Ordinary exchanges in a decrypted tunnel, in two steps instead of some hundred.

In come a request and an answer that `addons.heads` could read; out go the hooks in the host's order, and what is sent.
A subclass of the host's exchange and of its HTTP layer (mitmproxy 12.2.3): after each step everything is in the state
it would be in had the host's layers read the same bytes, so that whatever is not ordinary (a body, an upgrade, an
origin still to be reached, a page that waits, an end in the middle) goes on there, from any point.
`tests/addons/test_straight.py` compares the two ways; `test_canary.py` beside it names what changed upstream.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import HTTPMode, _http1
from mitmproxy.proxy.layers.http._events import (
    HttpEvent,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from addons import httplayers
from addons.flownotes import begin_notes, flow_notes
from addons.flowparts import new_flow, new_request, new_response
from addons.heads import BODILESS, Answer, RequestHead, ordinary_answer, ordinary_request
from addons.httplayers import BoundedHttp1Server, GatewayStream
from addons.inplace import DirectHttpLayer, forked, left, told
from addons.originheads import BoundedHttp1Client

KEPT = ("keep-alive", "Keep-Alive")
"""What a `Connection` field may say of a connection that stays open."""

type Commands = layer.CommandGenerator[None]


@dataclass(slots=True)
class Asked(HttpEvent):
    """A whole request."""

    request: http.Request
    """What it says."""


@dataclass(slots=True)
class Answered(HttpEvent):
    """A whole answer."""

    response: http.Response
    """Its head."""
    body: bytes
    """Its body, which may be empty."""


@dataclass(slots=True)
class Began(HttpEvent):
    """The head of an answer; its body follows in the host's way."""

    response: http.Response
    """What it says."""


class StraightStream(GatewayStream):
    """One exchange that began with an ordinary request."""

    stays = False
    """True once it is over, and both connections stay open for another."""

    def __init__(self, context: Context, stream_id: int, outside: StraightHttpLayer) -> None:
        super().__init__(context, stream_id)
        self.mode = outside.mode
        self.outside = outside

    def _handle_event(self, event: events.Event) -> Commands:
        kind = type(event)
        if kind is Asked:
            return self._asked(event.request)  # type: ignore[attr-defined]
        if kind is Answered:
            return self._answered(event.response, event.body)  # type: ignore[attr-defined]
        if kind is Began:
            return self._began(event.response)  # type: ignore[attr-defined]
        return super()._handle_event(event)

    @property
    def waits_for_answer(self) -> bool:
        """Whether the request is on its way, whole, and nothing of the answer is there."""
        return bool(
            self._paused is None
            and self.server_state == self.state_wait_for_response_headers
            and self.client_state == self.state_done
            and self.flow.request.data.method == b"GET"
        )

    def _asked(self, request: http.Request) -> Commands:
        """As `state_wait_for_request_headers` and `state_consume_request_body`."""
        context = self.context
        self.client_state = self.state_wait_for_request_headers
        flow = self.flow = new_flow(context.client, context.server)
        flow.request = request
        begin_notes(flow)
        if (hook := told(HttpRequestHeadersHook, flow)) is not None:
            yield hook
        self.server_state = self.state_wait_for_response_headers
        if self._stopped() or self._answer() is not None:
            if (yield from self.check_killed(True)):
                return
            self.client_state = self.state_consume_request_body
            yield from self.state_consume_request_body(RequestEndOfMessage(self.stream_id))
            return
        data = flow.request.data
        data.timestamp_end = time.time()
        data.content = b""
        self.client_state = self.state_done
        if (hook := told(HttpRequestHook, flow)) is not None:
            yield hook
        if self._stopped() and (yield from self.check_killed(True)):
            return
        if (answer := self._answer()) is not None:
            answer.timestamp_start = time.time()
            if (hook := told(HttpResponseHeadersHook, flow)) is not None:
                yield hook
            if not (yield from self.check_killed(True)):
                yield from self.send_response()
            return
        origin = self.outside.origin_at_rest(flow)
        if origin is None or data.content or data.trailers or data.authority:
            yield from self._send_otherwise(flow)
            return
        server = origin.context.server
        context.server = flow.server_conn = server
        origin.stream_id, origin.request, origin.request_done = self.stream_id, flow.request, True
        yield commands.SendData(
            origin.conn, b"%b %b %b\r\n%b\r\n" % (data.method, data.path, data.http_version, bytes(data.headers))
        )

    def _stopped(self) -> bool:
        """Whether the exchange may have been ended in a hook, or while one waited."""
        return self.flow.error is not None or bool(self._paused_event_queue)

    def _answer(self) -> http.Response | None:
        """The answer that a hook has given."""
        return self.flow.response

    def _send_otherwise(self, flow: http.HTTPFlow) -> Commands:
        if not (yield from self.make_server_connection()):
            return
        content = flow.request.raw_content
        yield http_layers.SendHttp(RequestHeaders(self.stream_id, flow.request, not content), self.context.server)
        if content:
            yield http_layers.SendHttp(http_layers.RequestData(self.stream_id, content), self.context.server)
        yield http_layers.SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _answered(self, received: http.Response, body: bytes) -> Commands:
        """As `state_wait_for_response_headers`, `state_stream_response_body` and `send_response`."""
        flow = self.flow
        flow.response = received
        if (hook := told(HttpResponseHeadersHook, flow)) is not None:
            yield hook
        if self._stopped() and (yield from self.check_killed(True)):
            return
        response = self._answer()
        if response is None:
            raise RuntimeError("a hook took the answer away")
        stream, check = response.stream, flow_notes(flow).check
        if not body or not callable(stream) or _in_pieces(response):
            yield from self._answer_otherwise(response, body)
            return
        if check is None:
            shown: Iterable[bytes] | bytes = stream(body)
        else:
            self.server_state = self.state_hold_response_body
            shows = check.settle(body)
            if shows is None:
                yield from self._look_on(check)
                if self.server_state in (self.state_hold_response_body, self.state_stream_response_body):
                    yield from self.server_state(ResponseEndOfMessage(self.stream_id))
                return
            if not shows:
                yield from self._answer_instead()
                return
            shown = check.release()
        parts = (shown, stream(b""))
        sent = b"".join([part if isinstance(part, bytes) else b"".join(part) for part in parts if part])
        data = response.data
        client = self.context.client
        self.outside.connections[client].response = response  # type: ignore[attr-defined]
        yield commands.SendData(
            client,
            b"%b %d %b\r\n%b\r\n%b" % (data.http_version, data.status_code, data.reason, bytes(data.headers), sent),
        )
        self.server_state = self.state_stream_response_body
        data.timestamp_end = time.time()
        if (hook := told(HttpResponseHook, flow)) is not None:
            yield hook
        self.server_state = self.state_done
        if self._stopped() and (yield from self.check_killed(False)):
            return
        flow.live = False
        self.stays = _stay_open(flow.request, response)
        if not self.outside.over(self):
            yield http_layers.DropStream(self.stream_id)
            yield http_layers.SendHttp(ResponseEndOfMessage(self.stream_id), client)
        left(self)

    def _began(self, received: http.Response) -> Commands:
        """As `state_wait_for_response_headers`, for an answer with a body."""
        self.flow.response = received
        if (hook := told(HttpResponseHeadersHook, self.flow)) is not None:
            yield hook
        if self._stopped() and (yield from self.check_killed(True)):
            return
        response = self._answer()
        if response is not None and response.stream:
            yield from self.start_response_stream()
        else:
            self.server_state = self.state_consume_response_body

    def _answer_otherwise(self, response: http.Response, body: bytes) -> Commands:
        if body and response.stream:
            yield from self.start_response_stream()
        else:
            self.server_state = self.state_consume_response_body
        if body:
            yield from self.server_state(ResponseData(self.stream_id, body))
        yield from self.server_state(ResponseEndOfMessage(self.stream_id))


class StraightHttpLayer(DirectHttpLayer):
    """The HTTP layer of a connection: ordinary messages take the straight way."""

    def handle_event(self, event: events.Event) -> Commands:
        """As the original."""
        if type(event) is events.DataReceived and self.mode is HTTPMode.transparent:
            handler = self.connections.get(event.connection)
            if type(handler) is BoundedHttp1Client:
                stream = self._waiting(handler)
                if stream is not None and (answer := ordinary_answer(event.data)) is not None:
                    return self._answer(handler, stream, answer)
            elif type(handler) is BoundedHttp1Server and self._idle(handler):
                head = ordinary_request(event.data, httplayers.limits.fields, handler.before)
                if head is not None:
                    if head.lines is not handler.before:
                        handler.remember(head.lines)
                    return self._ask(handler, head)
        return super().handle_event(event)

    def _ask(self, handler: BoundedHttp1Server, head: RequestHead) -> Commands:
        """As `Http1Server.read_headers`."""
        server = self.context.server
        if server.address is None:
            raise RuntimeError("a tunnel without a destination")
        stream_id = handler.stream_id
        stream = self.streams[stream_id] = StraightStream(forked(self.context), stream_id, self)
        handler.request = request = new_request(head, server.address, b"https" if server.tls else b"http")
        handler.request_done, handler.state = True, handler.wait
        yield from self.event_to_child(stream, Asked(stream_id, request))
        while self._later:
            yield from self._receive(self._later.popleft())

    def _answer(self, handler: BoundedHttp1Client, stream: StraightStream, answer: Answer) -> Commands:
        """As `Http1Client.read_headers` and `read_body`."""
        handler.response = response = new_response(answer)
        if not answer.whole:
            yield from self.event_to_child(stream, Began(stream.stream_id, response))
            handler.body_reader = _http1.make_body_reader(answer.length)
            handler.buf += answer.body
            handler.state = handler.read_body
            yield from super().handle_event(events.DataReceived(handler.conn, b""))
            return
        yield from self.event_to_child(stream, Answered(stream.stream_id, response, answer.body))
        if stream.stays:
            handler.request_done = handler.response_done = False
            handler.request = handler.response = handler.stream_id = None
        else:
            yield from handler.mark_done(response=True)
        while self._later:
            yield from self._receive(self._later.popleft())

    def _idle(self, handler: BoundedHttp1Server) -> bool:
        """Whether nothing at all has come since the last exchange."""
        return bool(
            handler.request is None
            and not self.streams
            and not self._later
            and not handler.buf
            and handler.clean
            and handler._paused is None
            and handler.state == handler.read_headers
        )

    def over(self, stream: StraightStream) -> bool:
        """End an exchange whose answer is sent, as `mark_done`; False when there is more to it."""
        handler = self.connections[stream.context.client]
        if type(handler) is not BoundedHttp1Server:
            raise RuntimeError("an ordinary request that came another way")
        if handler.buf or not stream.stays:
            return False
        self.streams.pop(stream.stream_id, None)
        handler.request_done = handler.response_done = False
        handler.request = handler.response = None
        handler.stream_id += 2
        handler.state = handler.read_headers
        return True

    def origin_at_rest(self, flow: http.HTTPFlow) -> BoundedHttp1Client | None:
        """The open connection a request goes to when nothing has to be waited for, as `get_connection`."""
        request, given = flow.request.data, flow.server_conn
        address, encrypted = (request.host, request.port), request.scheme == b"https"
        for known, handler in self.connections.items():
            if (
                type(known) is not Client  # an abstract class's machinery is asked else
                and isinstance(known, Server)
                and known.address == address
                and known.tls == encrypted
                and known.via == given.via
                and known.transport_protocol == given.transport_protocol
            ):
                ready = known.connected and not known.error and known not in self.waiting_for_establishment
                if ready and type(handler) is BoundedHttp1Client and handler.request is None and not handler.buf:
                    return handler if handler._paused is None and handler.state == handler.read_headers else None
                return None
        return None

    def _waiting(self, handler: BoundedHttp1Client) -> StraightStream | None:
        """The exchange whose answer this connection may have brought whole."""
        if handler.stream_id is None or handler.response is not None or not handler.request_done or handler.buf:
            return None
        if handler._paused is not None or handler.state != handler.read_headers:
            return None
        stream = self.streams.get(handler.stream_id)
        return stream if type(stream) is StraightStream and stream.waits_for_answer else None


def _stay_open(request: http.Request, response: http.Response) -> bool:
    """Whether the connection stays open after an exchange, whatever addons have made of it."""
    ends = response.headers
    if _in_pieces(response) or not ("content-length" in ends or response.status_code in BODILESS):
        return False
    if not request.data.http_version == response.data.http_version == b"HTTP/1.1":
        return False
    return _kept(request.headers) and _kept(ends)


def _in_pieces(response: http.Response) -> bool:
    """Whether an addon has given a whole answer another coding: its body is then sent in chunks (RFC 9112 §7.1)."""
    return "transfer-encoding" in response.headers


def _kept(headers: http.Headers) -> bool:
    said = headers.get("connection")
    return said is None or said in KEPT
