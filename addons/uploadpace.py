"""Whoever sends a request's body must keep a pace: connections in, those that only hold us up are cut.

A time in which the site does not take what is sent, or is not reached yet, is not counted: then it is the site that is
slow. What waits for an answer (a long poll, an event stream, a WebSocket, a site that thinks) has sent its request
whole, and is none of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mitmproxy import http

from addons.flownotes import connection_notes, flow_notes, uploading
from addons.pacing import LOOKS, Pace

FRUITLESS = 4
"""Windows in which bytes may come without a request of them: refused uploads that are thrown away, handshakes."""


@dataclass(slots=True)
class _Window:
    """What was seen of a connection when the window began."""

    subject: object
    """The exchange whose body comes; how many requests there were, when none is under way."""
    since: float
    """When it began, seconds."""
    size: int = 0
    """Bytes of the body then."""
    moved: int = 0
    """Looks since then at which something had come."""
    last: float = 0.0
    """When something came last."""


class UploadPace(Pace[_Window]):
    """Cuts what is slower than `rate` bytes a second over `seconds`, the first window being grace."""

    name = "uploadpace"

    def _window(self, handler: Any, flows: list[http.HTTPFlow], before: _Window | None, at: float) -> _Window | None:
        notes = connection_notes(handler.client)
        if notes.tunnel_record is not None or notes.tunnel_unrecorded:
            return None
        uploads = [flow for flow in flows if uploading(flow)]
        if uploads:
            flow = uploads[0]
            if before is None or before.subject is not flow or held_up(handler, flow):
                return _Window(flow, at, flow_notes(flow).bytes_up)
            return before
        if flows:
            return None
        last = handler.timeout_watchdog.last_activity
        if before is None or before.subject != notes.requests:
            return _Window(notes.requests, at, last=last)
        before.moved += before.last != last
        before.last = last
        return before

    def _too_slow(self, window: _Window, at: float) -> str | None:
        passed = at - window.since
        if not isinstance(window.subject, http.HTTPFlow):
            fruitless = passed >= self.seconds * FRUITLESS and window.moved > LOOKS
            return "nothing" if fruitless else None
        if passed < self.seconds:
            return None
        size = flow_notes(window.subject).bytes_up
        if size - window.size < self.rate * self.seconds:
            return "upload"
        window.since, window.size = at, size
        return None

    def _cut(self, handler: Any, flows: list[http.HTTPFlow], window: _Window) -> None:
        if isinstance(window.subject, http.HTTPFlow):
            flow_notes(window.subject).too_slow = "upload too slow"
        io = handler.transports.get(handler.client)
        if io is not None and io.handler is not None:
            io.handler.cancel("too slow")  # without a word: its row says how far the client came, whose doing it is


def held_up(handler: Any, flow: http.HTTPFlow) -> bool:
    """Whether it is not the client that is slow: the site is not reached yet, or does not take what is there."""
    if flow_notes(flow).awaits_body:
        return False  # a form of ours
    io = handler.transports.get(flow.server_conn)
    return io is None or io.writer is None or io.writer.transport.get_write_buffer_size() > 0
