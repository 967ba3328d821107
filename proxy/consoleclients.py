"""Connections to the console: how long one may keep us waiting, and how many one address has at once.

Uvicorn's own protocol, with two limits it lacks. The rule: whoever sends nothing, or no whole request, is shown out
before they can keep everybody else out; nobody is known here yet.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0
"""Seconds until the head of a request is there, from the connection or from its first byte."""
BODY = 60.0
"""Seconds until the rest of it is there."""
EACH = 32
"""Connections of one address at once: an eighth of what there is. A browser opens six."""
_open: Counter[str] = Counter()


class Client(H11Protocol):
    """One connection of a browser."""

    _late: asyncio.TimerHandle | None = None
    _awaited: object = None
    _counted: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, unless its address has enough."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self._counted = address
        _open[address] += 1
        if _open[address] > EACH:
            transport.abort()
        else:
            self._wait_for(h11.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place back."""
        self._wait_for(None)
        if self._counted is not None:
            _open[self._counted] -= 1
            if _open[self._counted] <= 0:
                del _open[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is not whole yet has its time."""
        super().data_received(data)
        self._wait_for(self.conn.their_state)

    def _wait_for(self, state: Any) -> None:
        """Begin the time limit of what is awaited, or go on with the one that runs; none while we answer."""
        if state is self._awaited:
            return
        self._awaited = state
        if self._late is not None:
            self._late.cancel()
            self._late = None
        seconds = {h11.IDLE: HEAD, h11.SEND_BODY: BODY}.get(state)
        if seconds is not None and not self.transport.is_closing():
            self._late = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        if self.conn.their_state is self._awaited:
            self.transport.abort()
