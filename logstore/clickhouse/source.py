"""Rows in ClickHouse as the source of an archive.

A part is a span of days, each span longer than the one before: a page of the newest rows reads one day, a name that was
seen months ago costs a handful of statements. Rows come with the numbers of their names; the names come from the
catalog, in one statement for each dimension.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Select, column, select

from logstore.clickhouse.db import TOO_LONG, reading
from logstore.clickhouse.tables import ID_COLUMNS
from logstore.dayview import DaySearch, Shape, columns_with
from logstore.db import reading as reading_catalog
from logstore.dialects import one_of
from logstore.dimensions import FOLDED, stored
from logstore.filter import Selection
from logstore.place import ClickHouse
from logstore.rows import Row, row_from
from logstore.source import Part, SearchTooWide, Work, in_turn, spans
from logstore.urltext import look_up


class ColumnSource:
    """The partitions of a database, and the catalog that belongs to them."""

    def __init__(self, where: ClickHouse, seconds: float) -> None:
        """`seconds`: longest time one piece of work may take."""
        self._seconds = seconds
        self._deadline = 0.0
        self._stack = ExitStack()
        self.catalog: Connection = self._stack.enter_context(reading_catalog(where.catalog))
        """Read-only connection on the catalog."""
        self.rows: Connection = self._stack.enter_context(reading(where))
        """Read-only connection on the rows."""
        self.start_clock()

    def start_clock(self) -> None:
        """Give the work that follows its full time."""
        self._deadline = time.monotonic() + self._seconds

    def check_clock(self) -> None:
        """Raises `SearchTooWide` when the time is up."""
        if time.monotonic() > self._deadline:
            raise SearchTooWide(self._seconds)

    def parts(self, selection: Selection, first: int, past: int) -> list[Part]:
        """The days that can hold rows wanted, oldest first."""
        found = spans(self.catalog, selection, first, past)
        return [replace(part, first=max(part.first, low), past=min(part.past, high)) for part, (low, high) in found]

    def joined(self, parts: list[Part]) -> list[Part]:
        """Spans of days, each longer than the newer one."""
        made: list[Part] = []
        length = 1
        while parts:
            span, parts = parts[-length:], parts[:-length]
            made.append(replace(span[-1], first=span[0].first))
            length *= 2
        return made[::-1]

    def together(self, parts: list[Part]) -> list[Part]:
        """All days at once: the server adds up over partitions as it does within one."""
        return [replace(parts[-1], first=parts[0].first)] if parts else []

    def searching(self, selection: Selection) -> DaySearch:
        """The search to carry into the spans."""
        if selection.url is not None and None in (selection.url.inside, selection.url.before):
            # Elsewhere a row's host is looked at where too many fit to be listed; here the names are not at hand.
            url = look_up(selection.url.text, self.catalog, most=None)
            selection = replace(selection, url=url)
        return ColumnSearch(selection, self.rows)

    def read[T](self, part: Part, absent: T, work: Callable[[], T]) -> T:
        """Do `work`; `absent` is never needed, a partition that is gone has no rows."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SearchTooWide(self._seconds)
        self.rows.execution_options(settings={"max_execution_time": round(left, 3) or 0.001})
        try:
            return work()
        except sqlalchemy.exc.DBAPIError as error:
            if getattr(error.orig, "code", None) == TOO_LONG:
                raise SearchTooWide(self._seconds) from error
            raise

    def each[T](self, parts: Iterable[Part], absent: T, work: Work[T], index: str = "") -> Generator[T]:
        """What `work` finds in each span, one after the other: the server reads ahead itself."""
        return in_turn(self, parts, absent, work)

    def close(self) -> None:
        """Let go of both connections."""
        self._stack.close()


class ColumnSearch(DaySearch):
    """A selection, carried into spans of days. The connection that its methods take is the catalog's."""

    def __init__(self, selection: Selection, rows: Connection) -> None:
        """`rows`: where the rows are."""
        super().__init__(selection)
        self._rows = rows
        self._names: dict[str, dict[int, Any]] = {dimension.column: {} for dimension in FOLDED}

    def rows(self, connection: Connection, first: int, past: int, most: int, *, rising: bool) -> list[Row]:
        """The newest (oldest when `rising`) `most` rows with `first` <= id < `past`."""
        found = self._found(self._rows, first, past, most, rising=rising)
        for dimension in FOLDED:
            names = self._names[dimension.column]
            wanted = {row[dimension.column] for row in found}.difference(names, (0,))
            if wanted:
                table = dimension.table
                told = connection.execute(select(table.c.id, table.c.key).where(one_of(table.c.id, wanted)))
                names.update((row.id, row.key) for row in told)
        return [row_from(self._named(row)) for row in found]

    def count(self, connection: Connection, first: int, past: int, most: int) -> int:
        """How many rows there are with `first` <= id < `past`; counting stops at `most`."""
        return super().count(self._rows, first, past, most)

    def grouped(
        self, connection: Connection, first: int, past: int, by: tuple[str, ...], sums: tuple[str, ...]
    ) -> list[Any]:
        """For each group: the values of `by`, its rows, blocked rows, and the sum of each of `sums`."""
        found = super().grouped(self._rows, first, past, by, sums)
        ids = [place for place, name in enumerate(by) if name in ID_COLUMNS]
        return [tuple(value or None if place in ids else value for place, value in enumerate(row)) for row in found]

    def counts(
        self, connection: Connection, spans: Sequence[tuple[int, int]], whole: tuple[int, int]
    ) -> list[tuple[int, int]] | None:
        """None: a statement for each span is dearer here than grouping all of them in one."""
        return None

    def added_up(
        self, connection: Connection, first: int, past: int, distinct: tuple[str, ...], sums: tuple[str, ...]
    ) -> tuple[int, ...]:
        """Requests, blocked ones, the sum of each of `sums`, and how many values each of `distinct` has."""
        return super().added_up(self._rows, first, past, distinct, sums)

    def _named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(row) | {name: self._names[name].get(row[name]) for name in ID_COLUMNS}

    def _chosen(self, columns: dict[str, Any], shape: Shape, wanted: Iterable[Any]) -> Select[Any]:
        chosen = super()._chosen(columns, shape, list(wanted))
        site = self._selection.wanted.site
        # Rows are ordered by it: the rows of other sites are not read.
        return chosen if site is None else chosen.where(column("site") == stored(site))

    def _rows_statement(self, shape: Shape, rising: bool) -> Select[Any]:
        return self._newest(columns_with(shape.have), shape, rising)
