"""What is remembered of a connection that signed in, and whether that still holds: a directory in, a `Standing` out.

A browser sends its password once, at CONNECT; what follows inside the tunnel rests on this memory. So the memory names
what it rests on, and a change of people ends it on the next request, not on the next connection (B-21, A-11).
Also notices one account in use on two machines at once (B-19).
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from identity.basic import parse_basic
from identity.directory import Directory
from identity.model import Evidence, Identity


class Standing(enum.StrEnum):
    """Whether a connection's sign-in still holds."""

    HOLDS = "holds"
    """Nothing changed: the identity worked out before may be used."""
    AGAIN = "again"
    """People or time moved on, the sign-in stands: work the identity out again (`identity.resolve.resolve_session`)."""
    ENDED = "ended"
    """The password was changed: whoever it is must sign in again."""
    GONE = "gone"
    """The account is no more: a leaver."""


@dataclass(frozen=True, slots=True)
class ConnectionSession:
    """A sign-in that was proved on one client connection. Made by `signed_in` only; holds no password."""

    name: str
    """Account name."""
    checked_at: datetime
    """When the password was found right."""
    revision: str
    """Revision of the directory the identity was last worked out with."""
    proof: str = field(repr=False)
    """The password hash it was checked against."""
    again_at: datetime | None = None
    """When the identity changes by itself: the end of a suspension."""

    def standing(self, directory: Directory, at: datetime) -> Standing:
        """Whether this sign-in still holds with the people in force at `at`. Cheap while nothing changed."""
        if directory.revision == self.revision:
            due = self.again_at is not None and at >= self.again_at
            return Standing.AGAIN if due else Standing.HOLDS
        person = directory.person(self.name)
        if person is None:
            return Standing.GONE
        return Standing.AGAIN if person.password_hash == self.proof else Standing.ENDED

    def resolved(self, directory: Directory, identity: Identity) -> ConnectionSession:
        """The session to remember once `identity` was worked out with `directory`."""
        return replace(self, revision=directory.revision, again_at=identity.refused_until)


def signed_in(
    evidence: Evidence, directory: Directory, *, checked: bool | None, at: datetime
) -> ConnectionSession | None:
    """The session to remember for this evidence; None unless `checked` says that its password was found right."""
    if checked is not True:
        return None
    credentials = parse_basic(evidence.authorization)
    person = None if credentials is None else directory.person(credentials.name)
    if person is None or person.password_hash is None:
        return None
    return ConnectionSession(person.name, at, directory.revision, person.password_hash)


@dataclass(frozen=True, slots=True)
class ConcurrentUse:
    """One account that is not shared was used on two machines in turns: a password is known to two (B-19, B-58)."""

    name: str
    """Account name."""
    addresses: tuple[str, str]
    """The two addresses, the one used now first."""
    at: datetime
    """When it was noticed."""


@dataclass(slots=True)
class _Use:
    since: datetime
    last: datetime


class ConcurrentUses:
    """Notices an account used on two machines at once. No clock: every sighting says when.

    A laptop that moves from one address to another (A, then only B) is no concurrent use; A, B and A again within the
    window is. Sees what one worker sees; bounded, the accounts least recently seen are forgotten first.
    """

    def __init__(self, window: timedelta = timedelta(minutes=5), size: int = 20_000) -> None:
        """`window` is how near in time two uses count as at once; `size` the number of accounts watched."""
        self._window = window
        self._size = size
        self._accounts: OrderedDict[str, dict[str, _Use]] = OrderedDict()
        self._told: dict[str, datetime] = {}

    def used(self, name: str, address: str, at: datetime, *, shared: bool) -> ConcurrentUse | None:
        """Note a use of `name` at `address`; a value the first time in a window that two machines overlap."""
        if shared:
            return None
        uses = {place: use for place, use in self._accounts.get(name, {}).items() if at - use.last <= self._window}
        here = uses.setdefault(address, _Use(at, at))
        here.last = max(here.last, at)
        self._keep(name, uses)
        other = next((place for place, use in uses.items() if place != address and use.last > here.since), None)
        if other is None or at - self._told.get(name, at - 2 * self._window) <= self._window:
            return None
        self._told[name] = at
        return ConcurrentUse(name, (address, other), at)

    def _keep(self, name: str, uses: dict[str, _Use]) -> None:
        self._accounts[name] = uses
        self._accounts.move_to_end(name)
        if len(self._accounts) > self._size:
            forgotten, _ = self._accounts.popitem(last=False)
            self._told.pop(forgotten, None)
