"""How long somebody who guessed wrong must wait: name, address and time in, a wait out.

The wait grows with each wrong password and is forgotten after a quiet hour: throttling, not lock-out, so that a class
cannot lock its teacher out (NCSC, *Password administration for system owners*). No clock here: every question says
when it is asked. One object counts for one worker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

NO_WAIT = timedelta(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """How patient we are with one kind of guessing."""

    free: int
    """Wrong passwords before any wait."""
    longest: timedelta
    """The wait never grows beyond this."""
    first: timedelta = timedelta(seconds=1)
    """The first wait; each further wrong password doubles it."""
    forget: timedelta = timedelta(hours=1)
    """A quiet time after which the count starts again."""

    def wait(self, wrong: int) -> timedelta:
        """The wait after `wrong` wrong passwords."""
        beyond = wrong - self.free
        if beyond <= 0:
            return NO_WAIT
        return min(self.longest, self.first * (1 << min(beyond - 1, 30)))


ACCOUNT_HERE = Limit(free=5, longest=timedelta(minutes=15))
"""One account from one address: somebody guesses, or forgot."""
ADDRESS = Limit(free=40, longest=timedelta(seconds=10))
"""One address with any names: somebody tries the register. Generous: a room may share an address."""


@dataclass(slots=True)
class _Count:
    wrong: int
    last: datetime
    again: datetime


class Attempts:
    """Wrong passwords, counted. Bounded: the counts least recently touched are forgotten first."""

    def __init__(self, size: int = 20_000) -> None:
        """`size` is the number of counts kept."""
        self._size = size
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, name: str, address: str, at: datetime) -> timedelta:
        """How long to wait before a password for `name` from `address` is looked at; zero means now.

        While it is not zero the password must not be checked, not even a right one.
        """
        waits = [
            min(max(count.again - at, NO_WAIT), limit.longest)
            for key, limit in self._limits(name, address)
            if (count := self._current(key, limit, at)) is not None
        ]
        return max(waits, default=NO_WAIT)

    def failed(self, name: str, address: str, at: datetime) -> timedelta:
        """Count a wrong password; the wait from now on. Not for a wrong answer that was only remembered."""
        for key, limit in self._limits(name, address):
            before = self._current(key, limit, at)
            wrong = 1 if before is None else before.wrong + 1
            self._counts[key] = _Count(wrong, at, at + limit.wait(wrong))
            self._counts.move_to_end(key)
        while len(self._counts) > self._size:
            self._counts.popitem(last=False)
        return self.wait(name, address, at)

    def succeeded(self, name: str, address: str) -> None:
        """Forget what was wrong for this account here. What the address did to other accounts stays counted."""
        self._counts.pop((name, address), None)
        self._welcome[name, address] = None
        self._welcome.move_to_end((name, address))
        if len(self._welcome) > self._size:
            self._welcome.popitem(last=False)

    def _limits(self, name: str, address: str) -> list[tuple[tuple[str, str], Limit]]:
        limits = [((name, address), ACCOUNT_HERE)]
        if (name, address) not in self._welcome:  # whoever signed in here before is no stranger, whatever others try
            limits.append((("", address), ADDRESS))
        return limits

    def _current(self, key: tuple[str, str], limit: Limit, at: datetime) -> _Count | None:
        count = self._counts.get(key)
        return None if count is None or at - count.last > limit.forget else count
