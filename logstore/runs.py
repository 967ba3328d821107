"""Events of a segment read together: many plain opens and closes as one piece of bytes.

In comes a segment that somebody opened, out goes a `Run`, or None where reading event by event is called for. The rule:
what is read here is what that would have read, so nothing is taken on trust: no kind is another's, and each event is as
long as SQLite says and has the number it would have without a hole.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from logstore.encoding import EventKind
from logstore.told import Ended, Opened, read_run
from logstore.unread import GROUPS, KINDS

_OPEN, _CLOSE = int(EventKind.OPEN), int(EventKind.CLOSE)
# One answer for many events: an object for each of their values costs more than to read it. The bytes stand as they
# are, for SQLite only puts them behind each other, in the order of the key.
_SELECT = (
    "SELECT count(*), sum(kind), sum((seq - ?1) * length(payload)), "
    "CAST(group_concat(payload, '') AS BLOB), (SELECT max(seq) FROM q) FROM q WHERE seq > ?1 AND seq <= ?1 + ?2"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Opens and closes that lie one behind the other."""

    first: int
    """Number of the first event."""
    told: list[Opened | Ended]
    """What each tells; none of them when the segment holds nothing further."""


def run_of(connection: sqlite3.Connection, after: int, limit: int) -> Run | None:
    """The events behind `after`, at most `limit`; None when they are not all plain. Raises `sqlite3.Error`."""
    ((events, kinds, weight, data, newest),) = connection.execute(_SELECT, (after, limit)).fetchall()
    if not events:
        return Run(after + 1, []) if newest is None or newest <= after else None
    if not isinstance(data, bytes) or not isinstance(weight, int):
        return None
    told = read_run(data, weight, GROUPS, KINDS)
    if told is None or len(told) != events:
        return None
    closes = sum(isinstance(one, Ended) for one in told)
    return Run(after + 1, told) if kinds == events * _OPEN + closes * (_CLOSE - _OPEN) else None
