"""Which days a check of the record begins, when it has not the time for all of them.

In come the seconds it has and the files that were found wrong the last time; out goes whether a day is begun. The
rules: a day is looked at whole or not at all, because only all its parts together vouch for its names; days that were
found wrong come first until somebody has seen to them; when the time is over no further day is begun, but at least one
of those and one of the others are: so that in the end each has its turn.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable


class Turns:
    """The time of one check."""

    def __init__(self, seconds: float, wrong: Collection[str] = ()) -> None:
        """`seconds`: when they are over no further day is begun; `wrong`: files found wrong the last time."""
        self._until = time.monotonic() + seconds
        self._wrong = frozenset(wrong)
        self._owed = {False, True} if seconds > 0 else set[bool]()

    def waits(self, files: Iterable[str]) -> bool:
        """Whether the day of these files comes after those that were found wrong."""
        return self._wrong.isdisjoint(files)

    def begins(self, files: Iterable[str]) -> bool:
        """Whether the day of these files, all there are of it, is looked at now."""
        waits = self.waits(files)
        if time.monotonic() > self._until and waits not in self._owed:
            return False
        self._owed.discard(waits)
        return True
