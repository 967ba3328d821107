"""Making roll-ups: an hour is summed anew from its rows whenever its mark has moved.

In come the store's folder and the clock; out go files of roll-ups. The rules: sums are never added to, always made
anew, so that doing it twice, late rows and a kill in the middle change nothing; the mark is read before the rows, so
that rows that come meanwhile make the sums stale, never wrong; an hour's sums and its mark are one transaction.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer, MetaData, Select, Table, delete, func, insert, literal, select
from sqlalchemy.exc import DatabaseError, OperationalError

from logstore.calendar import is_due, kept_from
from logstore.dayview import columns_of, requests
from logstore.db import attached, days_folder, open_catalog, reading
from logstore.ids import id_range
from logstore.marks import HOUR_US, forget_marks, marks
from logstore.place import Beside, ClickHouse, Database, Where
from logstore.prunereport import Cleaned, Cleaner, Stayed
from logstore.rollups import (
    ROLLUPS,
    Grain,
    bucket,
    buckets,
    remove,
    rolling_lock,
    rollup_path,
    rollups_folder,
    scope,
    transaction,
    writing,
)
from logstore.schema import attached_log, day_file, dim_client, time_us

if TYPE_CHECKING:
    from logstore.postgres.rolling import TableRoller

SHARE = 0.005
"""Part of the time that may go into summing the hour that is not over yet, again and again."""
SUMS = ("rows", "bytes_up", "bytes_down")
"""What is added up."""
_HOURS = 24

_temporary = MetaData()


def _base(name: str, *alike: str) -> Table:
    """One hour's rows, those alike in some columns together."""
    columns = (Column(column, Integer) for column in (*alike, "blocked", *SUMS))
    return Table(f"base_{name}", _temporary, *columns, prefixes=["TEMPORARY"])


