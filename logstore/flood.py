"""A device that asks for the same thing again and again: which of its exchanges stand in another's row.

In come the finished exchanges of one worker, out goes for each whether it is a row like any other, the head of a group,
or a repeat of one. The rules: only what was let through is folded, never what was blocked; only what is alike in
everything that is recorded but number, time, bytes and duration; a group lasts a second; what lasts long is a row of
its own. The decision is written into the spool (`EventKind.HEAD`, `REPEAT`, `OVER`), so whoever reads it again after a
kill counts the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from logstore.record import Ending, EndingKind, LogRecord

AFTER = 20
"""Exchanges alike that are rows of their own before the others of the same second are folded."""
SECONDS = 1.0
"""How long exchanges are counted together."""
LONGEST = 300.0
"""Seconds an exchange may have lasted to be counted with others. The shipper gives up one that lasts for hours
(`logstore.merge.WAIT_SECONDS`); as a head it would then stand in the store already, without its repeats."""

_UINT64 = 0xCF
_ID, _TIME, _BEGIN = 5, 14, 23
_THROUGH = frozenset({"allow", "bypass"})
_ENDED = (EndingKind.RESPONSE, EndingKind.ERROR, EndingKind.ABORTED, EndingKind.BYPASSED)
_alike = attrgetter(
    "kind", "status", "content_type", "title", "error", "page", "action", "blocked", "reason", "rule", "category",
    "stage",
)  # fmt: skip


def may_fold(record: LogRecord) -> bool:
    """Whether exchanges of this kind may be folded at all: those that were let through."""
    return not record.blocked and record.action in _THROUGH


class Flood:
    """What one worker has finished within the present second."""

    def __init__(
        self, *, after: int = AFTER, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is in seconds and must not jump."""
        self._after = after
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0
        self._counts: dict[int, int] = {}
        self._heads: dict[tuple[bytes, Any], int] = {}

    def now(self) -> float:
        """The time, in seconds of its clock: an exchange's beginning, for `place`."""
        return self._clock()

    def over(self) -> tuple[int, ...]:
        """The heads whose second is over, when it is; from now on the next one is counted."""
        now = self._clock()
        if now < self._until:
            return ()
        heads = tuple(self._heads.values())
        self._until = now + self._seconds
        self._counts.clear()
        self._heads.clear()
        return heads

    def place(self, record_id: int, opened: bytes, ending: Ending, began: float = float("inf")) -> int | None:
        """Where an exchange that has ended stands: None for a row of its own, its own id for the head of a group, or
        the id of the head it repeats.

        `opened` is its OPEN event, `began` when that was. To be asked after `over`, of records that `may_fold`.
        """
        # All of the event but the id and the time, which are 64-bit numbers at its beginning.
        if len(opened) < _BEGIN or opened[_ID] != _UINT64 or opened[_TIME] != _UINT64:
            return None
        if self._clock() - began > LONGEST:
            return None
        asked = opened[_BEGIN:]
        key = hash(asked)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count <= self._after or ending.kind not in _ENDED or ending.blocked:
            return None
        return self._heads.setdefault((asked, _alike(ending)), record_id)

    def forget(self, record_id: int) -> None:
        """The head could not be written: no group."""
        self._heads = {key: head for key, head in self._heads.items() if head != record_id}
