"""Making roll-ups in PostgreSQL: an hour is summed anew, by the server, whenever its mark has moved.

In come a database and the clock; out go lines of roll-ups. The rules are those of `logstore.rolling`; and of several
gateways one makes them at a time, while the others leave it alone. Whoever sums an hour, and whoever removes a day's
sums, holds a lock, so that none are made again behind the back of their removal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    union,
)

from logstore.calendar import kept_from
from logstore.dayview import requests
from logstore.db import reading
from logstore.ids import id_range
from logstore.marks import HOUR_US, forget_marks, marks
from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.db import open_engine
from logstore.postgres.rollups import ROLLUPS, TABLES, bucket, number_of, scope, summed
from logstore.prunereport import Cleaned, Cleaner
from logstore.rolling import SUMS, Pace, Rolled, day_is_over, marks_of_days
from logstore.rollups import Grain
from logstore.schema import day_file, dim_client, log, time_us
from logstore.source import ids_of

SECONDS = 3600.0
"""Longest time one statement may take: an hour of a large trust is some ten million rows."""
_NONE = "\1"
"""Stands for no site and no band where they are compared."""


class TableRoller:
    """Keeps the roll-ups of a database up with its rows."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`now` is aware."""
        self._database = database
        self._now = now
        self._pace = Pace(now)

    def stale(self) -> list[tuple[str, int]]:
        """Days and hours whose rows have changed since they were summed; newest first."""
        with reading(self._database) as catalog:
            have, wanted = summed(catalog), marks(catalog)
        found = [
            (day, hour)
            for day, hours in wanted.items()
            for hour, mark in hours.items()
            if have.get(day, {}).get(("hour", hour), (None,))[0] != mark
        ]
        return sorted(found, key=lambda one: (one[1], one[0]), reverse=True)

    def catch_up(self) -> Iterator[Rolled]:
        """Sum everything that is stale, newest first; between two steps it can be left. Nothing when another does."""
        engine = open_engine(self._database, seconds=SECONDS, role="schoolgate roll-ups")
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as turn:
                if not turn.exec_driver_sql(f"SELECT pg_try_advisory_lock({locks.ROUND})").scalar():
                    return
                stale = self.stale()
                self._pace.keep({hour for _, hour in stale})
                for day, hour in stale:
                    if not self._pace.rests(hour) and (rolled := self._roll(engine, day, hour)) is not None:
                        yield rolled
                for day, number, mark in self._changed_days():
                    if (rolled := self._roll_day(engine, day, number, mark)) is not None:
                        yield rolled
        finally:
            engine.dispose()

    def _roll(self, engine: Engine, day: str, hour: int) -> Rolled | None:
        """Sum one hour; None when its day has been removed."""
        begin = time.monotonic()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.ROLLING})")
            mark = marks(connection, day, day).get(day, {}).get(hour)
            wide = select(day_file.c.early_us, day_file.c.late_us)
            book = connection.execute(wide.where(day_file.c.day == day, day_file.c.state == "open")).first()
            if mark is None or book is None:
                return None
            rows = _sum_hour(connection, day, hour, book.early_us, book.late_us)
            self._note(connection, day, "hour", hour, mark)
        self._pace.took(hour, time.monotonic() - begin)
        return Rolled(day, "hour", hour, rows, time.monotonic() - begin)

    def _changed_days(self) -> list[tuple[str, int, int]]:
        """Days that are over, all of whose hours are summed, and that have changed since they were; newest first."""
        with reading(self._database) as catalog:
            have, wanted = summed(catalog), marks(catalog)
        found = []
        for day, hours in wanted.items():
            known = have.get(day, {})
            if day_is_over(day, self._now()) and all(
                known.get(("hour", hour), (None,))[0] == mark for hour, mark in hours.items()
            ):
                days = marks_of_days(hours).items()
                found += [(day, one, mark) for one, mark in days if known.get(("day", one), (None,))[0] != mark]
        return sorted(found, reverse=True)

    def _roll_day(self, engine: Engine, day: str, number: int, mark: int) -> Rolled | None:
        """Sum the hours of a day whose marks came to `mark`; None when they do not any more."""
        begin = time.monotonic()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.ROLLING})")
            of_it = bucket.c.start.between(number * 24, number * 24 + 23)
            total = select(func.sum(bucket.c.marks)).where(bucket.c.file_day == number_of(day), of_it)
            if connection.execute(total.where(bucket.c.grain == "hour")).scalar() != mark:
                return None
            rows = _sum_day(connection, number_of(day), number)
            self._note(connection, day, "day", number, mark)
        return Rolled(day, "day", number, rows, time.monotonic() - begin)

    def _note(self, connection: Connection, day: str, grain: Grain, start: int, mark: int) -> None:
        of_it = {"file_day": number_of(day), "grain": grain, "start": start}
        connection.execute(delete(bucket).where(*(bucket.c[name] == value for name, value in of_it.items())))
        computed = int(self._now().timestamp() * 1_000_000)
        connection.execute(insert(bucket).values(**of_it, marks=mark, computed_us=computed))


def rollup_cleaner(database: Database) -> Cleaner:
    """For retention: removes the roll-ups of days that went."""

    def rollups(limit: datetime, dry_run: bool) -> Cleaned:
        before = kept_from(limit).isoformat()
        due = bucket.c.file_day < number_of(before)
        if dry_run:
            with reading(database) as catalog:
                return Cleaned("roll-ups", int(catalog.execute(_days_of(due)).scalar_one()))
        engine = open_engine(database, seconds=SECONDS, role="schoolgate retention")
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.ROLLING})")
                found = int(connection.execute(_days_of(due)).scalar_one())
                for table in TABLES:
                    connection.execute(delete(table).where(table.c.file_day < number_of(before)))
                forget_marks(connection, before)
        finally:
            engine.dispose()
        return Cleaned("roll-ups", found)

    return rollups


