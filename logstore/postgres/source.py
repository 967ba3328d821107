"""The day partitions of PostgreSQL as the source of an archive.

A part is a span of days, short ones first: a page of the newest rows reads one day, a name that was seen months ago
costs a handful of statements. Each names its ids, so that the planner looks at the partitions of its days only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from dataclasses import replace

import sqlalchemy.exc
from sqlalchemy import Connection

from logstore.dayview import DaySearch
from logstore.filter import Selection
from logstore.place import Database
from logstore.postgres.db import reading
from logstore.source import Part, SearchTooWide, Work, in_turn, spans

LONGEST_SPAN = 32
"""Days of the longest part: more would lock, and plan for, many partitions at once."""
_CANCELLED = "57014"


class PartitionSource:
    """The partitions of a database."""

    def __init__(self, database: Database, seconds: float) -> None:
        """`seconds`: longest time one piece of work may take."""
        self._seconds = seconds
        self._deadline = 0.0
        self._stack = ExitStack()
        self.catalog: Connection = self._stack.enter_context(reading(database))
        """Read-only connection."""
        self.rows = self.catalog
        """The same."""
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
        """Spans of days, the newest days in the shortest ones."""
        made: list[Part] = []
        while parts:
            length = max(1, min(LONGEST_SPAN, len(made)))
            span, parts = parts[-length:], parts[:-length]
            made.append(replace(span[-1], first=span[0].first))
        return made[::-1]

    def together(self, parts: list[Part]) -> list[Part]:
        """Each day is added up by itself: between two of them it is seen whether time is up."""
        return parts

    def searching(self, selection: Selection) -> DaySearch:
        """The search to carry into the spans."""
        return DaySearch(selection)

    def read[T](self, part: Part, absent: T, work: Callable[[], T]) -> T:
        """Do `work`; `absent` is never needed, a partition that is gone has no rows."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SearchTooWide(self._seconds)
        self.catalog.exec_driver_sql(f"SET statement_timeout = {max(1, int(left * 1000))}")
        try:
            return work()
        except sqlalchemy.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == _CANCELLED:
                raise SearchTooWide(self._seconds) from error
            raise

    def each[T](self, parts: Iterable[Part], absent: T, work: Work[T], index: str = "") -> Generator[T]:
        """What `work` finds in each span, one after the other: the server reads ahead itself."""
        return in_turn(self, parts, absent, work)

    def close(self) -> None:
        """Let go of the connection."""
        self._stack.close()
