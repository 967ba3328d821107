"""Numbers about the rows a filter wants: totals, what comes first, and how it went over time.

In come an open `Archive` and a `LogFilter`; out go values that say what they were told from. Roll-ups are read where
they hold, rows where not: hours that have changed since, hours of which only a part is asked for, and filters that no
roll-up knows (words, titles, URLs; hosts of one user). The answer is the same. Rows of a whole day of a large school
take seconds: such an answer is stopped after the archive's time limit, like a search, and says so.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from heapq import nlargest
from operator import add
from typing import Any, Literal

from sqlalchemy import Connection, Table, select

from logstore.dialects import one_of
from logstore.dimensions import restored
from logstore.filter import LogFilter, Selection
from logstore.marks import HOUR_US, marks
from logstore.query import Archive
from logstore.rolled import Group, Named, Plan, Sums, plan_day, rollups_of, serving
from logstore.schema import dim_client, dim_device, dim_host, dim_user, dim_verdict
from logstore.stepping import stepped

type By = Literal["category", "host", "domain", "user", "device", "rule", "reason", "action", "site", "band"]

BYTES = ("bytes_up", "bytes_down")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Basis:
    """What numbers were told from."""

    rolled: int
    """Hours told from roll-ups."""
    counted: int | None
    """Hours told from the rows; None when everything is told from them."""
    behind: int
    """Of those told from roll-ups, hours whose rows have changed since; 0 unless that was allowed."""
    computed: datetime | None
    """When the oldest of the sums was made; UTC."""

    @property
    def source(self) -> Literal["roll-ups", "rows", "both"]:
        """Roll-ups, rows, or both."""
        if not self.rolled:
            return "rows"
        return "both" if self.counted else "roll-ups"


ROWS = Basis(0, None, 0, None)
"""Everything was told from the rows."""


@dataclass(frozen=True, slots=True)
class Totals:
    """All rows a filter wants, added up."""

    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""
    users: int
    """Different named users."""
    hosts: int
    """Different hosts."""
    bytes_up: int
    """Body bytes from clients."""
    bytes_down: int
    """Body bytes to clients."""
    basis: Basis = field(default=ROWS, compare=False)
    """What this was told from."""

    @property
    def blocked_share(self) -> float:
        """Blocked requests as a part of all, 0 to 1."""
        return self.blocked / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a ranking."""

    name: str | None
    """What it is about; None for rows that have none."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""
    bytes: int
    """Body bytes both ways."""


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a time series."""

    start: datetime
    """Begin of the step; UTC."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What comes first."""

    places: tuple[Place, ...]
    """Most rows first; equal ones by name."""
    basis: Basis
    """What this was told from."""


@dataclass(frozen=True, slots=True)
class Series:
    """How it went over time."""

    spans: tuple[Span, ...]
    """Steps that have rows, oldest first."""
    basis: Basis
    """What this was told from."""


_SOURCES: Mapping[By, tuple[str, Table, str]] = {
    "user": ("user_id", dim_user, "key"),
    "device": ("device_id", dim_device, "key"),
    "host": ("host_id", dim_host, "name"),
    "domain": ("host_id", dim_host, "domain"),
    "site": ("client_id", dim_client, "site"),
    "band": ("client_id", dim_client, "band"),
    "category": ("verdict_id", dim_verdict, "category"),
    "rule": ("verdict_id", dim_verdict, "rule"),
    "reason": ("verdict_id", dim_verdict, "reason"),
    "action": ("verdict_id", dim_verdict, "action"),
}
"""For each ranking the column of `log`, the dimension it points into, and the column that is the name."""


