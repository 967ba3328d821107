"""Whether roll-ups say what their rows say.

In come a record and days of it; out come problems. The rule: only sums that are told from are looked at, those whose
hour has not changed since they were made; the others are made anew anyway, and so are these once they are thrown away.
Where each host's lines lie by site and band is not compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from logstore.chaincheck import Problem
from logstore.filter import LogFilter
from logstore.marks import HOUR_US, marks
from logstore.place import Beside
from logstore.query import Archive
from logstore.rolled import Group, Have, Plan, Sources, rollups_of
from logstore.rolling import marks_of_days
from logstore.rollups import ROLLUPS, Rollup
from logstore.stats import rows_grouped

PATIENCE = 24 * 3600.0
"""Longest time it takes, seconds."""
_DAY = "step:86400000"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def problems(where: Beside, days: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with the sums of these UTC days; nothing of a day that has none."""
    with Archive(where, seconds=PATIENCE) as archive:
        sums = rollups_of(where, archive.catalog)
        if sums is None or not days:
            return
        have = sums.have(days)
        for day in days:
            marked = marks(archive.catalog, day, day).get(day, {})
            known = have.get(day, {})
            hours = {hour: mark for hour, mark in marked.items() if known.get(("hour", hour), (None,))[0] == mark}
            for hour, mark in sorted(hours.items()):
                found = list(_of_hour(archive, sums, day, hour))
                if found and marks(archive.catalog, day, day).get(day, {}).get(hour) == mark:
                    yield from found
            if hours == marked:
                yield from _of_days(archive, sums, day, hours, known)


def _of_hour(archive: Archive, sums: Sources, day: str, hour: int) -> Iterator[Problem]:
    """Each roll-up of an hour against its rows."""
    since, until = (_EPOCH + timedelta(microseconds=one * HOUR_US) for one in (hour, hour + 1))
    selection = LogFilter(since=since, until=until).select(archive.catalog)
    if selection is None:
        return
    selection = dataclasses.replace(selection, first_day=day, last_day=day)
    plan = Plan(day, hours=frozenset({hour}))
    for rollup in ROLLUPS:
        by = tuple(name for name in rollup.columns if name != "scope_id")
        told = _added(sums.grouped(rollup, selection, by, plan))
        rows = _added(rows_grouped(archive, selection, by))
        yield from _differing(day, f"{since:%Y-%m-%d %H}:00 UTC", rollup, told, rows, "the rows")


def _of_days(archive: Archive, sums: Sources, day: str, hours: dict[int, int], known: Have) -> Iterator[Problem]:
    """The sums by day against those by hour, which were held against the rows."""
    selection = LogFilter().select(archive.catalog)
    if selection is None:
        return
    for number, mark in marks_of_days(hours).items():
        if known.get(("day", number), (None,))[0] != mark:
            continue
        within = frozenset(hour for hour in hours if hour // 24 == number)
        for rollup in ROLLUPS:
            by = (_DAY, rollup.columns[0])
            told = _added(sums.grouped(rollup, selection, by, Plan(day, frozenset({number}), within)))
            made_of = _added(sums.grouped(rollup, selection, by, Plan(day, hours=within)))
            when = f"{_EPOCH + timedelta(days=number):%Y-%m-%d}"
            yield from _differing(day, when, rollup, told, made_of, "its hours")


type _Added = dict[tuple[object, ...], tuple[int, ...]]


def _added(groups: Iterable[Group]) -> _Added:
    """Groups that are alike together: a day may lie in several files."""
    found: _Added = {}
    for key, sums in groups:
        before = found.get(key)
        found[key] = sums if before is None else tuple(one + more for one, more in zip(before, sums, strict=True))
    return found


def _differing(day: str, when: str, rollup: Rollup, told: _Added, real: _Added, of: str) -> Iterator[Problem]:
    if told == real:
        return
    ours, theirs = (sum(one[0] for one in added.values()) for added in (told, real))
    lines = sum(told.get(key) != real.get(key) for key in told.keys() | real.keys())
    what = f"{when}, by {rollup.name}: they say {ours:,} requests, {of} {theirs:,}; {lines:,} lines differ"
    yield Problem(f"sums of {day}", what)
