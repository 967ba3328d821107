"""Which days a check of the record begins, when it has not the time for all of them.

In come the seconds it has and the files that were found wrong the last time; out goes whether a day is begun. The
rules: a day is looked at whole or not at all, because only all its parts together vouch for its names; days that were
found wrong come first until somebody has seen to them, and in turn; when the time is over no further day is begun, but
at least one of those and one of the others are: so that in the end each has its turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence


class Turns:
    """The time of one check."""

    def __init__(self, seconds: float, wrong: Sequence[str] = ()) -> None:
        """`seconds`: when they are over no further day is begun; `wrong`: files that were found wrong when they were
        last looked at, the one longest ago first."""
        self._until = time.monotonic() + seconds
        self._wrong = {file: place for place, file in enumerate(wrong)}
        self._owed = {False, True} if seconds > 0 else set[bool]()

    def place(self, files: Iterable[str]) -> int:
        """Which one the day of these files is: those that were not found wrong come after all that were."""
        return min((self._wrong.get(file, len(self._wrong)) for file in files), default=len(self._wrong))

    def begins(self, files: Iterable[str]) -> bool:
        """Whether the day of these files, all there are of it, is looked at now."""
        waits = self.place(files) == len(self._wrong)
        if time.monotonic() > self._until and waits not in self._owed:
            return False
        self._owed.discard(waits)
        return True
