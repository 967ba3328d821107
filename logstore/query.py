"""Rows out: searching the record.

In come where the record is and a `LogFilter`; out go pages of rows, newest first. The rules: a page is found by key,
never by OFFSET, and never counts; days are read from the newest to the oldest, only those that can hold a row, and no
further than the page needs; everything is opened read-only; a search that takes too long is stopped and says so.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from logstore.dayview import DaySearch, gone_through
from logstore.filter import LogFilter, Selection
from logstore.ids import COUNTER_BITS, NODE_BITS, id_range
from logstore.place import ClickHouse, Database, Where
from logstore.rows import Row
from logstore.source import PAST, FileSource, Part, SearchTooWide, Source

__all__ = ["SearchTooWide"]

PAGE_LIMIT = 10_000
"""Most rows of one page."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first."""

    rows: tuple[Row, ...]
    """The rows."""
    next: int | None
    """Give it as `before` for the older page; None when there is none."""
    previous: int | None
    """Give it as `after` for the newer page; None when there is none."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are, as far as it was counted."""

    rows: int
    """Rows counted."""
    exact: bool
    """False when there are more."""

    def __str__(self) -> str:
        return f"{self.rows:,}" if self.exact else f"{self.rows:,}+"


class Archive:
    """The record, open for reading. For one thread; open and close it around each piece of work."""

    def __init__(self, where: Where, *, seconds: float = 30.0) -> None:
        """Opens the record. `seconds`: longest time one call may take."""
        self._source = open_source(where, seconds)
        self.folder: Path | None = where if isinstance(where, Path) else None
        """Folder of the record; None when it is a database."""
        self.where = where
        """Where the record is."""
        self.catalog: Connection = self._source.catalog
        """Read-only connection on the catalog."""
        self.rows: Connection = self._source.rows
        """Read-only connection on the rows; where they lie beside the catalog, the same."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._source.close()

    def start_clock(self) -> None:
        """Give the work that follows its full time."""
        self._source.start_clock()

    def check_clock(self) -> None:
        """For work outside the archive that counts as one with it. Raises `SearchTooWide` when its time is up."""
        self._source.check_clock()

    def search(
        self, wanted: LogFilter, limit: int = 50, *, before: int | None = None, after: int | None = None
    ) -> Page:
        """At most `limit` rows: the newest, or the newest before an id, or the oldest after an id (never both)."""
        if before is not None and after is not None:
            raise ValueError("a page is before an id or after one, not both")
        if not 1 <= limit <= PAGE_LIMIT:
            raise ValueError(f"limit is {limit}; it lies between 1 and {PAGE_LIMIT}")
        self.start_clock()
        first, past = (0 if after is None else after + 1), (PAST if before is None else before)
        rising = after is not None
        rows = list(itertools.islice(self.walk(wanted, first, past, rising=rising, limit=limit + 1), limit + 1))
        more, rows = len(rows) > limit, rows[:limit]
        if rising:
            rows.reverse()
        older = rows[-1].id if rows and (more or rising) else None
        newer = rows[0].id if rows and (more if rising else before is not None) else None
        return Page(tuple(rows), older, newer)

    def walk(
        self, wanted: LogFilter, first: int = 0, past: int = PAST, *, rising: bool = False, limit: int = PAGE_LIMIT
    ) -> Iterator[Row]:
        """Every row with `first` <= id < `past`, newest first (oldest first when `rising`), read `limit` at a time."""
        selection = wanted.select(self.catalog)
        if selection is None:
            return
        search = self.searching(selection)
        parts = self._source.joined(self.parts(selection, first, past))
        parts = parts if rising else parts[::-1]

        def begin(catalog: Connection, part: Part) -> list[Row]:
            return search.rows(catalog, part.first, part.past, limit, rising=rising)

        none: list[Row] = []
        begun = self._source.each(parts, none, begin, "" if rising else gone_through(selection))
        with contextlib.closing(begun):
            for _, group in itertools.groupby(parts, key=lambda part: part.day):
                streams = [self._walk_part(part, next(begun), search, rising, limit) for part in group]
                yield from heapq.merge(*streams, key=lambda row: row.id, reverse=not rising)

    def count(self, wanted: LogFilter, cap: int = 10_000) -> Count:
        """How many rows, exactly up to `cap`."""
        self.start_clock()
        if (selection := wanted.select(self.catalog)) is None:
            return Count(0, exact=True)
        search, found = self.searching(selection), 0

        def counted(catalog: Connection, part: Part) -> int:
            return search.count(catalog, part.first, part.past, cap + 1)

        with contextlib.closing(
            self._source.each(reversed(self._source.joined(self.parts(selection))), 0, counted)
        ) as each:
            for rows in each:
                found += rows
                if found > cap:
                    return Count(cap, exact=False)
        return Count(found, exact=True)

    def show(self, record_id: int) -> Row | None:
        """The row of one id; None when there is none."""
        return next(iter(self.search(LogFilter(id=record_id), 1).rows), None)

    def searching(self, selection: Selection) -> DaySearch:
        """The search to carry into the parts."""
        return self._source.searching(selection)

    def parts(self, selection: Selection, first: int = 0, past: int = PAST) -> list[Part]:
        """The parts of the record that can hold rows wanted with `first` <= id < `past`, oldest first."""
        return self._source.parts(selection, first, past)

    def together(self, selection: Selection) -> list[Part]:
        """The parts that can hold rows wanted, oldest first, those put together whose rows are added up at once."""
        return self._source.together(self.parts(selection))

    def read[T](self, part: Part, absent: T, work: Callable[[], T]) -> T:
        """Do `work` with the part at hand; `absent` when retention has removed it meanwhile."""
        return self._source.read(part, absent, work)

    def _walk_part(self, part: Part, rows: list[Row], search: DaySearch, rising: bool, limit: int) -> Iterator[Row]:
        """Every row of a part; `rows` are its first."""
        first, past = part.first, part.past
        yield from rows
        while len(rows) == limit:
            first, past = (rows[-1].id + 1, past) if rising else (first, rows[-1].id)
            if first >= past:
                return
            rows = self.read(part, [], partial(search.rows, self.catalog, first, past, limit, rising=rising))
            yield from rows


def open_source(where: Where, seconds: float) -> Source:
    """The engine's side of an archive."""
    if isinstance(where, Database):
        from logstore.postgres.source import PartitionSource

        return PartitionSource(where, seconds)
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.source import ColumnSource

        return ColumnSource(where, seconds)
    return FileSource(where, seconds)


