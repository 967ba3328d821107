"""The host's HTTP layers, bounded and closed.

Subclasses of mitmproxy's layers (12.2.3), each for what its original leaves open: unlimited heads, bytes that other
parsers read differently, trailers that hang the client, blocked uploads read into memory, error pages in its own words.
`install()` puts them in force; `tests/addons/test_canary.py` names what changed upstream.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers import tls, websocket
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook, HttpResponseHeadersHook
from mitmproxy.proxy.layers.websocket import WebsocketEndHook

from addons import headers
from addons.content import within_limit
from addons.flownotes import connection_notes, flow_notes
from addons.heads import Lines
from addons.holding import HoldingStream
from addons.inplace import InPlace
from addons.originheads import BoundedHttp1Client, make_body_reader
from addons.refusedbytes import (
    AHEAD,
    CLOSED_AHEAD,
    HALF_REQUEST,
    TOO_MUCH_AHEAD,
    RefusedBytes,
    RefusedBytesHook,
    plain_page,
)
from addons.shortway import HandOver, short_way
from addons.tlslayers import GatewayServerTls
from policy.model import Reason

TOO_LARGE = "upload larger than the school allows"
"""What the `error` hook is told when an upload of unknown length passes the limit."""

type Commands = layer.CommandGenerator[None]

MESSAGE_TOO_BIG = 1009
"""RFC 6455 §7.4.1."""
REMEMBERED = 4 * 1024
"""Most bytes of a request's fields that are kept for the request after it."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BLANK = re.compile(rb"(\r?\n)*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What a head may be."""

    size: int = 2 * 1024 * 1024
    """Largest head in bytes (a 1 MB URL fits)."""
    fields: int = 256
    """Most lines."""
    seconds: float = 15.0
    """Longest a client may take over one head once it has begun."""
    ahead: int = 256 * 1024
    """Most bytes a client may send ahead while an answer is awaited."""
    message: int = 4 * 1024 * 1024
    """Most bytes of one WebSocket message."""
    messages: int = 128 * 1024 * 1024
    """Most bytes of unfinished messages in all WebSockets of a worker together."""
    discarded: int = 64 * 1024 * 1024
    """Most bytes of a refused upload that are read and thrown away before the connection is cut."""


limits = HeadLimits()
"""In force; set by `install`."""


def head_fault(head: bytes, most_lines: int) -> str | None:
    """What makes a complete head unacceptable; None when it is fine. Pure.

    Refuses what parsers disagree about (RFC 9112 §2.2, §5.2): NUL, bare CR or LF, folded lines, controls.
    """
    lines = head.split(b"\r\n")
    if len(lines) > most_lines:
        return "too many header fields"
    for number, line in enumerate(lines):
        if number and line[:1] in (b" ", b"\t"):
            return "folded header line"
        if _CONTROL.search(line):
            return "control character in the head"
    return None


def _behind_blank_lines(raw: bytes) -> bytes:
    """What stands behind the empty lines in front of a request (RFC 9112 §2.2); two of them are no end of a head."""
    return _BLANK.sub(b"", raw, count=1)


