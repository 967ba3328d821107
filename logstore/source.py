"""Where an archive's rows come from: what each engine answers, and the day files of SQLite as the first of them.

In comes a filter whose names are looked up; out go the parts of the record that can hold its rows, each read by
`DaySearch`. The rules: everything is opened read-only; only parts that can hold a row are read; work that takes too
long is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy.exc
from sqlalchemy import Connection, select

from logstore.dayview import DaySearch
from logstore.db import attached, days_folder, reading
from logstore.filter import Selection
from logstore.folding import day_of
from logstore.ids import id_range
from logstore.schema import day_file

PAST = (1 << 63) - 1
"""Past the last id there can be."""
_DAY_US = 86_400_000_000


class SearchTooWide(Exception):
    """The search was stopped: it would read too much. Says what to narrow."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"stopped after {seconds:g} seconds; narrow it: a shorter time, a user, a device, a host or a category"
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the record that can hold rows wanted: ids from `first` up to, not including, `past`."""

    file: str
    """Its day file or day partition; of several, the newest."""
    day: str
    """Its UTC day; of several, the newest. Parts of one day are read side by side, others one after another."""
    first: int
    """Lowest id."""
    past: int
    """Past the highest id."""


class Source(Protocol):
    """One engine's side of an `Archive`. For one thread."""

    @property
    def catalog(self) -> Connection:
        """Read-only connection on the catalog."""

    @property
    def rows(self) -> Connection:
        """Read-only connection on the rows; where they lie beside the catalog, the same."""

    def start_clock(self) -> None:
        """Give the work that follows its full time."""

    def check_clock(self) -> None:
        """Raises `SearchTooWide` when the time is up."""

    def parts(self, selection: Selection, first: int, past: int) -> list[Part]:
        """The parts that can hold rows wanted with `first` <= id < `past`, oldest first."""

    def joined(self, parts: list[Part]) -> list[Part]:
        """The same parts, those put together that are better read at once."""

    def together(self, parts: list[Part]) -> list[Part]:
        """The same parts, those put together whose rows are better added up at once."""

    def searching(self, selection: Selection) -> DaySearch:
        """The search to carry into the parts."""

    def read[T](self, part: Part, absent: T, work: Callable[[], T]) -> T:
        """Do `work` with the part at hand; `absent` when retention has removed it meanwhile.

        Raises `SearchTooWide`.
        """

    def close(self) -> None:
        """Let go of everything."""


class FileSource:
    """The day files of a folder."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """`seconds`: longest time one piece of work may take."""
        self._folder = folder
        self._seconds = seconds
        self._deadline = 0.0
        self._stack = ExitStack()
        self.catalog: Connection = self._stack.enter_context(reading(folder))
        """Read-only connection on the catalog; one day file at a time is attached to it."""
        self.rows = self.catalog
        """The same."""
        driver: Any = self.catalog.connection.driver_connection
        driver.set_progress_handler(lambda: time.monotonic() > self._deadline, 20_000)
        self.start_clock()

    def start_clock(self) -> None:
        """Give the work that follows its full time."""
        self._deadline = time.monotonic() + self._seconds

    def check_clock(self) -> None:
        """Raises `SearchTooWide` when the time is up."""
        if time.monotonic() > self._deadline:
            raise SearchTooWide(self._seconds)

    def parts(self, selection: Selection, first: int, past: int) -> list[Part]:
        """The day files that can hold rows wanted, oldest first."""
        return [part for part, _ in spans(self.catalog, selection, first, past)]

    def joined(self, parts: list[Part]) -> list[Part]:
        """Each file is read by itself."""
        return parts

    def together(self, parts: list[Part]) -> list[Part]:
        """Each file is added up by itself."""
        return parts

    def searching(self, selection: Selection) -> DaySearch:
        """The search to carry into the files."""
        return DaySearch(selection)

    def read[T](self, part: Part, absent: T, work: Callable[[], T]) -> T:
        """Do `work` with the file attached; `absent` when retention has removed it meanwhile."""
        path = days_folder(self._folder) / part.file
        try:
            with attached(self.catalog, path):
                return work()
        except sqlalchemy.exc.OperationalError as error:
            if not path.exists():
                return absent
            if "interrupted" in str(error.orig):
                raise SearchTooWide(self._seconds) from error
            raise

    def close(self) -> None:
        """Let go of every file."""
        self._stack.close()


def spans(catalog: Connection, selection: Selection, first: int, past: int) -> Iterator[tuple[Part, tuple[int, int]]]:
    """Each day file (or partition) that can hold rows wanted, oldest first, with the ids its day can have."""
    if (only := selection.wanted.id) is not None:
        first, past = max(first, only), min(past, only + 1)
    since, until = selection.bounds()
    found = catalog.execute(
        select(day_file.c.file, day_file.c.day, day_file.c.early_us, day_file.c.late_us)
        .where(day_file.c.state.in_(("open", "sealed")))
        .where(day_file.c.day >= selection.first_day, day_file.c.day <= selection.last_day)
        .order_by(day_file.c.day, day_file.c.part)
    )
    for file, day, early, late in found:
        # A row's time may differ from the time in its id by what the catalog noted for its file.
        low = first if since is None else max(first, id_range(since - late, since)[0])
        high = past if until is None else min(past, id_range(until, until + early)[1])
        if low < high and day_of(low) <= day <= day_of(high - 1):
            yield Part(file, day, low, high), ids_of(day)


@cache
def ids_of(day: str) -> tuple[int, int]:
    """The first id of a UTC day, and the first one past it."""
    start = (date.fromisoformat(day) - date(1970, 1, 1)).days * _DAY_US
    first, past = id_range(start, start + _DAY_US)
    return first, past if day_of(past) != day else PAST
