"""Reading roll-ups: which hours of a day can be told from them, and what they say.

In come a `Selection` and the marks of a day's hours; out go sums as rows would give them, and the hours that are left
for the rows. The rule: an hour is told from its roll-up when it lies whole in the time asked for and its mark has not
moved since; then the answer is the one the rows would give.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Table, case, cast, func, literal_column, select
from sqlalchemy.exc import DatabaseError

from logstore.db import attached, reading_file
from logstore.dialects import holds, one_of, unindexed
from logstore.filter import Selection
from logstore.marks import HOUR_US
from logstore.place import ClickHouse, Database, Where
from logstore.rolling import marks_of_days
from logstore.rollups import ROLLUPS, Rollup, bucket, rollup_path, scope, usable

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
WHILE_US = 20 * 60_000_000
"""So long the sums of the hour that is not over are taken for its rows, where that is allowed: they are made anew
every few minutes."""

type Sums = tuple[int, int, int, int]
"""Rows, blocked rows, bytes up, bytes down."""
type Group = tuple[tuple[Any, ...], Sums]
type Named = tuple[Table, str]
"""A dimension of the catalog, and its column that is the name."""
type Have = Mapping[tuple[str, int], tuple[int, int]]
"""What is summed of a day: by grain and start, the marks it had then and when it was made, microseconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One day, and where each of its hours is told from."""

    day: str
    """UTC day of the files."""
    days: frozenset[int] = frozenset()
    """Days (since the epoch) told whole from the roll-up by day."""
    day_hours: frozenset[int] = frozenset()
    """Their hours (since the epoch)."""
    hours: frozenset[int] = frozenset()
    """Other hours told from the roll-up by hour."""
    rows: frozenset[int] = frozenset()
    """Hours told from the rows."""
    behind: int = 0
    """Of the hours told from roll-ups, those whose rows have changed since."""
    computed_us: int | None = None
    """When the oldest of the sums was made, microseconds since the epoch; None without sums."""
    told: frozenset[tuple[str, int, int, int]] = frozenset()
    """What it is told from: grain, start, mark, and when the sums were made (0 for rows). Plans that are equal here
    tell the same."""

    def windows(self) -> Iterator[tuple[int, int]]:
        """The hours told from the rows, neighbours together: begin and end, microseconds since the epoch."""
        begin = end = None
        for hour in sorted(self.rows):
            if begin is not None and hour == end:
                end = hour + 1
                continue
            if begin is not None and end is not None:
                yield begin * HOUR_US, end * HOUR_US
            begin, end = hour, hour + 1
        if begin is not None and end is not None:
            yield begin * HOUR_US, end * HOUR_US


class Sources(Protocol):
    """Where roll-ups are: files of a folder, or tables of a database."""

    def have(self, days: Sequence[str]) -> Mapping[str, Have]:
        """What is summed of each of some days."""

    def grouped(
        self, rollup: Rollup, selection: Selection, by: tuple[str, ...], plan: Plan, named: Named | None = None
    ) -> Iterator[Group]:
        """The sums of a day's hours that are told from roll-ups: for each group its keys (None for none) and sums.

        `named`: by the names that the one number of `by` stands for, not by the number.
        """


class RollupFiles:
    """The roll-ups beside day files."""

    def __init__(self, folder: Path, catalog: Connection) -> None:
        """`folder`: the store's; `catalog`: a reading connection on its catalog."""
        self._folder = folder
        self._catalog = catalog

    def have(self, days: Sequence[str]) -> Mapping[str, Have]:
        """What is summed of each of some days; nothing of one whose file cannot be read."""
        found: dict[str, Have] = {}
        for day in days:
            path = rollup_path(self._folder, day)
            if usable(path):
                with contextlib.suppress(DatabaseError), reading_file(path) as connection:
                    lines = connection.execute(select(bucket)).all()
                    found[day] = {(row.grain, row.start): (row.marks, row.computed_us) for row in lines}
        return found

    def grouped(
        self, rollup: Rollup, selection: Selection, by: tuple[str, ...], plan: Plan, named: Named | None = None
    ) -> Iterator[Group]:
        """The sums of a day's hours that are told from roll-ups."""
        path = rollup_path(self._folder, plan.day)
        if not (plan.hours or plan.day_hours) or not path.exists():
            return
        if named is not None:  # names are in the catalog, so both are read together
            with attached(self._catalog, path):
                yield from list(read_sums(self._catalog, rollup, scope, selection, by, plan, named=named))
            return
        with reading_file(path) as connection:
            yield from read_sums(connection, rollup, scope, selection, by, plan)


def rollups_of(where: Where, catalog: Connection) -> Sources | None:
    """The roll-ups of a record that is open for reading; None where there are none."""
    if isinstance(where, Database):
        from logstore.postgres.rollups import RollupTables

        return RollupTables(catalog)
    return None if isinstance(where, ClickHouse) else RollupFiles(where, catalog)


