"""How long a client's connection lasts, and what becomes of what it was made of.

In comes how long nothing may move; out goes a call when it has not. And in come the layers of a connection that is
over; they are taken apart, because each leads to all the others, and whatever leads back to itself stays until the
garbage collector has found it: a fifteenth of what a connection costs, in pauses that every other one feels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mitmproxy.proxy import commands, events, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer


class Watchdog(server.TimeoutWatchdog):
    """The host's idle clock as a timer of the loop: no task, and the machine's clock may jump."""

    def __init__(self, seconds: float, idle: Callable[[], None]) -> None:
        """`idle` is called once nothing has been registered for so many seconds."""
        self._loop = asyncio.get_running_loop()
        self.seconds = seconds
        self._called: Callable[[], None] | None = idle
        self._timer: asyncio.TimerHandle | None = None
        self.last_activity = self._loop.time()
        self.blocker = 0

    def register_activity(self) -> None:
        """Something has moved."""
        self.last_activity = self._loop.time()

    def begin(self) -> None:
        """From here on, also anew."""
        if self._timer is not None:
            self._timer.cancel()
        self.register_activity()
        self._timer = self._loop.call_later(self.seconds, self._look)

    def end(self) -> None:
        """No longer."""
        self._called = None
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def disarm(self) -> Iterator[None]:
        """It stands still meanwhile, and begins anew."""
        self.blocker += 1
        try:
            yield
        finally:
            self.blocker -= 1
            self.register_activity()

    def _look(self) -> None:
        if self._called is None:
            return
        left = self.seconds if self.blocker else self.last_activity + self.seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._called()


def taken_apart(outermost: Layer) -> None:
    """Take from these layers, and from all that are in them, whatever they hold."""
    waiting: list[Any] = [outermost]
    while waiting:
        held = waiting.pop().__dict__
        parts = list(held.values())
        held.clear()
        for part in parts:
            if isinstance(part, Layer):
                waiting.append(part)
            elif isinstance(part, Context):
                waiting += part.layers
                part.layers.clear()
            elif isinstance(part, dict):
                waiting += [one for one in part.values() if isinstance(one, Layer)]


class Over:
    """In the place of the layers of a connection that is over."""

    def handle_event(self, _: events.Event) -> tuple[commands.Command, ...]:
        """Nothing follows."""
        return ()


OVER: Any = Over()
