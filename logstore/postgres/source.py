"""The day partitions of PostgreSQL as the source of an archive.

A part is a span of days, short ones first: a page of the newest rows reads one day, a name that was seen months ago
costs a handful of statements. Each names its ids, so that the planner looks at the partitions of its days only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import sqlalchemy.exc
from sqlalchemy import Connection

from logstore.dayview import DaySearch
from logstore.filter import Selection
from logstore.place import Database
from logstore.postgres.db import reading
from logstore.source import Part, SearchTooWide, spans

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
        self.start_clock()

    def start_clock(self) -> None:
        """Give the work that follows its full time."""
        self._deadline = time.monotonic() + self._seconds

    def check_clock(self) -> None:
        """Raises `SearchTooWide` when the time is up."""
        if time.monotonic() > self._deadline:
            raise SearchTooWide(self._seconds)

    def parts(self, selection: Selection, first: int, past: int) -> list[Part]:
        """Spans of the days that can hold rows wanted, oldest first; the newest days in the shortest spans."""
        days = list(spans(self.catalog, selection, first, past))
        made: list[Part] = []
        length = 1
        while days:
            group, days = days[-length:], days[:-length]
            newest, low = group[-1][0], max(group[0][0].first, group[0][1][0])
            made.append(Part(newest.file, newest.day, low, min(newest.past, group[-1][1][1])))
            length = min(LONGEST_SPAN, len(made))
        return made[::-1]

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

    def close(self) -> None:
        """Let go of the connection."""
        self._stack.close()
