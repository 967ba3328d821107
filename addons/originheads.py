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
from mitmproxy.proxy.layers.http._events import ResponseProtocolError

from addons.flownotes import at_work

type Commands = layer.CommandGenerator[None]

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9](?=[ \r\n])")
"""How an answer begins that only says that another is coming; 101 is the last in HTTP."""


class BoundedHttp1Client(_http1.Http1Client):
    """HTTP/1 towards the origin. Interim answers are passed over: nobody could decide on them or record them."""

    longest = 512 * 1024
    """Most bytes of a head; set by `addons.httplayers`."""
    _interim = 0
    """Bytes of interim answers to the request of `_stream`."""
    _stream: int | None = None

    def handle_event(self, event: events.Event) -> Commands:
        """As the original: nothing here waits for anything."""
        return self._handle_event(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Read one head; give up on an endless one, interim ones counted with it."""
        if isinstance(event, events.DataReceived) and self.request is not None:
            raw = self._without_interim()
            much = self._interim + len(raw) > self.longest
            if much and _head_over(raw, 0) < 0 and self.stream_id is not None:
                yield commands.CloseConnection(self.conn)
                error = ResponseProtocolError(self.stream_id, "response head too large", ResponseProtocolError.code)
                yield http_layers.ReceiveHttp(error)
                self.state = self.done
                return
        yield from super().read_headers(event)

    def _without_interim(self) -> bytes:
        """The buffer, from which interim answers are taken."""
        raw = bytes(self.buf)
        if self._stream != self.stream_id:
            self._stream, self._interim = self.stream_id, 0
        at = 0
        while _INTERIM.match(raw, at) is not None and (over := _head_over(raw, at)) >= 0:
            at = over
        if at:
            self.buf.maybe_extract_at_most(at)
            self._interim += at
            at_work.add(self.conn)
        return raw[at:]


def _head_over(raw: bytes, at: int) -> int:
    """Where the head that begins there is over; -1 when it is not."""
    ends = [end + len(mark) for mark in (b"\n\r\n", b"\n\n") if (end := raw.find(mark, at)) >= 0]
    return min(ends, default=-1)


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