class BoundedHttp1Server(InPlace, _http1.Http1Server):
    """HTTP/1 towards the client with a bounded, unambiguous head."""

    _waiting: object | None = None
    _discarded = 0
    _closing = False
    _told = False
    """Whether what was asked ahead of the end has its row."""
    """Whether an answer that failed has ended the connection."""
    _blank = 0
    """Bytes of empty lines in front of the head that is awaited."""
    _tail: bytes | None = None
    """The last bytes of an incomplete head, all of which has been looked at; None before a head has begun."""
    before: Lines | None = None
    """The fields of the last ordinary request here: the next one's are often the same."""

    def remember(self, lines: Lines) -> None:
        """Keep the fields of an ordinary request for the next one; not long ones, of every connection there is."""
        self.before = lines if len(lines.text) <= REMEMBERED else None

    @property
    def clean(self) -> bool:
        """Whether nothing of the next head has come, not even an empty line."""
        return self._tail is None and self._waiting is None and not self._blank

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            if event.command is self._waiting and self.state == self.read_headers:
                yield from self._refuse(408, "the request head took too long", Reason.GUARD)
            return
        if isinstance(event, events.DataReceived) and (yield from self._too_much(event)):
            return
        yield from super()._handle_event(event)

    def _too_much(self, event: events.DataReceived) -> layer.CommandGenerator[bool]:
        if self.response_done and not self.request_done and self.request is not None:
            self._discarded += len(event.data)
            if self._discarded <= limits.discarded:
                return False
            yield commands.CloseConnection(self.conn)
        elif self.state == self.wait and len(self.buf) > limits.ahead:
            notes = connection_notes(self.context.client)
            notes.cut = notes.cut or TOO_MUCH_AHEAD
            yield from self.wait(events.ConnectionClosed(self.conn))  # whoever is waited for is so no longer
        else:
            return False
        self.state = self.done
        return True

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read one head; refuse what is too large, too slow or ambiguous."""
        if isinstance(event, events.DataReceived):
            if not self._complete(event.data):
                if len(self.buf) > limits.size:
                    yield from self._refuse(431, "the request head is too large")
                elif (len(self.buf) or self._blank > len(b"\r\n")) and self._waiting is None:
                    self._waiting = wakeup = commands.RequestWakeup(limits.seconds)
                    yield wakeup
                return
            self._waiting = None
            raw = bytes(self.buf)
            end = _HEAD_END.search(raw)
            head = raw[: end.start()] if end is not None else raw
            fault = head_fault(head, limits.fields)
            if fault is not None:
                yield from self._refuse(400, fault)
                return
        elif self.buf and bytes(self.buf).strip():
            yield from self._left(HALF_REQUEST)
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData):  # only ever the host's own error page
                yield from self._refuse(400, "bad request head", close=False)
            else:
                yield command

    def wait(self, event: events.Event) -> Commands:
        """As the original; what was asked ahead, behind an answer that is not waited for, has a row of its own."""
        if isinstance(event, events.ConnectionClosed) and (ahead := self._asked_ahead()):
            came = AHEAD if _HEAD_END.search(ahead) else HALF_REQUEST
            yield from self._left(CLOSED_AHEAD if self._closing else came)
        yield from super().wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """As the original; what was asked ahead, behind an answer that ends the connection, has a row of its own."""
        for command in super().mark_done(request=request, response=response):
            over = isinstance(command, commands.CloseConnection) and self.request_done and self.response_done
            if over and not self._told and self._asked_ahead():
                self._told = True  # the host comes through here once for each request answered in one turn
                yield from self._left(CLOSED_AHEAD)
            yield command

    def _asked_ahead(self) -> bytes:
        """What came behind the request that is there; what a CONNECT did not wait with is its tunnel's."""
        if self.request is None or self.request.method == "CONNECT":
            return b""
        ahead = _behind_blank_lines(bytes(self.buf))
        return ahead if ahead.strip() else b""

    def _left(self, came: str) -> Commands:
        """The client has gone behind, or in the middle of, a head. In a tunnel that is no refusal, and its row says
        where to."""
        notes = connection_notes(self.context.client)
        if notes.connect is None:
            yield RefusedBytesHook(RefusedBytes(self.context.client, notes.broken_off(came), None))
        else:
            notes.left = came

    def _complete(self, new: bytes) -> bool:
        """Whether the head is there; only what is new is looked at, or a dripping head would cost its square."""
        window = self._without_blank_lines() if self._tail is None else self._tail + new
        if _HEAD_END.search(window) is not None:
            self._tail, self._blank = None, 0
            return True
        self._tail = window[-3:] if window.strip(b"\r\n") else None
        return False

    def _without_blank_lines(self) -> bytes:
        """The buffer, from which empty lines in front of a request are taken (RFC 9112 §2.2); the host takes one of
        them for a head of nothing, and waits."""
        raw = bytes(self.buf)
        lead = _BLANK.match(raw)
        if lead is not None and lead.end():
            self.buf.maybe_extract_at_most(lead.end())
            self._blank += lead.end()
            return raw[lead.end() :]
        return raw

    def send(self, event: Any) -> Commands:
        """Send; an error that nobody made a page for is answered in our words."""
        if isinstance(event, ResponseProtocolError) and self.conn.state & ConnectionState.CAN_WRITE:
            status = event.code.http_status_code()
            if event.code is ErrorCode.DESTINATION_UNKNOWN:  # no hook of the host tells of these
                yield RefusedBytesHook(RefusedBytes(self.context.client, "no destination", status))
            if not self.response and status is not None:
                yield commands.SendData(self.conn, assemble_response(plain_page(status, "the gateway refused this")))
            self._closing = True
            yield commands.CloseConnection(self.conn)
            return
        yield from super().send(event)

    def _refuse(self, status: int, why: str, reason: Reason | None = None, *, close: bool = True) -> Commands:
        if self.request is None:
            yield RefusedBytesHook(RefusedBytes(self.context.client, why, status, reason))
        yield commands.SendData(self.conn, assemble_response(plain_page(status, why)))
        if close:
            self.state = self.done
            yield commands.CloseConnection(self.conn)


LITTLE = 64 * 1024
"""Bytes a WebSocket may hold of unfinished messages without being counted with the others."""