class Figures:
    """Numbers about the rows of one filter, all told from the same hours of roll-ups and rows."""

    def __init__(self, archive: Archive, wanted: LogFilter, *, exact: bool = True, rollups: bool = True) -> None:
        """Not `exact`: roll-ups that are behind will do; the basis says for how many hours. No `rollups`: only rows."""
        self._archive = archive
        self._sums = rollups_of(archive.where, archive.catalog) if rollups else None
        self._exact = exact
        self._selection = wanted.select(archive.catalog)
        self._told: dict[By, Mapping[str | None, Sums]] = {}

    @property
    def quick(self) -> bool:
        """Whether a series by day costs next to nothing: roll-ups tell it, but for an hour at either end."""
        return self._serves(f"step:{86_400_000}") and sum(len(plan.rows) for plan in self._plans) <= 2

    def totals(self) -> Totals:
        """Everything added up."""
        self._archive.start_clock()
        sums: Counter[str] = Counter()
        users: set[int | None] = set()
        hosts: set[int | None] = set()
        rolled = self._serves("user_id") and self._serves("host_id")
        if not rolled and (whole := self._at_once()) is not None:
            return whole
        if rolled:
            for (user,), part in self._rolled("user_id"):
                sums.update(_named(part))
                users.add(user)
            hosts.update(host for (host,), _ in self._rolled("host_id"))
        for (user, host), part in self._counted("user_id", "host_id", whole=not rolled):
            sums.update(_named(part))
            users.add(user)
            hosts.add(host)
        return Totals(
            sums["rows"], sums["blocked"], len(users - {None}), len(hosts - {None}), sums["up"], sums["down"],
            self._basis(rolled),
        )  # fmt: skip

    def _at_once(self) -> Totals | None:
        """Totals where all rows are in one part: counted there, so that nobody's number is carried out of it."""
        if self._selection is None or len(parts := self._archive.together(self._selection)) != 1:
            return None
        search, part = self._archive.searching(self._selection), parts[0]
        distinct = ("user_id", "host_id")
        none: tuple[int, ...] = (0,) * 6
        work = partial(search.added_up, self._archive.catalog, part.first, part.past, distinct, BYTES)
        rows, blocked, up, down, users, hosts = self._archive.read(part, none, work)
        return Totals(rows, blocked, users, hosts, up, down)

    def top(self, by: By, limit: int = 10, *, first: Literal["rows", "blocked"] = "rows") -> Ranking:
        """The `limit` names with the most rows, or the most blocked ones, most first; equal ones by name."""
        self._archive.start_clock()
        rolled = self._serves(_SOURCES[by][0])
        if by not in self._told:
            self._told[by] = self._by_name(by, rolled)
        most = 0 if first == "rows" else 1
        # By the number first: it tells most of them apart, and compares quickly.
        best = nlargest(limit, self._told[by].values(), key=lambda one: one[most])
        least = best[-1][most] if best else 0
        able = [(name, sums) for name, sums in self._told[by].items() if sums[most] >= least]
        ranked = sorted(able, key=lambda one: (-one[1][most], one[0] or ""))[:limit]
        places = (Place(name, rows, blocked, up + down) for name, (rows, blocked, up, down) in ranked)
        return Ranking(tuple(places), self._basis(rolled))

    def people(self) -> int:
        """Different named users."""
        self._archive.start_clock()
        return len({user for (user,), _ in self._groups(self._serves("user_id"), "user_id")} - {None})

    @property
    def told(self) -> Hashable:
        """What the numbers are told from: as long as it is equal, they are."""
        return tuple((plan.day, plan.told) for plan in self._plans)

    @property
    def computed(self) -> datetime | None:
        """When the sums of the hour that the time asked for ends in were made; None when it is told from rows."""
        until = None if self._selection is None else self._selection.bounds()[1]
        for plan in self._plans:
            for grain, start, _, computed in plan.told:
                if until is not None and grain == "hour" and start == until // HOUR_US:
                    return _EPOCH + timedelta(microseconds=computed)
        return None

    def _by_name(self, by: By, rolled: bool) -> Mapping[str | None, Sums]:
        place, table, name = _SOURCES[by]
        sums: dict[str | None, Sums] = {}
        if rolled:
            for (key,), part in self._rolled(place, named=(table, name)):
                _add(sums, None if key is None else restored(key), part)
        by_id: dict[int | None, Sums] = {}
        for (number,), part in self._counted(place, whole=not rolled):
            _add(by_id, number, part)
        names = _names(self._archive.catalog, table, name, (number for number in by_id if number is not None))
        for number, part in by_id.items():
            _add(sums, None if number is None else names.get(number), part)
        return sums

    def series(self, step: timedelta = timedelta(hours=1)) -> Series:
        """Rows for each step of time that has any; steps are counted from UTC midnight."""
        width = step // timedelta(milliseconds=1)
        if not 1000 <= width <= 86_400_000:
            raise ValueError(f"step is {step}; it lies between a second and a day")
        self._archive.start_clock()
        rolled = self._serves(f"step:{width}")
        steps: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for (start,), part in self._rolled(f"step:{width}") if rolled else ():
            steps[start].update(_named(part))
        for one in self._windows(whole=not rolled):
            for start, rows, blocked in stepped(self._archive, one, width):
                steps[start].update({"rows": rows, "blocked": blocked})
        spans = (
            Span(_EPOCH + timedelta(milliseconds=start * width), counts["rows"], counts["blocked"])
            for start, counts in sorted(steps.items())
        )
        return Series(tuple(spans), self._basis(rolled))

    @cached_property
    def _plans(self) -> tuple[Plan, ...]:
        """Where each day's hours are told from: looked up once, so that all numbers agree."""
        sums, selection = self._sums, self._selection
        if sums is None or selection is None:
            return ()
        days = sorted({part.day for part in self._archive.parts(selection)})
        if not days:
            return ()
        marked = marks(self._archive.catalog, days[0], days[-1])
        have, exact = sums.have(days), self._exact
        return tuple(plan_day(day, marked.get(day, {}), have.get(day, {}), selection, exact=exact) for day in days)

    def _serves(self, *by: str) -> bool:
        return self._sums is not None and self._selection is not None and bool(serving(self._selection, by))

    def _groups(self, rolled: bool, *by: str) -> Iterator[Group]:
        if rolled:
            yield from self._rolled(*by)
        yield from self._counted(*by, whole=not rolled)

    def _rolled(self, *by: str, named: Named | None = None) -> Iterator[Group]:
        """What roll-ups say of the hours that are told from them."""
        sums, selection = self._sums, self._selection
        if sums is None or selection is None or (rollup := serving(selection, by)) is None:
            return
        for plan in self._plans:
            yield from sums.grouped(rollup, selection, by, plan, named)
            self._archive.check_clock()

    def _counted(self, *by: str, whole: bool) -> Iterator[Group]:
        """What the rows say: all of them when `whole`, else those of the hours no roll-up tells."""
        for one in self._windows(whole=whole):
            yield from rows_grouped(self._archive, one, by)

    def _windows(self, *, whole: bool) -> Iterator[Selection]:
        """What the rows are asked for: everything when `whole`, else the hours no roll-up tells."""
        if self._selection is None:
            return
        if whole:
            yield self._selection
            return
        for plan in self._plans:
            for begin, end in plan.windows():
                since, until = _within(self._selection, begin, end)
                narrow = dataclasses.replace(self._selection.wanted, since=since, until=until)
                yield dataclasses.replace(self._selection, wanted=narrow, first_day=plan.day, last_day=plan.day)

    def _basis(self, rolled: bool) -> Basis:
        if not rolled:
            return ROWS
        told = sum(len(plan.hours) + len(plan.day_hours) for plan in self._plans)
        moments = [plan.computed_us for plan in self._plans if plan.computed_us is not None]
        return Basis(
            told,
            sum(len(plan.rows) for plan in self._plans),
            sum(plan.behind for plan in self._plans),
            _EPOCH + timedelta(microseconds=min(moments)) if moments else None,
        )


