"""Looking for part of a URL: a job that streams what it finds, newest first, and can be called off.

In come where the record is and a `LogFilter` with a text and a time to look back to; out go rows as they are found,
with how far the job has come. There is no index of URLs (it would double the record), so every row of the time is
read: a second or three for a day of five million rows. The rules: a slice of time is read at a go, so that a row is
shown soon after it is found; being called off is looked at every few thousandths of a second, in a slice too.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from logstore.dayview import DaySearch
from logstore.filter import LogFilter
from logstore.ids import COUNTER_BITS, NODE_BITS, id_range
from logstore.place import Where
from logstore.query import Archive, SearchTooWide
from logstore.rows import Row
from logstore.schema import day_file
from logstore.source import Part

SLICE_SECONDS = 0.5
"""How long reading a slice should take; the next one is made longer or shorter by it."""
FIRST_SLICE = timedelta(minutes=15)
"""Time covered by the first slice."""
STEPS = 1_000
"""Steps of SQLite's machine between two looks at whether the job is called off: some dozens of rows."""
LONGEST = timedelta(days=1)
"""Longest time one slice may take; a job is ended by whoever waits for it."""
ROWS = 500
"""Rows of a slice fetched at a time."""
_MS = 1 << (NODE_BITS + COUNTER_BITS)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    days: int
    """UTC days it has to read."""
    days_done: int
    """Of them, read to their end."""
    rows_read: int
    """Rows read, about: a day's rows are taken to lie evenly."""
    found: int
    """Rows found."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a slice gave."""

    rows: tuple[Row, ...]
    """Newest first, all older than what was given before; often none."""
    progress: Progress
    """How far the job is."""


@dataclass(frozen=True, slots=True)
class _Day:
    parts: tuple[Part, ...]
    rows: int
    first: int
    past: int


class TextJob:
    """One search for a text. `run` in one thread, `cancel` from any."""

    def __init__(self, where: Where, wanted: LogFilter) -> None:
        """Raises ValueError when `wanted` has no text, or no time to look back to."""
        if not wanted.text:
            raise ValueError("there is no text to look for; give LogFilter(text=…)")
        if wanted.since is None:
            raise ValueError("a text is looked for within a time; give LogFilter(since=…)")
        self._where = where
        self._wanted = wanted
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Call it off: `run` ends within a fifth of a second, in a database after its slice, with what it had given."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self._cancelled.is_set()

    def run(self) -> Iterator[Found]:
        """What is found, slice by slice; ends when everything is read or the job is called off."""
        with Archive(self._where, seconds=LONGEST.total_seconds()) as archive:
            if archive.folder is not None:
                driver: Any = archive.catalog.connection.driver_connection
                driver.set_progress_handler(self._cancelled.is_set, STEPS)
            try:
                yield from self._read(archive)
            except SearchTooWide:
                if not self.cancelled:
                    raise

    def _read(self, archive: Archive) -> Iterator[Found]:
        selection = self._wanted.select(archive.catalog)
        parts = [] if selection is None else archive.parts(selection)
        if selection is None or not parts:
            yield Found((), Progress(0, 0, 0, 0))
            return
        search, days = archive.searching(selection), _days(archive, parts)
        found, read_before, width = 0, 0, FIRST_SLICE // timedelta(milliseconds=1) * _MS
        for number, day in enumerate(days):
            past = day.past
            while past > day.first:
                if self.cancelled:
                    return
                first, begin = max(day.first, past - width), time.monotonic()
                rows = self._slice(archive, search, day, first, past)
                found += len(rows)
                share = (day.past - first) / (day.past - day.first)
                done = number + (first == day.first)
                yield Found(rows, Progress(len(days), done, read_before + int(day.rows * share), found))
                took = time.monotonic() - begin
                width = int(width * min(4.0, max(0.25, SLICE_SECONDS / max(took, 0.001))))
                past = first
            read_before += day.rows

    def _slice(self, archive: Archive, search: DaySearch, day: _Day, first: int, past: int) -> tuple[Row, ...]:
        rows: list[Row] = []
        none: list[Row] = []
        for part in day.parts:
            low, high = max(first, part.first), min(past, part.past)
            while low < high:
                # Oldest first, as the rows lie in the file: a disk reads ahead of whoever goes that way only.
                more = archive.read(part, none, partial(search.rows, archive.catalog, low, high, ROWS, rising=True))
                rows += more
                if len(more) < ROWS:
                    break
                low = more[-1].id + 1
        return tuple(sorted(rows, key=lambda row: row.id, reverse=True))


def _days(archive: Archive, parts: list[Part]) -> list[_Day]:
    """The days to read, newest first, each bounded by the ids it has."""
    known = {row.file: row for row in archive.catalog.execute(select(day_file))}
    days = []
    for name, group in itertools.groupby(reversed(parts), key=lambda part: part.day):
        members = tuple(group)
        noted = [known[part.file] for part in members]
        start = datetime.fromisoformat(name).replace(tzinfo=UTC)
        low, high = id_range(_us(start), _us(start + _ONE_DAY))
        # The catalog may be a batch behind, so what it says of the ids only bounds a day that is over.
        open_ended = any(row.max_id is None or row.state == "open" for row in noted)
        if not open_ended:
            low, high = min(row.min_id for row in noted), max(row.max_id for row in noted) + 1
        first = max(low, min(part.first for part in members))
        past = min(high, max(part.past for part in members))
        if first < past:
            whole = max(1, max((row.max_id or high) for row in noted) - min((row.min_id or low) for row in noted))
            rows = sum(row.rows for row in noted)
            days.append(_Day(members, min(rows, int(rows * (past - first) / whole)), first, past))
    return days


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
