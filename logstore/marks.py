"""Which hours of the record have rows, and how often each has changed.

In come batches as they are stored; out go marks: for each UTC day (that of the record ids, as in the files' names) and
each hour a number that grows whenever rows of it are stored. The rule: an hour is marked in the transaction that writes
the place in the spool, also when the rows were there already, so that no crash leaves a changed hour unmarked. Whoever
keeps sums of an hour keeps its mark beside them, and knows by it whether they still hold.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select, text

from logstore.schema import log_hour
from logstore.unread import Row

HOUR_US = 3_600_000_000
"""An hour in microseconds; hours are counted from the Unix epoch."""
_MARK = text(
    "INSERT INTO log_hour (day, hour, marks) VALUES (:day, :hour, 1) "
    "ON CONFLICT (day, hour) DO UPDATE SET marks = log_hour.marks + 1"
)

type Hour = tuple[str, int]


def hours_of(day: str, rows: Iterable[Row]) -> set[Hour]:
    """The hours that rows of one UTC day lie in, by their own time."""
    return {(day, hour) for hour in {record.time_us // HOUR_US for record, _ in rows}}


def mark_hours(catalog: Connection, hours: Iterable[Hour]) -> None:
    """Say that these have changed; in a fixed order, so that two writers never wait for each other in a circle."""
    if values := [{"day": day, "hour": hour} for day, hour in sorted(hours)]:
        catalog.execute(_MARK, values)


def marks(catalog: Connection, first_day: str = "", last_day: str = "9999-12-31") -> dict[str, dict[int, int]]:
    """The mark of each hour of each day, days in order."""
    found: dict[str, dict[int, int]] = {}
    wanted = select(log_hour).where(log_hour.c.day >= first_day, log_hour.c.day <= last_day).order_by(log_hour.c.day)
    for row in catalog.execute(wanted):
        found.setdefault(row.day, {})[row.hour] = row.marks
    return found


def forget_marks(catalog: Connection, before: str) -> int:
    """Remove the marks of days before one; says how many."""
    return catalog.execute(delete(log_hour).where(log_hour.c.day < before)).rowcount
