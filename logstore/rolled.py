"""Reading roll-ups: which hours of a day can be told from them, and what they say.

In come a `Selection` and the marks of a day's hours; out go sums as rows would give them, and the hours that are left
for the rows. The rule: an hour is told from its roll-up when it lies whole in the time asked for and its mark has not
moved since; then the answer is the one the rows would give.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Table, case, func, select, type_coerce
from sqlalchemy.exc import DatabaseError

from logstore.db import reading_file
from logstore.dialects import one_of
from logstore.filter import Selection
from logstore.marks import HOUR_US
from logstore.rolling import marks_of_days
from logstore.rollups import ROLLUPS, Rollup, bucket, rollup_path, scope, usable

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

type Sums = tuple[int, int, int, int]
"""Rows, blocked rows, bytes up, bytes down."""
type Group = tuple[tuple[Any, ...], Sums]


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


def plan_day(folder: Path, day: str, hours: Mapping[int, int], selection: Selection, *, exact: bool) -> Plan:
    """Where each hour of a day is told from; `hours` are its marks. Not `exact`: from roll-ups that are behind too."""
    since, until = selection.bounds()
    wanted = {
        hour: mark
        for hour, mark in hours.items()
        if (since is None or (hour + 1) * HOUR_US > since) and (until is None or hour * HOUR_US < until)
    }
    path = rollup_path(folder, day)
    have: dict[tuple[str, int], tuple[int, int]] = {}
    if wanted and usable(path):
        with contextlib.suppress(DatabaseError), reading_file(path) as connection:
            for row in connection.execute(select(bucket)):
                have[row.grain, row.start] = row.marks, row.computed_us
    fresh, behind = set(), set()
    for hour, mark in wanted.items():
        whole = (since is None or hour * HOUR_US >= since) and (until is None or (hour + 1) * HOUR_US <= until)
        if whole and ("hour", hour) in have:
            if have["hour", hour][0] == mark:
                fresh.add(hour)
            elif not exact:
                behind.add(hour)
    days = {
        number
        for number, mark in marks_of_days(dict(hours)).items()
        if have.get(("day", number), (None, 0))[0] == mark and {h for h in hours if h // 24 == number} <= fresh
    }
    day_hours = {hour for hour in fresh if hour // 24 in days}
    told = [have["day", number][1] for number in days]
    told += [have["hour", hour][1] for hour in (fresh | behind) - day_hours]
    return Plan(
        day,
        frozenset(days),
        frozenset(day_hours),
        frozenset((fresh | behind) - day_hours),
        frozenset(wanted.keys() - fresh - behind),
        len(behind),
        min(told, default=None),
    )


def serving(selection: Selection, by: tuple[str, ...]) -> Rollup | None:
    """The smallest roll-up that knows everything asked for; None when only rows do."""
    wanted = selection.wanted
    if any(value is not None for value in (wanted.terms, wanted.title, wanted.text, wanted.id)):
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


def grouped(folder: Path, rollup: Rollup, selection: Selection, by: tuple[str, ...], plan: Plan) -> Iterator[Group]:
    """The sums of a day's hours that are told from roll-ups: for each group its keys (None for none) and sums."""
    steps = [int(name.partition(":")[2]) for name in by if name.startswith("step:")]
    by_day = all(width == _DAY_MS for width in steps)
    hours = plan.hours if by_day else plan.hours | plan.day_hours
    path = rollup_path(folder, plan.day)
    if not (hours or plan.days) or not path.exists():
        return
    with reading_file(path) as connection:
        if hours:
            yield from _read(connection, rollup, rollup.hours, "hour", hours, selection, by)
        if plan.days and by_day:
            yield from _read(connection, rollup, rollup.days, "day", plan.days, selection, by)


def _read(
    connection: Connection,
    rollup: Rollup,
    table: Table,
    grain: str,
    starts: frozenset[int],
    selection: Selection,
    by: tuple[str, ...],
) -> Iterator[Group]:
    columns = table.c
    keys: list[ColumnElement[Any]] = []
    for name in by:
        if name.startswith("step:"):
            unit = _HOUR_MS if grain == "hour" else _DAY_MS
            keys.append(columns[grain] * unit // int(name.partition(":")[2]))
        else:
            keys.append(columns[name])
    made = [columns[name] == value for name, value in selection.points.items()]
    for name, ids in selection.sets.items():
        if name == "client_id" and _scoped(rollup, selection, by):
            made.append(columns.scope_id.in_(_scopes(selection)))
        else:
            made.append(one_of(columns[name], ids))
    if (blocked := selection.wanted.blocked) is not None:
        made.append(type_coerce(columns.blocked, Integer) == int(blocked))
    # An expression, so that SQLite keeps to the order on disk where a user or a host is asked for.
    made.append(one_of(columns[grain] + 0, sorted(starts)))
    wanted = select(
        *keys,
        func.sum(columns.rows),
        func.sum(case((columns.blocked, columns.rows), else_=0)),
        func.sum(columns.bytes_up),
        func.sum(columns.bytes_down),
    ).where(*made)
    stepped = [name.startswith("step:") for name in by]
    for row in connection.execute(wanted.group_by(*keys) if keys else wanted):
        values, (rows, blocked, up, down) = row[: len(keys)], row[len(keys) :]
        if rows is not None:
            names = (value if step else value or None for value, step in zip(values, stepped, strict=True))
            yield tuple(names), (int(rows), int(blocked), int(up), int(down))


def _scoped(rollup: Rollup, selection: Selection, by: tuple[str, ...]) -> bool:
    """Whether site and band, which is all that is asked of the client, are told by `scope_id`."""
    return "scope_id" in rollup.columns and selection.wanted.group is None and "client_id" not in by


def _scopes(selection: Selection) -> Any:
    wanted = selection.wanted
    named = [scope.c[name] == value for name in ("site", "band") if (value := getattr(wanted, name)) is not None]
    return select(scope.c.id).where(*named)
