"""Whether the clock is to be believed before rows are removed by it.

In come the catalog and the moment the clock says; out goes a doubt in words, or nothing. A clock that jumped far ahead
makes every row look too old, and the rows recorded after the jump agree with it; so the question is not how new the
newest row is, but whether there was life in between: a day with rows, or a run of retention. Pure but for reading.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, func, select

from logstore.schema import day_file, retention_run

FAR = timedelta(days=50)
"""Longest time without a row and without a run that is believed: longer than a summer holiday with the gateway off."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockDoubted(Exception):
    """Nothing was removed: the clock may be wrong. Says why, and what to do."""


def clock_doubt(catalog: Connection, now: datetime) -> str | None:
    """Why `now` (aware) is not believed; None when it is.

    Between the last finished run and now there may be no stretch longer than `FAR` without rows. Before the first run
    only the newest row counts, because a record may have been brought in from elsewhere.
    """
    if now.tzinfo is None:
        raise ValueError(f"now has no time zone: {now.isoformat()}; give an aware datetime")
    ran = _last_run(catalog, now)
    days = [_end(day) for day in _days(catalog) if (ran is None or _end(day) > ran) and _start(day) <= now]
    points = [*days[-1:], now] if ran is None else [ran, *days, now]
    for before, after in itertools.pairwise(points):
        if after - before > FAR:
            gap = (after - before).days
            return (
                f"the clock says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC, but between {before:%Y-%m-%d} and "
                f"{after:%Y-%m-%d} ({gap} days) there is no row and no run of retention; nothing is removed. If the "
                "clock is right: schoolgate db prune --clock-is-right"
            )
    return None


def ahead_of(catalog: Connection, now: datetime) -> tuple[date, ...]:
    """Days with rows that are yet to come: the clock was wrong when those rows were made."""
    return tuple(day for day in _days(catalog, kept=True) if _start(day) > now + timedelta(days=1))


def _last_run(catalog: Connection, now: datetime) -> datetime | None:
    finished = select(func.max(retention_run.c.started_us)).where(retention_run.c.finished_us.is_not(None))
    newest = catalog.execute(finished.where(retention_run.c.started_us <= (now - _EPOCH) // _US)).scalar()
    return None if newest is None else _EPOCH + newest * _US


def _days(catalog: Connection, *, kept: bool = False) -> list[date]:
    query = select(day_file.c.day).where(day_file.c.rows > 0).distinct()
    if kept:
        query = query.where(day_file.c.state != "dropped")
    return sorted(date.fromisoformat(day) for day in catalog.execute(query).scalars())


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(day: date) -> datetime:
    return _start(day) + timedelta(days=1)


_US = timedelta(microseconds=1)
