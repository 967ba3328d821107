"""Whoever sends an answer, or takes one, must keep a pace: connections in, those that only hold us up are cut.

Looks at every connection of the worker now and then, so that it costs an answer nothing; the kernel has counted what
came and what was taken. Rule: less than `rate` bytes a second is silence, and has its patience (`proxy.idle_timeout`).
A reader counts only while bytes wait for it, and then this is its only clock; what it took gives it credit, for a
kernel tells in jumps of hundreds of kilobytes that there is room again. A site counts only while it owes us something
that has an end: a head, or a body whose length it told; what streams (events, a long poll, music, a WebSocket) may be
as slow as it likes for `longest`. A site whose client takes nothing is not the slow one. Nobody else is looked at: what
is idle, what thinks.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mitmproxy import http

from addons.flownotes import connection_notes, flow_notes, unfinished_flows, uploading
from addons.live import Live

logger = logging.getLogger(__name__)

LOOKS = 6
"""Looks within one window."""
CREDIT = 4
"""Windows more that a reader may take nothing, for what it took before."""
NOT_TAKEN = "answer not taken"
"""Why an exchange ended whose client would not read."""
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
    credit: float
    """Seconds that a reader may take nothing from then on, for what it took before."""


class AnswerPace:
    """Cuts what is slower than `rate` bytes a second over `seconds`; what has no end, after `longest` seconds."""

    def __init__(self, live: Live, rate: int, seconds: float, longest: float) -> None:
        self.live = live
        self.rate = rate
        self.seconds = seconds
        self.longest = longest
        self._windows: dict[Any, _Window] = {}

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return self.seconds / LOOKS

    def look(self, handlers: Iterable[Any], at: float) -> int:
        """Look at every connection; `at` is in seconds of a clock that only goes forward. Returns how many were cut."""
        cut, windows = 0, {}
        flows = unfinished_flows()
        for handler in handlers:
            try:
                open_here = flows.get(handler.client, [])
                waited_for = _waited_for(handler, open_here)
                if waited_for is None:
                    continue
                subject, moved = waited_for
                if subject == "reader":  # what it takes out of full buffers, the idle clock does not hear
                    handler.timeout_watchdog.register_activity()
                elif handler.timeout_watchdog.blocker:  # it is we who do not go on
                    continue
                window = self._windows.get(handler.client)
                if window is None or window.subject != subject:
                    window = _Window(subject, at, moved, self._credit(moved))
                if self._too_slow(window, moved, at):
                    self._cut(handler, subject, open_here)
                    cut += 1
                    continue
            except Exception:  # nobody is cut for a bug of ours, and everybody else is looked at
                logger.exception("the pace of an answer could not be told")
                self.live.metrics.hook_failures.labels("answerpace").inc()
                continue
            windows[handler.client] = window
        self._windows = windows
        return cut

    def _too_slow(self, window: _Window, moved: int, at: float) -> bool:
        """Whether its window is over and less was in it than should be. Begins the next one."""
        if at - window.since < self.seconds:
            return False
        gained, window.since, window.size = moved - window.size, at, moved
        if window.subject == "reader":
            window.credit = self._credit(gained, window.credit) - self.seconds
            return window.credit < 0
        if gained >= self.rate * self.seconds:
            return False
        return gained > 0 and self._owes(*window.subject)  # silence is the idle clock's

    def _credit(self, taken: int, before: float = 0.0) -> float:
        return min(before + taken / self.rate, CREDIT * self.seconds)

    def _owes(self, flow: http.HTTPFlow, has_head: bool) -> bool:
        """Whether the site owes something that has an end, or has gone on without one for long enough."""
        if not has_head or (flow.response is not None and "content-length" in flow.response.headers):
            return True
        return time.perf_counter() - flow_notes(flow).started > self.longest

    def _cut(self, handler: Any, subject: _Subject, flows: list[http.HTTPFlow]) -> None:
        if subject == "reader":
            for flow in flows:
                flow_notes(flow).too_slow = NOT_TAKEN
            notes = connection_notes(handler.client)
            if notes.passed is not None:
                notes.passed.too_slow = NOT_TAKEN
            self.live.metrics.slow_cut.labels("reader").inc()
            handler.show_out("too slow")
            return
        flow, _ = subject
        flow_notes(flow).too_slow = TOO_SLOW
        self.live.metrics.slow_cut.labels("answer").inc()
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