_BASES = (
    _base("person", "user_id", "device_id", "address_id", "client_id", "verdict_id"),
    _base("host", "host_id", "client_id", "verdict_id"),
)
"""What roll-ups are made of: the rows are read once for each. One for both would hardly be shorter than the rows."""
_scoped = Table(
    "scoped",
    _temporary,
    Column("client_id", Integer, primary_key=True),
    Column("scope_id", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Site and band of each client."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """An hour or a day that was summed."""

    day: str
    """UTC day of the file."""
    grain: Grain
    """What was summed."""
    start: int
    """Which one: hours or days since the Unix epoch."""
    rows: int
    """Rows in the sums."""
    seconds: float
    """How long it took."""


class Pace:
    """How often the hour that is not over is summed: when that takes a `SHARE` of the time since."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is aware."""
        self._now = now
        self._cost: dict[int, tuple[float, float]] = {}

    def keep(self, hours: Set[int]) -> None:
        """Only these are still asked for."""
        self._cost = {hour: cost for hour, cost in self._cost.items() if hour in hours}

    def took(self, hour: int, seconds: float) -> None:
        """An hour was summed just now."""
        self._cost[hour] = time.monotonic(), seconds

    def rests(self, hour: int) -> bool:
        """Whether the hour is not over and was summed only just now, for what that costs."""
        at, seconds = self._cost.get(hour, (0.0, 0.0))
        over = (hour + 1) * HOUR_US <= self._now().timestamp() * 1_000_000
        return not over and time.monotonic() - at < seconds / SHARE


class Roller:
    """Keeps the roll-ups of a store up with its rows. Several take turns."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`now` is aware."""
        self._folder = folder
        self._now = now
        self._known: dict[str, dict[int, int]] = {}
        self._over: dict[str, int] = {}
        self._pace = Pace(now)

    def stale(self) -> list[tuple[str, int]]:
        """Days and hours whose rows have changed since they were summed; newest first."""
        with reading(self._folder) as catalog:
            wanted = marks(catalog)
        self._known = {day: known for day, known in self._known.items() if day in wanted}
        found: list[tuple[str, int]] = []
        for day, hours in wanted.items():
            if day not in self._known or not rollup_path(self._folder, day).exists():
                self._known[day] = buckets(rollup_path(self._folder, day), "hour")
            known = self._known[day]
            found += [(day, hour) for hour, mark in hours.items() if known.get(hour) != mark]
        return sorted(found, key=lambda one: (one[1], one[0]), reverse=True)

    def catch_up(self) -> Iterator[Rolled]:
        """Sum everything that is stale, newest first; between two steps it can be left.

        The hour that is not over changes all the time: it is summed again when that takes a `SHARE` of the time since.
        """
        stale = self.stale()
        self._pace.keep({hour for _, hour in stale})
        for day, hour in stale:
            if not self._pace.rests(hour) and (rolled := self.roll(day, hour)) is not None:
                yield rolled
        for day in sorted(self._known, reverse=True):
            if (rolled := self.roll_day(day)) is not None:
                yield rolled

    def roll(self, day: str, hour: int) -> Rolled | None:
        """Sum one hour; None when its day has been removed."""
        begin = time.monotonic()
        with rolling_lock(self._folder):
            with reading(self._folder) as catalog:
                mark = marks(catalog, day, day).get(day, {}).get(hour)
                parts = _parts(catalog, day)
                clients = catalog.execute(select(dim_client.c.id, dim_client.c.site, dim_client.c.band)).all()
            if mark is None or not parts:
                return None
            with self._writing(day) as connection:
                _temporary.create_all(connection)
                for file, early, late in parts:
                    path = days_folder(self._folder) / file
                    if path.exists():  # else retention is at work, and the roll-ups go next
                        with attached(connection, path):
                            _gather(connection, hour, early, late)
                with transaction(connection):
                    _learn_scopes(connection, {row.id: (row.site, row.band) for row in clients})
                    rows = _sum_hour(connection, hour)
                    self._note(connection, "hour", hour, mark)
            self._known.setdefault(day, {})[hour] = mark
        self._pace.took(hour, time.monotonic() - begin)
        return Rolled(day, "hour", hour, rows, time.monotonic() - begin)

    def roll_day(self, day: str) -> Rolled | None:
        """Sum the hours of a day that is over; None when one of them is stale or nothing has changed."""
        begin = time.monotonic()
        known = self._known.get(day, {})
        if not day_is_over(day, self._now()) or self._over.get(day) == sum(known.values()):
            return None
        with rolling_lock(self._folder):
            with reading(self._folder) as catalog:
                hours = marks(catalog, day, day).get(day, {})
            path = rollup_path(self._folder, day)
            if not hours or hours != buckets(path, "hour"):
                return None
            changed = dict(marks_of_days(hours).items() - buckets(path, "day").items())
            rows = 0
            if changed:
                with self._writing(day) as connection, transaction(connection):
                    for number, mark in sorted(changed.items()):
                        rows += _sum_day(connection, number)
                        self._note(connection, "day", number, mark)
            self._over[day] = sum(hours.values())
        return Rolled(day, "day", max(changed), rows, time.monotonic() - begin) if changed else None

    @contextlib.contextmanager
    def _writing(self, day: str) -> Iterator[Connection]:
        """The day's file; one that turns out to be damaged is thrown away and made anew at the next try."""
        try:
            with writing(self._folder, day) as connection:
                yield connection
        except DatabaseError as error:
            if not isinstance(error, OperationalError):
                remove(rollup_path(self._folder, day))
                self._known.pop(day, None)
            raise

    def _note(self, connection: Connection, grain: Grain, start: int, mark: int) -> None:
        connection.execute(delete(bucket).where(bucket.c.grain == grain, bucket.c.start == start))
        computed = int(self._now().timestamp() * 1_000_000)
        connection.execute(insert(bucket).values(grain=grain, start=start, marks=mark, computed_us=computed))


def day_is_over(day: str, now: datetime) -> bool:
    """Whether a UTC day has ended; `now` is aware."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), UTC) <= now


def marks_of_days(hours: dict[int, int]) -> dict[int, int]:
    """The mark of a day: its hours' marks together, which grows when one of them does."""
    days: dict[int, int] = {}
    for hour, mark in hours.items():
        days[hour // _HOURS] = days.get(hour // _HOURS, 0) + mark
    return days


def roller(where: Beside, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Roller | TableRoller:
    """Whoever keeps the roll-ups of a record up. `now` is aware."""
    if isinstance(where, Database):
        from logstore.postgres.rolling import TableRoller

        return TableRoller(where, now)
    return Roller(where, now)


def rollup_cleaner(where: Where) -> Cleaner:
    """For retention: removes the roll-ups of days that went; rows in ClickHouse have none, only marks of hours."""
    if isinstance(where, ClickHouse):
        return lambda _limit, _dry_run: Cleaned("roll-ups", 0)
    if isinstance(where, Database):
        from logstore.postgres.rolling import rollup_cleaner as cleaner_there

        return cleaner_there(where)
    folder = where

    def rollups(limit: datetime, dry_run: bool) -> Cleaned:
        if not rollups_folder(folder).is_dir():
            return Cleaned("roll-ups", 0)
        with rolling_lock(folder):
            names = {path.name.partition(".")[0] for path in rollups_folder(folder).glob("[0-9]*.db*")}
            days = {name: day for name in sorted(names) if (day := _day_named(name)) is not None}
            due = [name for name, day in days.items() if is_due(day, limit)]
            if not dry_run:
                for name in due:
                    remove(rollup_path(folder, name))
                engine = open_catalog(folder)
                with engine.begin() as catalog:
                    forget_marks(catalog, kept_from(limit).isoformat())
                engine.dispose()
        odd = "is not called like a day; roll-ups are made anew, so it can be deleted"
        return Cleaned("roll-ups", len(due), tuple(Stayed(name, odd) for name in sorted(names - days.keys())))

    return rollups


def _day_named(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _parts(catalog: Connection, day: str) -> list[tuple[str, int, int]]:
    """The files of a day, and how far times lie before and after their ids."""
    wanted = select(day_file.c.file, day_file.c.early_us, day_file.c.late_us).where(
        day_file.c.day == day, day_file.c.state.in_(("open", "sealed"))
    )
    return [(row.file, row.early_us, row.late_us) for row in catalog.execute(wanted)]


def _gather(connection: Connection, hour: int, early: int, late: int) -> None:
    """Add the attached file's rows of an hour to the bases."""
    begin, end = hour * HOUR_US, (hour + 1) * HOUR_US
    first, past = id_range(begin - late, end + early)
    columns, moment = attached_log.c, time_us(attached_log)
    sums = [requests(columns_of(connection)["repeats"]), func.sum(columns.bytes_up), func.sum(columns.bytes_down)]
    for base in _BASES:
        names = [column.name for column in base.c if column.name not in SUMS]
        alike: list[Any] = [columns[name] if name == "blocked" else func.coalesce(columns[name], 0) for name in names]
        rows = (
            select(*alike, *sums)
            .with_hint(attached_log, "NOT INDEXED", "sqlite")
            .where(columns.id >= first, columns.id < past, moment >= begin, moment < end)
            .group_by(*alike)
        )
        connection.execute(insert(base).from_select([*names, *SUMS], rows))


def _learn_scopes(connection: Connection, clients: dict[int, tuple[str | None, str | None]]) -> None:
    """Number the sites and bands of the base's clients."""
    known = {(row.site, row.band): row.id for row in connection.execute(select(scope))}
    found = []
    for client in connection.execute(select(_BASES[1].c.client_id).distinct()).scalars().all():
        place = clients.get(client, (None, None))
        if place not in known:
            known[place] = max(known.values(), default=0) + 1
            connection.execute(insert(scope).values(id=known[place], site=place[0], band=place[1]))
        found.append({"client_id": client, "scope_id": known[place]})
    if found:
        connection.execute(insert(_scoped), found)


def _sum_hour(connection: Connection, hour: int) -> int:
    """Put one hour's sums in place of those there were."""
    for rollup in ROLLUPS:
        base = next(base for base in _BASES if {*rollup.columns} - {"scope_id"} <= {*base.c.keys()})
        source = base.join(_scoped, _scoped.c.client_id == base.c.client_id) if "scope_id" in rollup.columns else base
        columns = [(_scoped if name == "scope_id" else base).c[name] for name in rollup.columns]
        connection.execute(delete(rollup.hours).where(rollup.hours.c.hour == hour))
        _insert(connection, rollup.hours, rollup.columns, hour, select(*columns).select_from(source), base)
    return int(connection.execute(select(func.coalesce(func.sum(_BASES[0].c.rows), 0))).scalar_one())


def _sum_day(connection: Connection, day: int) -> int:
    """Put one day's sums in place of those there were."""
    for rollup in ROLLUPS:
        hours = rollup.hours
        columns = [hours.c[name] for name in rollup.columns]
        within = select(*columns).where(hours.c.hour.between(day * _HOURS, day * _HOURS + _HOURS - 1))
        connection.execute(delete(rollup.days).where(rollup.days.c.day == day))
        _insert(connection, rollup.days, rollup.columns, day, within, hours)
    days = ROLLUPS[0].days
    return int(
        connection.execute(select(func.coalesce(func.sum(days.c.rows), 0)).where(days.c.day == day)).scalar_one()
    )


def _insert(
    connection: Connection, target: Table, names: tuple[str, ...], start: int, alike: Select[Any], source: Table
) -> None:
    """Add the sums of `source`'s lines that are `alike`, as the hour or day `start`, in the order they lie on disk."""
    columns = dict(zip(names, alike.selected_columns, strict=True))
    grain = "hour" if "hour" in target.c else "day"
    lead = [columns[column.name] for column in target.primary_key.columns if column.name in columns]
    sums = [func.sum(source.c[name]) for name in SUMS]
    summed = alike.add_columns(literal(start), source.c.blocked, *sums).group_by(*lead, source.c.blocked)
    connection.execute(insert(target).from_select([*names, grain, "blocked", *SUMS], summed.order_by(*lead)))
