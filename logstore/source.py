"""Where an archive's rows come from: what each engine answers, and the day files of SQLite as the first of them.

In comes a filter whose names are looked up; out go the parts of the record that can hold its rows, each read by
`DaySearch`. The rules: everything is opened read-only; only parts that can hold a row are read; work that takes too
long is stopped.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy.exc
from sqlalchemy import Connection, select

from logstore.ahead import Ahead, Call
from logstore.dayview import DaySearch
from logstore.db import attached, days_folder, is_sealed, reading
from logstore.filter import Selection
from logstore.folding import day_of
from logstore.ids import id_range
from logstore.indexpages import Backwards
from logstore.schema import day_file

PAST = (1 << 63) - 1
"""Past the last id there can be."""
STEPS = 20_000
"""Steps of SQLite's machine between two looks at whether the time is up."""
STEPS_AHEAD = 500
"""The same where files are read ahead: what nobody wants any more ends after tens of rows, each maybe from the disk."""
BYTES_A_STEP = 64
"""Bytes of an index asked for with each step: some times what a step goes through."""
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


type Work[T] = Callable[[Connection, Part], T]
"""What is done with a part at hand, and a connection on the catalog."""


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

    def each[T](self, parts: Iterable[Part], absent: T, work: Work[T], index: str = "") -> Generator[T]:
        """What `work` finds in each part, in the order of `parts`; several may be read at once.

        `index`: the one that is gone through backwards, in files. Raises `SearchTooWide`.
        """

    def close(self) -> None:
        """Let go of everything."""


class FileReader:
    """A connection on the catalog of a folder; one day file at a time is attached to it. For one thread at a time."""

    def __init__(self, folder: Path, seconds: float, late: Callable[[], bool], steps: int = STEPS) -> None:
        """`late`: says that the time for the work, which is `seconds`, is up; asked once in `steps` of SQLite's."""
        self._folder = folder
        self._seconds = seconds
        self._late = late
        self._stretch = steps * BYTES_A_STEP
        self._call = Call()
        self._pages: Backwards | None = None
        self._stack = ExitStack()
        self.catalog: Connection = self._stack.enter_context(reading(folder))
        """Read-only connection on the catalog."""
        driver: Any = self.catalog.connection.driver_connection
        self._driver = driver
        driver.set_progress_handler(self._should_stop, steps)

    def read[T](self, part: Part, absent: T, work: Callable[[], T], call: Call | None = None, index: str = "") -> T:
        """Do `work` with the file attached; `absent` when retention has removed it meanwhile.

        `call`: whom it is for. `index`: the one that is gone through from the part's newest row on.
        """
        path = days_folder(self._folder) / part.file
        self._call = call or Call()
        try:
            with attached(self.catalog, path), self._asked_for(path, index):
                return work()
        except (sqlalchemy.exc.OperationalError, sqlite3.OperationalError) as error:  # some ask the driver itself
            if not path.exists():
                return absent
            if "interrupted" in str(error.orig if isinstance(error, sqlalchemy.exc.OperationalError) else error):
                raise SearchTooWide(self._seconds) from error
            raise
        finally:
            self._call = Call()  # what is asked of the catalog next is asked for somebody else

    def close(self) -> None:
        """Let go of every file."""
        self._stack.close()

    @contextmanager
    def _asked_for(self, path: Path, index: str) -> Iterator[None]:
        """Have the pages of `index` asked for, a stretch with each of SQLite's looks at the clock."""
        if not index or not is_sealed(path) or (pages := Backwards.through(self._driver, path, index)) is None:
            yield
            return
        self._pages = pages
        try:
            yield
        finally:
            self._pages = None
            pages.close()

    def _should_stop(self) -> bool:
        """Whether SQLite should stop."""
        if self._pages is not None:
            self._pages.step(self._stretch)
        return self._call.over or self._late()


class FileSource:
    """The day files of a folder."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """`seconds`: longest time one piece of work may take."""
        self._seconds = seconds
        self._deadline = 0.0
        self.start_clock()
        self._mine = FileReader(folder, seconds, self._late)
        self._ahead = Ahead(lambda: FileReader(folder, seconds, self._late, STEPS_AHEAD), FileReader.close)
        self.catalog: Connection = self._mine.catalog
        """Read-only connection on the catalog; one day file at a time is attached to it."""
        self.rows = self.catalog
        """The same."""

    def start_clock(self) -> None:
        """Give the work that follows its full time."""
        self._deadline = time.monotonic() + self._seconds

    def check_clock(self) -> None:
        """Raises `SearchTooWide` when the time is up."""
        if self._late():
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
        return self._mine.read(part, absent, work)

    def each[T](self, parts: Iterable[Part], absent: T, work: Work[T], index: str = "") -> Generator[T]:
        """What `work` finds in each file, read ahead where that waits for the disk."""

        def read(reader: FileReader, part: Part, call: Call) -> T:
            cut = part.past < ids_of(part.day)[1]  # then the pages wanted are somewhere in the index, not at its end
            return reader.read(part, absent, partial(work, reader.catalog, part), call, "" if cut else index)

        return self._ahead.each(self._mine, parts, read)

    def close(self) -> None:
        """Let go of every file."""
        try:
            self._ahead.close()
        finally:
            self._mine.close()

    def _late(self) -> bool:
        return time.monotonic() > self._deadline


def in_turn[T](source: Source, parts: Iterable[Part], absent: T, work: Work[T]) -> Generator[T]:
    """What `work` finds in each part, one after the other."""
    for part in parts:
        yield source.read(part, absent, partial(work, source.catalog, part))


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
