"""Endings of exchanges, written together with what is recorded next.

In comes the ending of an open record; it goes into the spool with the next event there, in one append: two cost nearly
twice what one does. Only of answers that passed: an ending that says more than that (closed, failed, left) is written
at once. The record itself is there since the decision, so the row of an ending that waits when the worker is killed
stays, and ends as interrupted, as if it had been killed before its answer was through: at most `segments.TOGETHER` rows
a worker, of answers through within `WAIT` of when it last did anything; one that hangs writes nothing.
"""

from __future__ import annotations

import asyncio

from addons.live import Live
from logstore.record import Ending, EndingKind

WAIT = 0.05
"""Seconds until an ending is written, if nothing else is recorded before."""


class Endings:
    """Closes records of one worker."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._awaited = False

    def close(self, record_id: int, ending: Ending) -> None:
        """As `SpoolWriter.close`, but with the next event; at once where no loop runs. Raises `SpoolFull`."""
        passed = ending.kind is EndingKind.RESPONSE
        self.live.spool.close(record_id, ending, together=passed and (self._awaited or self._await()))

    def _await(self) -> bool:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        loop.call_later(WAIT, self._bring)
        self._awaited = True
        return True

    def _bring(self) -> None:
        self._awaited = False
        self.live.spool.bring()