class BoundedWebsocket(websocket.WebsocketLayer):
    """A WebSocket whose unfinished messages are bounded: the host holds a message until it is whole."""

    def __init__(self, context: Context, flow: http.HTTPFlow) -> None:
        super().__init__(context, flow)
        self._held = {True: 0, False: 0}

    def relay_messages(self, event: events.Event) -> Commands:
        """Relay; end a connection that sends more than `limits.message` bytes without finishing a message."""
        if not isinstance(event, events.DataReceived):
            yield from super().relay_messages(event)
            return
        from_client = event.connection == self.context.client
        self._held[from_client] += len(event.data)
        if self._held[from_client] > limits.message or self._too_much_together():
            self._held.clear()
            yield from self._end(from_client)
            return
        yield from super().relay_messages(event)
        source = self.client_ws if from_client else self.server_ws
        if source.frame_buf == [b""]:
            self._held[from_client] = 0

    def _too_much_together(self) -> bool:
        """Whether all of them hold too much: asked by those that hold more than a little, who are few."""
        if sum(self._held.values()) <= LITTLE:
            _holding.discard(self)
            return False
        _holding.add(self)
        return sum(sum(each._held.values()) for each in _holding) > limits.messages

    def _end(self, from_client: bool) -> Commands:
        _holding.discard(self)
        if self.flow.websocket is not None:
            self.flow.websocket.timestamp_end = time.time()
            self.flow.websocket.closed_by_client = from_client
            self.flow.websocket.close_code = MESSAGE_TOO_BIG
        yield WebsocketEndHook(self.flow)
        self.flow.live = False
        self._handle_event = self.done
        yield commands.CloseConnection(self.context.server)
        yield commands.CloseConnection(self.context.client)


_holding: WeakSet[BoundedWebsocket] = WeakSet()
"""WebSockets that hold more than a little."""


class GatewayStream(HoldingStream):
    """One exchange: a refused upload is answered at once, and an origin's failure by our page."""

    _handed_over = False

    def passthrough(self, event: events.Event) -> Commands:
        """As the original; once a tunnel is decrypted, every byte of it need not come through here twice."""
        if not self._handed_over and self.context.client.tls_established and self.child_layer is not None:
            self._handed_over = True
            outside = self.context.layers[: self.context.layers.index(self)]
            within_tls = any(isinstance(one, tls.TLSLayer) for one in outside)  # a proxy that is itself spoken TLS to
            if self.flow.request.method == "CONNECT" and not within_tls:
                yield HandOver(short_way(self.child_layer))
        yield from super().passthrough(event)

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        """Decide on the head; do not read the body of what is refused."""
        yield from super().state_wait_for_request_headers(event)
        refused = self.client_state == self.state_consume_request_body and self.flow.response is not None
        if refused and not event.end_stream:
            yield from self._answer_before_body()

    def _answer_before_body(self) -> Commands:
        response = self.flow.response
        if response is None:
            return
        self.flow.request.timestamp_end = response.timestamp_start = time.time()
        self.flow.request.data.content = b""
        yield HttpRequestHook(self.flow)
        yield HttpResponseHeadersHook(self.flow)
        response.headers["connection"] = "close"
        self.client_state = self.state_errored  # whatever still comes of the body is thrown away
        yield from self.send_response()
        self.flow.live = False
        yield http_layers.SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        yield http_layers.DropStream(self.stream_id)

    def state_stream_request_body(self, event: Any) -> Commands:
        """As the original, but an upload over the limit ends here: the origin is cut off, the client gets our page."""
        yield from super().state_stream_request_body(event)
        if not isinstance(event, RequestData) or within_limit(flow_notes(self.flow)):
            return
        cut = RequestProtocolError(self.stream_id, TOO_LARGE, ErrorCode.CANCEL)
        yield http_layers.SendHttp(cut, self.context.server)
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, TOO_LARGE, ErrorCode.CANCEL))
        self.client_state = self.state_errored  # whatever still comes of the body is thrown away

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """As the original, but the `error` hook may set `flow.response`: that page is then sent."""
        unanswered = self.flow.response is None
        for command in super().handle_protocol_error(event):
            page = self.flow.response
            is_error = isinstance(command, http_layers.SendHttp) and isinstance(command.event, ResponseProtocolError)
            if unanswered and page is not None and is_error:
                yield from self._send_page(page)
            else:
                yield command

    def _send_page(self, page: http.Response) -> Commands:
        page.headers["connection"] = "close"
        content = page.raw_content
        client = self.context.client
        yield http_layers.SendHttp(ResponseHeaders(self.stream_id, page, not content), client)
        if content:
            yield http_layers.SendHttp(ResponseData(self.stream_id, content), client)
        yield http_layers.SendHttp(ResponseEndOfMessage(self.stream_id), client)


def install(new_limits: HeadLimits) -> None:
    """Put these layers and limits in force for this process."""
    global limits
    limits = new_limits
    headers.install()
    http_layers.HttpStream = GatewayStream  # type: ignore[misc]
    http_layers.Http1Server = BoundedHttp1Server  # type: ignore[misc]
    http_layers.Http1Client = BoundedHttp1Client  # type: ignore[misc]
    tls.ServerTLSLayer = GatewayServerTls  # type: ignore[misc]
    _http1.make_body_reader = make_body_reader
    BoundedHttp1Client.longest = new_limits.size // 4
    websocket.WebsocketLayer = BoundedWebsocket  # type: ignore[misc]
