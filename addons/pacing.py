"""Looks at every connection of a worker now and then, so that it costs nobody anything, and cuts who is too slow.

In come the host's handlers and a time, out goes how many were cut. What is measured says whoever inherits.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from mitmproxy import http

from addons.flownotes import unfinished_flows
from addons.live import Live

logger = logging.getLogger(__name__)

LOOKS = 6
"""Looks within one window."""


class Pace[Window](ABC):
    """At least `rate` bytes a second, over windows of `seconds`."""

    name: ClassVar[str]
    """What its faults are counted as."""

    def __init__(self, live: Live, rate: int, seconds: float) -> None:
        self.live = live
        self.rate = rate
        self.seconds = seconds
        self._windows: dict[Any, Window] = {}

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return self.seconds / LOOKS

    def look(self, handlers: Iterable[Any], at: float) -> int:
        """Look at every connection; `at` is in seconds of a clock that only goes forward. Returns how many were cut."""
        cut, flows = 0, unfinished_flows()
        before, self._windows = self._windows, {}
        for handler in handlers:
            try:
                open_here = flows.get(handler.client, [])
                window = self._window(handler, open_here, before.get(handler.client), at)
                if window is None:
                    continue
                if (what := self._too_slow(window, at)) is None:
                    self._windows[handler.client] = window
                    continue
                cut += 1
                self.live.metrics.slow_cut.labels(what).inc()
                self._cut(handler, open_here, window)
            except Exception:  # nobody is cut for a bug of ours, and everybody else is looked at
                logger.exception("the pace of a connection could not be told")
                self.live.metrics.hook_failures.labels(self.name).inc()
        return cut

    @abstractmethod
    def _window(self, handler: Any, flows: list[http.HTTPFlow], before: Window | None, at: float) -> Window | None:
        """The window of a connection as it goes on, or a new one; None where there is nothing to measure."""

    @abstractmethod
    def _too_slow(self, window: Window, at: float) -> str | None:
        """What is too slow about it, for the metric; None when it may go on. Begins the next window."""

    @abstractmethod
    def _cut(self, handler: Any, flows: list[http.HTTPFlow], window: Window) -> None:
        """End it."""
