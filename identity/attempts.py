"""How long somebody who guessed wrong must wait: name, address and time in, a wait out.

The wait grows with each wrong password and is forgotten after a quiet hour: throttling, not lock-out, so that a class
cannot lock its teacher out (NCSC, *Password administration for system owners*). No clock here: every question says
when it is asked. Each worker has one object; they count together when their books share memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from identity.attemptbook import AttemptBook, Entry
from identity.shares import shares

NO_WAIT = timedelta(0)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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

    def left(self, known: Entry, at: datetime) -> timedelta:
        """What is left of the wait at `at`."""
        again = _START + known.touched * _MICROSECOND + self.wait(known.wrong)
        return min(max(again - at, NO_WAIT), self.longest)


ACCOUNT_HERE = Limit(free=5, longest=timedelta(minutes=15))
"""One account from one address: somebody guesses, or forgot."""
ADDRESS = Limit(free=40, longest=timedelta(seconds=10))
"""One address with any names: somebody tries the register. Generous: a room may share it."""
NETWORK = Limit(free=16 * ADDRESS.free, longest=ADDRESS.longest)
"""One IPv6 network with any names, for a guesser with a new address for each name. A whole school may share it and
mistype its passwords in one morning, so it has many times more room, and holds up only names that are new there."""
ACCOUNT_NEAR = Limit(free=10, longest=timedelta(minutes=1))
"""One account from one IPv6 network: a guesser may have a new address for each guess, and the account's owner may be a
neighbour."""


class Attempts:
    """Wrong passwords, counted. Bounded as its book is: the counts least recently touched are forgotten first."""

    def __init__(self, book: AttemptBook | None = None) -> None:
        """`book` is what the workers of a gateway write into together; one of its own without."""
        self._book = AttemptBook() if book is None else book

    def wait(self, name: str, address: str, at: datetime) -> timedelta:
        """How long to wait before a password for `name` from `address` is looked at; zero means now.

        While it is not zero the password must not be checked, not even a right one.
        """
        address = shares(address)[0]
        waits = [ACCOUNT_HERE.left(self._known(name, address, ACCOUNT_HERE, at), at)]
        if not self._welcome(name, address):  # whoever signed in here before is no stranger, whatever others try
            known = {NETWORK} if any(self._welcome(*key) for key in _seen(name, address)) else set()
            around = [(limit, key) for limit, key in _around(name, address) if limit not in known]
            waits.extend(limit.left(self._known(*key, limit, at), at) for limit, key in around)
        return max(waits)

    def failed(self, name: str, address: str, at: datetime) -> timedelta:
        """Count a wrong password; the wait from now on. Not for a wrong answer that was only remembered."""
        address = shares(address)[0]
        welcome = self._welcome(name, address)
        self._count(name, address, ACCOUNT_HERE, at, welcome=welcome)
        if not welcome:
            for limit, key in _around(name, address):
                self._count(*key, limit, at, welcome=False)
        return self.wait(name, address, at)

    def succeeded(self, name: str, address: str, at: datetime) -> None:
        """Forget what was wrong for this account here, and know it in its IPv6 network. What the address did to other
        accounts stays counted, and what the network did to this one: else each right password would give guessers more.
        """
        for key in ((name, shares(address)[0]), *_seen(name, address)):
            self._book.write(*key, Entry(0, True, _ticks(at), _ticks(at)))

    def _count(self, name: str, address: str, limit: Limit, at: datetime, *, welcome: bool) -> None:
        # The largest count is everybody's: whoever adds one writes down all of them.
        before = self._known(name, address, limit, at)
        self._book.write(name, address, Entry(before.wrong + 1, welcome, _ticks(at), before.cleared))

    def _known(self, name: str, address: str, limit: Limit, at: datetime) -> Entry:
        """What all workers know together, without what was cleared since or a quiet time has forgotten.

        What a clock that was wrong wrote far ahead counts as forgotten, and clears nothing.
        """
        entries, now = self._book.read(name, address), _ticks(at)
        cleared = max((entry.cleared for entry in entries if entry.cleared <= now), default=0)
        forget = limit.forget // _MICROSECOND
        counted = [entry for entry in entries if entry.touched >= cleared and abs(now - entry.touched) <= forget]
        wrong = max((entry.wrong for entry in counted), default=0)
        return Entry(wrong, False, max((entry.touched for entry in counted), default=0), cleared)

    def _welcome(self, name: str, address: str) -> bool:
        return any(entry.welcome for entry in self._book.read(name, address))


def _around(name: str, address: str) -> list[tuple[Limit, tuple[str, str]]]:
    """What is counted besides the account at this address, and under which name and address."""
    here, *networks = shares(address)
    near = [counted for one in networks for counted in ((NETWORK, ("", one)), (ACCOUNT_NEAR, (name, one)))]
    return [(ADDRESS, ("", here)), *near]


def _seen(name: str, address: str) -> list[tuple[str, str]]:
    """Where it is kept that the account signed in somewhere in this IPv6 network: apart from what is counted there."""
    return [(name, f"seen {network}") for network in shares(address)[1:]]


def _ticks(at: datetime) -> int:
    return (at - _START) // _MICROSECOND
