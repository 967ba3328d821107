"""Day files are read ahead only where that waits for the disk, in their order, and no further than somebody wants."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection

from logstore import ahead
from logstore.ahead import ENOUGH, MOST, Ahead, Call, blocks_read
from logstore.db import days_folder
from logstore.filter import LogFilter
from logstore.place import StoreError
from logstore.query import Archive
from logstore.source import PAST, Part, SearchTooWide

from .coldfiles import put_out, store_days, twelve_days

PATIENCE = 20.0
NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) SELECT count(*) FROM n"
"""Work for SQLite, in steps that are counted."""
FOR_LONG = 100_000_000


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part that is read seems to come from the disk, and to be large."""
    blocks = count(step=ENOUGH)
    monkeypatch.setattr(ahead, "blocks_read", lambda: next(blocks))


class Reader:
    """One that says in which thread it works."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Readers:
    """Every reader that was made."""

    def __init__(self) -> None:
        self.made: list[Reader] = []
        self.mine = Reader()
        self.ahead = Ahead(self.another, Reader.close)

    def another(self) -> Reader:
        self.made.append(Reader())
        return self.made[-1]

    def each[T](self, parts: int, work: Callable[[Reader, int, Call], T]) -> Iterator[T]:
        return self.ahead.each(self.mine, range(parts), work)


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers()
    yield made
    made.ahead.close()
    assert all(reader.closed for reader in made.made)


@pytest.mark.usefixtures("cold")
class TestCold:
    """Where reading waits for the disk."""

    def test_several_parts_are_read_at_once_and_told_in_their_order(self, readers: Readers) -> None:
        """The second part ends when the third has: alone it never would."""
        third = threading.Event()

        def work(reader: Reader, part: int, call: Call) -> int:
            if part == 2:
                third.set()
            return part if part != 1 or third.wait(PATIENCE) else -1

        assert list(readers.each(30, work)) == list(range(30))
        assert 2 <= len(readers.made) <= MOST
        assert all(reader.thread is not threading.current_thread() for reader in readers.made)

    def test_a_page_that_one_part_fills_reads_one(self, readers: Readers) -> None:
        read = list[int]()
        pages = readers.each(30, lambda reader, part, call: read.append(part))
        next(pages)
        assert (read, readers.made) == ([0], [])

    def test_what_goes_wrong_is_said_when_it_is_its_parts_turn(self, readers: Readers) -> None:
        def work(reader: Reader, part: int, call: Call) -> int:
            if part == 3:
                raise ValueError("three")
            return part

        told = list[int]()
        with pytest.raises(ValueError, match="three"):
            told.extend(readers.each(30, work))
        assert told == [0, 1, 2]

    def test_whoever_reads_ahead_hears_that_nobody_wants_it_any_more(self, readers: Readers) -> None:
        heard, begun = threading.Event(), threading.Event()

        def work(reader: Reader, part: int, call: Call) -> int:
            while part == 2 and not call.over:
                begun.set()
            if part == 2:
                heard.set()
            return part

        pages = readers.ahead.each(Reader(), range(30), work)
        assert [next(pages), next(pages)] == [0, 1]
        assert begun.wait(PATIENCE)
        pages.close()
        assert heard.wait(PATIENCE)

    def test_a_thread_that_cannot_open_the_record_leaves_its_parts_to_their_turn(self) -> None:
        def another() -> Reader:
            raise StoreError("there is no record yet", Path("x"), "make it")

        mine, made = Reader(), Ahead(another, Reader.close)
        assert list(made.each(mine, range(9), lambda reader, part, call: (reader, part))) == [
            (mine, part) for part in range(9)
        ]
        made.close()

    def test_where_there_is_no_thread_to_be_had_every_part_is_read_once_and_here(self, readers: Readers) -> None:
        """Not even when there are threads again: the part that was queued for one would be read twice."""
        read = list[int]()

        def work(reader: Reader, part: int, call: Call) -> Reader:
            read.append(part)
            if part == 5:
                threading.stack_size(usual)
            return reader

        usual = threading.stack_size(1 << 47)  # more than a process can have, so no thread starts
        try:
            assert set(readers.each(30, work)) == {readers.mine}
        finally:
            threading.stack_size(usual)
        assert read == list(range(30))
        assert {reader is readers.mine for reader in readers.each(9, lambda reader, part, call: reader)} == {
            True,
            False,
        }
        assert read == list(range(30))

    def test_closing_ends_a_walk_that_somebody_still_holds(self, readers: Readers) -> None:
        begun, heard = threading.Event(), threading.Event()

        def work(reader: Reader, part: int, call: Call) -> int:
            late = time.monotonic() + PATIENCE
            while part == 2 and not call.over and time.monotonic() < late:
                begun.set()
            if part == 2 and call.over:
                heard.set()
            return part

        pages = readers.each(30, work)
        assert [next(pages), next(pages)] == [0, 1]
        assert begun.wait(PATIENCE)
        readers.ahead.close()
        assert heard.is_set()

    def test_once_closed_nothing_is_read_ahead_any_more(self, readers: Readers) -> None:
        pages = readers.each(30, lambda reader, part, call: reader)
        next(pages)
        readers.ahead.close()
        assert set(pages) == {readers.mine}
        assert set(readers.each(30, lambda reader, part, call: reader)) == {readers.mine}
        assert (readers.made, reading_ahead()) == ([], [])

    def test_a_reader_that_cannot_be_closed_leaves_no_other_open(self) -> None:
        both, made, closed = threading.Barrier(2), list[Reader](), list[Reader]()

        def another() -> Reader:
            made.append(Reader())
            return made[-1]

        def close(reader: Reader) -> None:
            closed.append(reader)
            raise OSError("the disk is gone")

        def work(reader: Reader, part: int, call: Call) -> None:
            if part in {1, 2}:
                both.wait(PATIENCE)

        ahead_of_it = Ahead(another, close)
        list(ahead_of_it.each(Reader(), range(3), work))
        with pytest.raises(OSError, match="the disk is gone"):
            ahead_of_it.close()
        assert len(made) == 2
        assert set(closed) == set(made)


def test_what_lies_in_memory_is_read_by_nobody_else(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "blocks_read", lambda: 7)
    assert list(readers.each(30, lambda reader, part, call: part)) == list(range(30))
    assert readers.made == []


def test_a_search_that_a_few_small_parts_answer_starts_no_thread(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of what is enough comes from the disk for each part: the fourth is the first to be read ahead."""
    blocks = count(step=-(-ENOUGH // 3))
    monkeypatch.setattr(ahead, "blocks_read", lambda: next(blocks))
    pages = readers.each(30, lambda reader, part, call: reader)
    assert [next(pages) for _ in range(3)] == [readers.mine] * 3
    assert readers.made == []
    assert next(pages) in readers.made


def test_what_comes_from_the_disk_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(bytes(100_000))
    put_out(path)
    before = blocks_read()
    path.read_bytes()
    first = blocks_read()
    path.read_bytes()
    assert before < first == blocks_read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days, sealed but for the last, with a late row in each of the first."""
    return twelve_days(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(user="pupil-1"),
        LogFilter(terms="owl"),
        LogFilter(terms="nowhere"),
        LogFilter(domain="example.org"),
    ],
    ids=LogFilter.sentence,
)
def test_the_record_tells_the_same_read_ahead_or_not(
    folder: Path, wanted: LogFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> list[object]:
        with Archive(folder) as archive:
            pages = [archive.search(wanted, 7)]
            while (older := pages[-1].next) is not None:
                pages.append(archive.search(wanted, 7, before=older))
            return [pages, *(list(archive.walk(wanted, rising=rising)) for rising in (False, True)),
                    archive.count(wanted), archive.count(wanted, 50)]  # fmt: skip

    one_by_one = told()
    blocks, threads = count(step=ENOUGH), set[int]()

    def noted() -> int:
        threads.add(threading.get_ident())
        return next(blocks)

    monkeypatch.setattr(ahead, "blocks_read", noted)
    assert told() == one_by_one
    assert len(threads) > 1


@pytest.mark.usefixtures("cold")
def test_a_day_that_goes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    store_days(tmp_path, 8, 1)
    for path in sorted(days_folder(tmp_path).glob("*.db"))[2:6]:
        path.unlink()
    with Archive(tmp_path) as archive:
        assert len(archive.search(LogFilter(), 50).rows) == 4


@pytest.mark.usefixtures("cold")
def test_a_search_that_is_over_stops_nothing_that_is_asked_later(folder: Path) -> None:
    with Archive(folder) as archive:
        archive.search(LogFilter(), 5)
        assert archive.catalog.exec_driver_sql(NUMBERS.format(100_000)).scalar_one() == 100_000


def by_sqlalchemy(catalog: Connection) -> None:
    catalog.exec_driver_sql(NUMBERS.format(FOR_LONG)).scalar_one()


def by_the_driver(catalog: Connection) -> None:
    driver = catalog.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute(NUMBERS.format(FOR_LONG)).fetchone()


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("ask", [by_sqlalchemy, by_the_driver])
def test_who_reads_ahead_has_no_more_time_than_the_search(folder: Path, ask: Callable[[Connection], None]) -> None:
    here, told = threading.current_thread(), list[bool]()

    def work(catalog: Connection, part: Part) -> bool:
        if threading.current_thread() is not here:
            ask(catalog)
        return True

    with Archive(folder, seconds=0.2) as archive:
        archive.start_clock()
        selection = LogFilter().select(archive.catalog)
        assert selection is not None
        with (
            contextlib.closing(archive._source.each(archive.parts(selection, 0, PAST)[:3], False, work)) as each,
            pytest.raises(SearchTooWide, match=r"stopped after 0\.2 seconds"),
        ):
            told.extend(each)
    assert told == [True]


def open_in(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    found = list[str]()
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the handle that lists the folder is gone by now
            found.append(str(handle.readlink()))
    return [path for path in found if path.startswith(str(folder))]


def reading_ahead() -> list[str]:
    """The threads that read ahead."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reading-ahead")]


@pytest.mark.usefixtures("cold")
def test_closing_the_record_leaves_no_thread_and_no_file_behind(folder: Path) -> None:
    """Nor does it wait for what is read ahead, though somebody still holds the walk."""
    begun, stopped = threading.Event(), threading.Event()

    def work(catalog: Connection, part: Part) -> bool:
        if part is parts[2]:
            begun.set()
            try:
                by_sqlalchemy(catalog)
            except Exception:
                stopped.set()
                raise
        return True

    with Archive(folder, seconds=PATIENCE) as archive:
        rows = archive.walk(LogFilter())
        next(rows)
        selection = LogFilter().select(archive.catalog)
        assert selection is not None
        parts = archive.parts(selection, 0, PAST)
        each = archive._source.each(parts, False, work)
        assert [next(each), next(each)] == [True, True]
        assert begun.wait(PATIENCE)
        assert reading_ahead()
        assert open_in(folder)
        closing = time.monotonic()
    assert stopped.is_set()
    assert time.monotonic() - closing < PATIENCE / 2
    assert (reading_ahead(), open_in(folder)) == ([], [])
    assert rows is not None
    assert each is not None