def search(
    folder: Where, wanted: LogFilter, limit: int = 50, *, before: int | None = None, after: int | None = None
) -> Page:
    """One page of the store in `folder`; see `Archive.search`."""
    with Archive(folder) as archive:
        return archive.search(wanted, limit, before=before, after=after)


def count(folder: Where, wanted: LogFilter, cap: int = 10_000) -> Count:
    """How many rows of the store in `folder` are wanted, exactly up to `cap`."""
    with Archive(folder) as archive:
        return archive.count(wanted, cap)


def tail(folder: Where, wanted: LogFilter, after: int, limit: int = 1000) -> tuple[Row, ...]:
    """The oldest `limit` rows after an id, in the order they were asked for. See `Tail` for following."""
    with Archive(folder) as archive:
        return tuple(reversed(archive.search(wanted, limit, after=after).rows))


class Tail:
    """Follows the record: each row once, soon after it is stored.

    A row is stored when its exchange ends, so rows come out of order; ids seen within `window` are remembered and
    looked at again. An exchange longer than that is found by a search, but does not show up here.
    """

    def __init__(
        self,
        folder: Where,
        wanted: LogFilter,
        now: datetime,
        window: timedelta = timedelta(minutes=15),
    ) -> None:
        """Gives rows that are stored from now on. `now` is aware."""
        self._folder = folder
        self._wanted = wanted
        self._window = int(window.total_seconds() * 1000) << (NODE_BITS + COUNTER_BITS)
        self._newest = _id_at(now)
        with Archive(folder) as archive:
            there = archive.walk(wanted, max(0, self._newest - self._window), rising=True)
            self._seen = {row.id for row in there}

    def skip(self, rows: Sequence[Row]) -> None:
        """Do not give these: they were shown already."""
        self._seen.update(row.id for row in rows)

    def poll(self, now: datetime, most: int = 1000) -> tuple[Row, ...]:
        """Rows stored since the last call, at most `most`; oldest first. `now` is aware."""
        horizon = max(0, self._newest - self._window)
        with Archive(self._folder) as archive:
            fresh = (row for row in archive.walk(self._wanted, horizon + 1, rising=True) if row.id not in self._seen)
            rows = tuple(itertools.islice(fresh, most))
        self._seen.update(row.id for row in rows)
        if len(rows) < most:
            self._newest = max([self._newest, _id_at(now), *(row.id for row in rows)])
            self._seen = {seen for seen in self._seen if seen > self._newest - self._window}
        return rows


def _id_at(moment: datetime) -> int:
    return id_range(0, (moment - _EPOCH) // timedelta(microseconds=1))[1]
