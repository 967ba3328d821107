"""What an origin sends, as HTTP/1: a bounded head, no interim answers, no trailers.

In come the bytes of an answer, out go the host's events. A subclass of its layer (mitmproxy 12.2.3), for what that
leaves open: an endless head; interim answers (RFC 9110 §15.2), which it takes for the answer itself, so that a browser
waits for ever; trailers, at which it crashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import h11
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._events import ResponseHeaders, ResponseProtocolError

from addons.flownotes import at_work

type Commands = layer.CommandGenerator[None]

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9](?=[ \r\n])")
"""How an answer begins that only says that another is coming; 101 is the last in HTTP."""
_END = re.compile(rb"\n\r?\n")
"""Where a head is over, to the host."""
_LIKE = b"HTTP/1.1 200"
"""An answer begins like this."""
_ANSWER = re.compile(rb"HTTP/1\.[01] [1-5]\d\d")


class BoundedHttp1Client(_http1.Http1Client):
    """HTTP/1 towards the origin. Interim answers are passed over: nobody could decide on them or record them."""

    longest = 512 * 1024
    """Most bytes of a head; set by `addons.httplayers`."""
    _interim = 0
    """Bytes of interim answers to the request of `_stream`."""
    _stream: int | None = None
    _looked = 0
    """Bytes at the front in which an interim answer has begun and is not over: a dripped one would cost its square."""

    def handle_event(self, event: events.Event) -> Commands:
        """As the original: nothing here waits for anything."""
        return self._handle_event(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read one head; give up on an endless one, interim ones counted with it, and on an interim one in a spelling
        that only the host can read."""
        if isinstance(event, events.DataReceived) and self.request is not None:
            self._pass_over_interim()
            if self._interim + len(self.buf) > self.longest and _END.search(bytes(self.buf)) is None:
                yield from self._give_up("response head too large")
                return
        elif self.buf and isinstance(event, events.ConnectionClosed) and _begun(bytes(self.buf)):
            self.buf.maybe_extract_at_most(len(self.buf))  # as where nothing of it came: it is no other protocol
        for command in super().read_headers(event):
            head = command.event if isinstance(command, http_layers.ReceiveHttp) else None
            if isinstance(head, ResponseHeaders) and 100 <= (said := head.response.status_code) < 200 and said != 101:
                yield from self._give_up("HTTP/1 protocol error: interim answer in an odd spelling")
                return
            yield command

    def _give_up(self, why: str) -> Commands:
        """End the exchange, and the connection."""
        if self.stream_id is not None:
            yield commands.CloseConnection(self.conn)
            yield http_layers.ReceiveHttp(ResponseProtocolError(self.stream_id, why, ResponseProtocolError.code))
            self.state = self.done

    def _pass_over_interim(self) -> None:
        """Take interim answers from the front of the buffer."""
        if self._stream != self.stream_id:
            self._stream, self._interim, self._looked = self.stream_id, 0, 0
        raw, at = self.buf._data, 0  # the buffer itself: a copy for every packet would cost a dripped head's square
        while _INTERIM.match(raw, at) is not None:
            over = _END.search(raw, at + max(0, self._looked - 2))
            if over is None:
                self._looked = len(raw) - at
                break
            at, self._looked = over.end(), 0
        if at:
            self.buf.maybe_extract_at_most(at)
            self._interim += at
            at_work.add(self.conn)


def _begun(cut: bytes) -> bool:
    """Whether this is the beginning of an answer, however little of it."""
    return _ANSWER.match(cut + _LIKE[len(cut) :]) is not None


class _Trailerless:
    """A body reader that drops trailers, as RFC 9110 §6.5.1 allows; the host would crash on them."""

    def __init__(self, reader: Callable[[Any], Any]) -> None:
        self.reader = reader
        self.read_eof = getattr(reader, "read_eof", None)

    def __call__(self, buffer: Any) -> Any:
        event = self.reader(buffer)
        if isinstance(event, h11.EndOfMessage) and event.headers:
            return h11.EndOfMessage()
        return event


_original_make_body_reader = _http1.make_body_reader


def make_body_reader(expected_size: int | None) -> Any:
    """As the host's; of a body in chunks, one that drops trailers."""
    reader = _original_make_body_reader(expected_size)
    return _Trailerless(reader) if expected_size is None else reader
