"""Whoever sends an answer, or takes one, must keep a pace: connections in, those that only hold us up are cut.

The kernel has counted what came and what was taken. Rule: less than `rate` bytes a second is silence, and has its
patience (`proxy.idle_timeout`). A reader counts only while bytes wait for it, and then this is its only clock; what it
took gives it credit, for a kernel tells in jumps of hundreds of kilobytes that there is room again. A site counts only
while it owes us something that has an end: a head, or a body whose length it told; what streams (events, a long poll,
music, a WebSocket) may be as slow as it likes for `longest`, and so may one that says that it is at work. A site whose
client takes nothing is not the slow one. Nobody else is looked at: what is idle, what thinks.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

from mitmproxy import http

from addons.flownotes import NOT_TAKEN, at_work, connection_notes, flow_notes, uploading
from addons.live import Live
from addons.pacing import Pace

CREDIT = 4
"""Windows more that a reader may take nothing, for what it took before."""
TOO_SLOW = "answer too slow"
"""Why an exchange ended whose site would not send."""

_TAKEN, _CAME = 120, 128
"""Where `struct tcp_info` of Linux has the bytes the other end acknowledged, and those it sent (since Linux 4.1)."""
_INFO = 136

type _Subject = Literal["reader"] | tuple[http.HTTPFlow, bool]
"""The client, or the site of an exchange and whether its head is there."""


@dataclass(slots=True)
class _Window:
    """What was seen of one end when the window began."""

    subject: _Subject
    """Whose window it is."""
    since: float
    """When it began, seconds."""
    size: int
    """Bytes that it had moved then."""
    moved: int
    """Bytes that it has moved now."""
    credit: float
    """Seconds that a reader may take nothing from then on, for what it took before."""


class AnswerPace(Pace[_Window]):
    """Cuts what is slower than `rate` bytes a second over `seconds`; what has no end, after `longest` seconds."""

    name = "answerpace"

    def __init__(self, live: Live, rate: int, seconds: float, longest: float) -> None:
        super().__init__(live, rate, seconds)
        self.longest = longest

    def _window(self, handler: Any, flows: list[http.HTTPFlow], before: _Window | None, at: float) -> _Window | None:
        waited_for = _waited_for(handler, flows)
        if waited_for is None:
            return None
        subject, moved = waited_for
        if subject == "reader":  # what it takes out of full buffers, the idle clock does not hear
            handler.timeout_watchdog.register_activity()
        elif handler.timeout_watchdog.blocker:  # it is we who do not go on
            return None
        if before is None or before.subject != subject:
            if subject != "reader":
                at_work.discard(subject[0].server_conn)  # said to another request, or in another window
            return _Window(subject, at, moved, moved, self._credit(moved))
        before.moved = moved
        return before

    def _too_slow(self, window: _Window, at: float) -> str | None:
        if at - window.since < self.seconds:
            return None
        gained, window.since, window.size = window.moved - window.size, at, window.moved
        if window.subject == "reader":
            window.credit = self._credit(gained, window.credit) - self.seconds
            return "reader" if window.credit < 0 else None
        flow, has_head = window.subject
        excused = flow.server_conn in at_work
        at_work.discard(flow.server_conn)  # for this window, also one that needs no excuse
        slow = 0 < gained < self.rate * self.seconds  # silence is the idle clock's
        return "answer" if slow and self._owes(flow, has_head, excused) else None

    def _credit(self, taken: int, before: float = 0.0) -> float:
        return min(before + taken / self.rate, CREDIT * self.seconds)

    def _owes(self, flow: http.HTTPFlow, has_head: bool, excused: bool) -> bool:
        """Whether the site owes something that has an end, or has gone on without one for long enough."""
        ends = flow.response is not None and "content-length" in flow.response.headers if has_head else not excused
        return ends or time.perf_counter() - flow_notes(flow).started > self.longest

    def _cut(self, handler: Any, flows: list[http.HTTPFlow], window: _Window) -> None:
        if window.subject == "reader":
            for flow in flows:
                flow_notes(flow).too_slow = NOT_TAKEN
            notes = connection_notes(handler.client)
            if notes.passed is not None:
                notes.passed.too_slow = NOT_TAKEN
            handler.show_out(NOT_TAKEN)
            return
        flow, _ = window.subject
        flow_notes(flow).too_slow = TOO_SLOW
        io = handler.transports.get(flow.server_conn)
        if io is not None and io.handler is not None:
            io.handler.cancel("too slow")  # the client hears of it: our page, or an answer that was cut off


def _waited_for(handler: Any, flows: list[http.HTTPFlow]) -> tuple[_Subject, int] | None:
    """Who is waited for on a connection, and the bytes it has moved so far; None when nobody is."""
    outlet: asyncio.WriteTransport | None = handler.outlet
    if outlet is not None and outlet.get_write_buffer_size():
        taken = _moved(outlet, _TAKEN)
        return None if taken is None else ("reader", taken)
    for flow in flows:
        io = handler.transports.get(flow.server_conn)
        if uploading(flow) or flow.websocket is not None or io is None or io.writer is None:
            continue
        came = _moved(io.writer.transport, _CAME)
        return None if came is None else ((flow, flow.response is not None), came)
    return None


def _moved(transport: asyncio.WriteTransport, where: int) -> int | None:
    """A count the kernel keeps of a connection; None when it keeps none."""
    end = transport.get_extra_info("socket")
    try:
        told: bytes = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
    except (OSError, AttributeError):  # gone, or no TCP
        return None
    return int.from_bytes(told[where : where + 8], sys.byteorder) if len(told) == _INFO else None