def plan_day(day: str, hours: Mapping[int, int], have: Have, selection: Selection, *, exact: bool) -> Plan:
    """Where each hour of a day is told from; `hours` are its marks. Not `exact`: from roll-ups that are behind too, and
    the hour that is not over from sums that were made a `WHILE` before the end of the time asked for, or less."""
    since, until = selection.bounds()
    wanted = {
        hour: mark
        for hour, mark in hours.items()
        if (since is None or (hour + 1) * HOUR_US > since) and (until is None or hour * HOUR_US < until)
    }
    fresh, behind = set(), set()
    for hour, mark in wanted.items():
        if ("hour", hour) not in have or (since is not None and hour * HOUR_US < since):
            continue
        known, computed = have["hour", hour]
        if until is None or (hour + 1) * HOUR_US <= until:
            if known == mark:
                fresh.add(hour)
            elif not exact:
                behind.add(hour)
        elif not exact and hour * HOUR_US < computed <= until <= computed + WHILE_US:
            behind.add(hour)  # no row was stored before its time, so the sums hold none that is not asked for
    days = {
        number
        for number, mark in marks_of_days(dict(hours)).items()
        if have.get(("day", number), (None, 0))[0] == mark and {h for h in hours if h // 24 == number} <= fresh
    }
    day_hours = {hour for hour in fresh if hour // 24 in days}
    rows = wanted.keys() - fresh - behind
    told = {("day", number, *have["day", number]) for number in days}
    told |= {("hour", hour, *have["hour", hour]) for hour in (fresh | behind) - day_hours}
    return Plan(
        day,
        frozenset(days),
        frozenset(day_hours),
        frozenset((fresh | behind) - day_hours),
        frozenset(rows),
        len(behind),
        min((computed for *_, computed in told), default=None),
        frozenset(told | {("rows", hour, wanted[hour], 0) for hour in rows}),
    )


def serving(selection: Selection, by: tuple[str, ...]) -> Rollup | None:
    """The smallest roll-up that knows everything asked for; None when only rows do."""
    wanted = selection.wanted
    if any(value is not None for value in (wanted.terms, wanted.title, wanted.text, wanted.id)) or wanted.without:
        return None
    for name in by:
        if name.startswith("step:") and int(name.partition(":")[2]) % _HOUR_MS:
            return None
    needed = {*selection.points, *selection.sets, *(name for name in by if not name.startswith("step:"))}
    for rollup in ROLLUPS:
        known = {*rollup.columns, "client_id"} if _scoped(rollup, selection, by) else set(rollup.columns)
        if needed <= known:
            return rollup
    return None


def read_sums(
    connection: Connection, rollup: Rollup, scopes: Table, selection: Selection, by: tuple[str, ...], plan: Plan,
    file_day: int | None = None, named: Named | None = None,
) -> Iterator[Group]:  # fmt: skip
    """The sums of a day's hours that are told from roll-ups: for each group its keys (None for none) and sums.

    `scopes`: what `scope_id` points into. `file_day`: which day's lines, where tables hold more than one. `named`: what
    the one number of `by` is told as.
    """
    steps = [int(name.partition(":")[2]) for name in by if name.startswith("step:")]
    by_day = all(width == _DAY_MS for width in steps)
    hours = plan.hours if by_day else plan.hours | plan.day_hours
    if hours:
        yield from _read(connection, rollup, rollup.hours, scopes, "hour", hours, selection, by, file_day, named)
    if plan.days and by_day:
        yield from _read(connection, rollup, rollup.days, scopes, "day", plan.days, selection, by, file_day, named)


def _read(
    connection: Connection,
    rollup: Rollup,
    table: Table,
    scopes: Table,
    grain: str,
    starts: frozenset[int],
    selection: Selection,
    by: tuple[str, ...],
    file_day: int | None,
    named: Named | None,
) -> Iterator[Group]:
    columns = table.c
    keys: list[ColumnElement[Any]] = []
    for name in by:
        if name.startswith("step:"):
            unit = _HOUR_MS if grain == "hour" else _DAY_MS
            width = literal_column(name.partition(":")[2], BigInteger)
            keys.append(cast(columns[grain], BigInteger) * literal_column(str(unit), BigInteger) // width)
        else:
            keys.append(columns[name])
    made = [columns[name] == value for name, value in selection.points.items()]
    for name, ids in selection.sets.items():
        if name == "client_id" and _scoped(rollup, selection, by):
            made.append(columns.scope_id.in_(_scopes(scopes, selection)))
        else:
            made.append(one_of(columns[name], ids))
    if (blocked := selection.wanted.blocked) is not None:
        made.append(holds(columns.blocked, blocked))
    if file_day is not None:
        made.append(columns.file_day == file_day)
    # So that SQLite keeps to the order on disk where a user or a host is asked for.
    made.append(one_of(unindexed(columns[grain]), sorted(starts)))
    sums = [
        func.sum(columns.rows),
        func.sum(case((holds(columns.blocked), columns.rows), else_=0)),
        func.sum(columns.bytes_up),
        func.sum(columns.bytes_down),
    ]
    wanted = select(*keys, *sums).where(*made)
    wanted = wanted.group_by(*keys) if keys else wanted
    if named is not None:
        wanted = _named(wanted, *named)
    stepped = [name.startswith("step:") for name in by]
    for row in connection.execute(wanted):
        values, (rows, blocked, up, down) = row[: len(keys)], row[len(keys) :]
        if rows is not None:
            names = (value if step or named else value or None for value, step in zip(values, stepped, strict=True))
            yield tuple(names), (int(rows), int(blocked), int(up), int(down))


def _named(numbered: Select[Any], table: Table, name: str) -> Select[Any]:
    """Sums by what the numbers stand for. By number first: that is the order on disk, and there are fewer names."""
    inner = numbered.subquery()
    number, *sums = inner.columns
    source = inner.outerjoin(table, table.c.id == number)
    return select(table.c[name], *(func.sum(one) for one in sums)).select_from(source).group_by(table.c[name])


def _scoped(rollup: Rollup, selection: Selection, by: tuple[str, ...]) -> bool:
    """Whether site and band, which is all that is asked of the client, are told by `scope_id`."""
    return "scope_id" in rollup.columns and selection.wanted.group is None and "client_id" not in by


def _scopes(scope: Table, selection: Selection) -> Any:
    wanted = selection.wanted
    named = [scope.c[name] == value for name in ("site", "band") if (value := getattr(wanted, name)) is not None]
    return select(scope.c.id).where(*named)