def totals(archive: Archive, wanted: LogFilter) -> Totals:
    """Everything `wanted` added up."""
    return Figures(archive, wanted).totals()


def top(archive: Archive, wanted: LogFilter, by: By, limit: int = 10) -> tuple[Place, ...]:
    """The `limit` names with the most rows, most first; equal ones by name."""
    return Figures(archive, wanted).top(by, limit).places


def series(archive: Archive, wanted: LogFilter, step: timedelta = timedelta(hours=1)) -> tuple[Span, ...]:
    """Rows and blocked rows for each step of time that has any, oldest first."""
    return Figures(archive, wanted).series(step).spans


def _named(sums: Sums) -> dict[str, int]:
    return dict(zip(("rows", "blocked", "up", "down"), sums, strict=True))


def _add[K](sums: dict[K, Sums], key: K, part: Sums) -> None:
    there = sums.get(key)
    sums[key] = part if there is None else tuple(map(add, there, part))


def _within(selection: Selection, begin: int, end: int) -> tuple[datetime, datetime]:
    """A span of time, microseconds since the epoch, cut to what is asked for."""
    since, until = selection.bounds()
    low = begin if since is None else max(begin, since)
    high = end if until is None else min(end, until)
    return _EPOCH + timedelta(microseconds=low), _EPOCH + timedelta(microseconds=high)


def rows_grouped(archive: Archive, selection: Selection, by: tuple[str, ...]) -> Iterator[Group]:
    """Keys and sums of each group of the rows of each part that is added up at once."""
    search = archive.searching(selection)
    for part in archive.together(selection):
        work: Callable[[], list[Any]] = partial(search.grouped, archive.catalog, part.first, part.past, by, BYTES)
        none: list[Any] = []
        for row in archive.read(part, none, work):
            sums = tuple(int(value or 0) for value in row[len(by) :])
            yield tuple(row[: len(by)]), (sums[0], sums[1], sums[2], sums[3])


def _names(catalog: Connection, table: Table, name: str, ids: Iterable[int]) -> dict[int, str | None]:
    found = catalog.execute(select(table.c.id, table.c[name]).where(one_of(table.c.id, ids)))
    return {row[0]: restored(row[1]) for row in found}
