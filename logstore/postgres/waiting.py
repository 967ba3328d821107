"""Connections that let something else be done while the server works.

In come the statements and the COPY of a writer, as on any connection; wherever it would sleep until the server answers
or takes more bytes, portions of other work are done. The rule: what was sent goes out between two portions, so that the
server never waits for them, and a wait that is over at once is not stretched by a portion.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, override

import psycopg
from psycopg.waiting import Ready, Wait
from sqlalchemy import Engine, event

SHORT_MS = 1
"""Longest wait for an answer, in milliseconds, that is slept through: a small statement is answered sooner."""

type Work = Callable[[], bool]
"""Does a portion, of a few milliseconds; False when there is none. It must not use the connection, nor raise."""


class Working(psycopg.Connection[Any]):
    """A connection that does `work` while it waits."""

    work: Work | None = None
    """What to do; None for nothing."""

    @override
    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        if self.work is not None:
            gen = self._working(gen, self.work)
        return super().wait(gen, *arguments, **options)

    def _working(self, gen: Any, work: Work) -> Any:
        """What `gen` says, whatever it waits for; without other work left the waiting is left to whoever asks."""
        try:
            wanted = next(gen)
            while True:
                # A small statement is answered at once; what takes no more bytes has some milliseconds' worth of them.
                ready = self._ready(wanted, 0 if wanted & Wait.W else SHORT_MS)
                while not ready and work():
                    self.pgconn.flush()
                    ready = self._ready(wanted, 0)
                wanted = gen.send(ready or (yield wanted))
        except StopIteration as over:
            return over.value

    def _ready(self, wanted: Wait, milliseconds: int) -> int:
        """Which of what is `wanted` can be done now, or within so long."""
        poll = select.poll()
        poll.register(self.pgconn.socket, (wanted & Wait.R and select.POLLIN) | (wanted & Wait.W and select.POLLOUT))
        found = poll.poll(milliseconds)
        if not found:
            return 0
        seen = found[0][1]
        if seen & ~(select.POLLIN | select.POLLOUT):  # hung up: whichever is tried says so
            return int(wanted)
        return (seen & select.POLLIN and Ready.R) | (seen & select.POLLOUT and Ready.W)


def with_working_connections(engine: Engine) -> Engine:
    """The engine, its connections of the kind that can work while they wait."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Working:
        return Working.connect(*arguments, **parameters)

    return engine