def _days_of(due: Any) -> Select[Any]:
    return select(func.count(bucket.c.file_day.distinct())).where(due)


def _sum_hour(connection: Connection, day: str, hour: int, early: int, late: int) -> int:
    """Put one hour's sums in place of those there were; how many rows they are of."""
    number = number_of(day)
    for one in ROLLUPS.values():
        connection.execute(delete(one.hours).where(one.hours.c.file_day == number, one.hours.c.hour == hour))
    within = _hour_of(day, hour, early, late)
    person, kind, host = (ROLLUPS[name] for name in ("person", "kind", "host"))
    # The smallest is made of the largest: rows are read twice, not three times.
    alike = _alike(person.columns, within).subquery()
    connection.execute(_insert(person.hours, person.columns, (number, hour), select(alike)))
    alike = select(person.hours).where(person.hours.c.file_day == number, person.hours.c.hour == hour).subquery()
    connection.execute(_insert(kind.hours, kind.columns, (number, hour), select(alike)))
    connection.execute(_new_scopes())
    alike = _alike(("host_id", "client_id", "verdict_id"), within).subquery()
    scoped = _scopes().subquery()
    source = (
        select(alike, func.coalesce(scoped.c.scope_id, _nowhere()).label("scope_id"))
        .select_from(alike)
        .join(scoped, scoped.c.client_id == alike.c.client_id, isouter=True)
    )
    connection.execute(_insert(host.hours, host.columns, (number, hour), source))
    counted = select(func.coalesce(func.sum(kind.hours.c.rows), 0))
    rows = connection.execute(counted.where(kind.hours.c.file_day == number, kind.hours.c.hour == hour)).scalar_one()
    return int(rows)


def _sum_day(connection: Connection, file_day: int, day: int) -> int:
    """Put one day's sums in place of those there were; how many rows they are of."""
    for one in ROLLUPS.values():
        hours, days = one.hours.c, one.days.c
        connection.execute(delete(one.days).where(days.file_day == file_day, days.day == day))
        within = select(one.hours).where(hours.file_day == file_day, hours.hour.between(day * 24, day * 24 + 23))
        connection.execute(_insert(one.days, one.columns, (file_day, day), within))
    days = ROLLUPS["kind"].days.c
    total = select(func.coalesce(func.sum(days.rows), 0)).where(days.file_day == file_day, days.day == day)
    return int(connection.execute(total).scalar_one())


def _hour_of(day: str, hour: int, early: int, late: int) -> Any:
    """Rows of a day's partition whose time lies in an hour."""
    begin, end = hour * HOUR_US, (hour + 1) * HOUR_US
    (first, past), (low, high) = id_range(begin - late, end + early), ids_of(day)
    moment = time_us(log)
    return and_(log.c.id >= max(first, low), log.c.id < min(past, high), moment >= begin, moment < end)


def _alike(names: tuple[str, ...], within: Any) -> Select[Any]:
    """Rows that are alike in some columns and in being blocked, added up; 0 stands for none."""
    alike = [*(func.coalesce(log.c[name], 0).label(name) for name in names), log.c.blocked]
    sums = [
        requests(log.c.repeats).label("rows"),
        func.sum(log.c.bytes_up).label("bytes_up"),
        func.sum(log.c.bytes_down).label("bytes_down"),
    ]
    return select(*alike, *sums).where(within).group_by(*alike)


def _insert(target: Table, names: tuple[str, ...], start: tuple[int, int], source: Select[Any]) -> Any:
    """Add the sums of the lines of `source` that are alike in `names`, as the hour or the day `start`."""
    lines = source.subquery()
    grain = "hour" if "hour" in target.c else "day"
    alike = [*(lines.c[name] for name in names), lines.c.blocked]
    summed_up = select(
        *alike, literal(start[0]), literal(start[1]), *(func.sum(lines.c[name]) for name in SUMS)
    ).group_by(*alike)
    return insert(target).from_select([*names, "blocked", "file_day", grain, *SUMS], summed_up)


def _new_scopes() -> Any:
    """Number the sites with bands that are new, and once that of nobody."""
    client = dim_client.c
    there = select(scope.c.id)
    known = there.where(_same(scope.c.site, client.site), _same(scope.c.band, client.band)).exists()
    nowhere = there.where(scope.c.site.is_(None), scope.c.band.is_(None)).exists()
    found = union(select(client.site, client.band).where(~known), select(null(), null()).where(~nowhere))
    return insert(scope).from_select(["site", "band"], found)


def _scopes() -> Select[Any]:
    """The scope of each client."""
    client = dim_client.c
    same = and_(_same(scope.c.site, client.site), _same(scope.c.band, client.band))
    return select(client.id.label("client_id"), scope.c.id.label("scope_id")).select_from(dim_client.join(scope, same))


def _nowhere() -> Any:
    nowhere = select(scope.c.id).where(scope.c.site.is_(None), scope.c.band.is_(None))
    return nowhere.scalar_subquery()


def _same(one: Any, other: Any) -> Any:
    """Whether two texts are the same, none being one of them: in words a join can hash."""
    return func.coalesce(one, _NONE) == func.coalesce(other, _NONE)
