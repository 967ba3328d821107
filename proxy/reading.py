"""A connection's bytes, given to its layers when they arrive.

In come the bytes a socket has brought; out goes an event to the connection's handler, at once, while the task that
reads the socket stands waiting for bytes. Python's streams would wake that task instead: a future, a turn of the event
loop and a look at every socket later it gives the handler the same bytes. Whenever the task is not waiting, or
something is still to be sent, bytes are kept for it as ever, so that whoever sends more than is taken is slowed down.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from mitmproxy.connection import Connection
from mitmproxy.proxy import events


class Taker(Protocol):
    """A connection's handler."""

    def take(self, event: events.Event) -> None:
        """Work an event off."""

    def settled(self) -> bool:
        """Whether more may be read at once: nothing has to be sent or waited for first."""


class DirectReader(asyncio.StreamReader):
    """Python's reader, whose bytes need not be fetched."""

    taker: Taker
    """Whom the bytes are given to."""
    connection: Connection
    """Whose they are."""

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """As the original; called by the transport."""
        waiter = self._waiter  # type: ignore[attr-defined]
        if waiter is None or waiter.done() or self._buffer or not self.taker.settled():  # type: ignore[attr-defined]
            super().feed_data(data)
        elif data:
            self.taker.take(events.DataReceived(self.connection, bytes(data)))


def read_directly(reader: asyncio.StreamReader, taker: Taker, connection: Connection) -> None:
    """From here on `taker` gets what `reader` is fed while somebody waits for it."""
    if type(reader) is asyncio.StreamReader:
        reader.__class__ = DirectReader
        reader.taker, reader.connection = taker, connection  # type: ignore[attr-defined]
