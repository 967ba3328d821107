"""Day files are read ahead only where that waits for the disk, in their order, and no further than somebody wants.

Shows: `logstore.indexpages`
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from logstore import ahead, indexpages
from logstore.ahead import MOST, Ahead, Call, blocks_read
from logstore.db import days_folder, reading
from logstore.filter import LogFilter
from logstore.indexpages import Backwards
from logstore.place import StoreError
from logstore.query import Archive
from logstore.seal import seal
from logstore.store import Store

from .rows import AT, ended, ids_from, request

DAY_US = 86_400_000_000
PATIENCE = 20.0


def store_days(folder: Path, days: int, rows: int, offset_us: int = 0) -> None:
    """So many rows on each of so many days, by one of three people, each with a search term and a title."""
    with Store(folder) as store:
        for day in range(days):
            ids = ids_from(AT + day * DAY_US + offset_us, 60_000_000)
            who = f"pupil-{day % 3}"
            store.append([(request(ids.next(), user=who, terms=("owls",)), ended(title="Owls")) for _ in range(rows)])


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part that is read seems to come from the disk."""
    blocks = count()
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
        self.ahead = Ahead(self.another, Reader.close)

    def another(self) -> Reader:
        self.made.append(Reader())
        return self.made[-1]

    def each[T](self, parts: int, work: Callable[[Reader, int, Call], T]) -> Iterator[T]:
        return self.ahead.each(Reader(), range(parts), work)


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


def test_what_lies_in_memory_is_read_by_nobody_else(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "blocks_read", lambda: 7)
    assert list(readers.each(30, lambda reader, part, call: part)) == list(range(30))
    assert readers.made == []


def put_out(path: Path) -> None:
    """Have the kernel forget a file's pages; a test is passed over where files lie in memory only."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    if any(in_memory(path)):
        pytest.skip("this file system keeps its files in memory")


def in_memory(path: Path) -> list[bool]:
    """Which pages of a file the kernel has; asking fetches none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
        there = (ctypes.c_ubyte * -(-len(pages) // mmap.PAGESIZE))()
        first = ctypes.c_char.from_buffer(pages)
        told = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(pages)), there
        )
        del first  # or the mapping could not be given back
    assert told == 0, os.strerror(ctypes.get_errno())
    return [bool(page & 1) for page in there]


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
    made = tmp_path_factory.mktemp("store")
    store_days(made, 12, 30)
    assert len(seal(made, datetime.fromtimestamp((AT + 11 * DAY_US) / 1e6, UTC)).sealed) == 11
    store_days(made, 5, 1, offset_us=1_000)
    return made


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
    blocks, threads = count(), set[int]()

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
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000) SELECT count(*) FROM n"
    with Archive(folder) as archive:
        archive.search(LogFilter(), 5)
        assert archive.catalog.exec_driver_sql(numbers).scalar_one() == 100_000


class TestPagesOfAnIndex:
    """A search that goes backwards through an index has its pages asked for."""

    @pytest.fixture
    def packed(self, folder: Path) -> Path:
        return sorted(days_folder(folder).glob("*.db"))[0]

    @pytest.mark.parametrize("index", ["log_terms", "log_title", "log_user_id"])
    def test_it_lies_in_one_piece(self, folder: Path, packed: Path, index: str) -> None:
        with reading(folder) as catalog:
            driver = catalog.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("ATTACH ? AS day", (str(packed),))
            try:
                found = driver.execute("SELECT pageno FROM dbstat('day') WHERE name = ?", (index,)).fetchall()
            except sqlite3.OperationalError:
                pytest.skip("this SQLite does not tell where pages lie")
            pages = [page for (page,) in found]
            (size,) = driver.execute("PRAGMA day.page_size").fetchone()
            asked = Backwards.through(driver, packed, index)
            assert asked is not None
            asked.close()
            assert asked.span == ((min(pages) - 1) * size, max(pages) * size)
            assert Backwards.through(driver, packed, "log_nothing") is None

    def test_its_pages_come_without_being_read(self, tmp_path: Path) -> None:
        path = tmp_path / "some"
        path.write_bytes(bytes(1 << 20))
        put_out(path)
        asked = Backwards(os.open(path, os.O_RDONLY), 1 << 18, 1 << 20)
        quarter = (1 << 18) // mmap.PAGESIZE
        for step in range(1, 5):
            asked.step(1 << 18)
            come = min(step, 3) * quarter
            late = time.monotonic() + PATIENCE
            while (there := in_memory(path)).count(True) < come and time.monotonic() < late:
                time.sleep(0.01)
            assert there == [False] * (4 * quarter - come) + [True] * come
        asked.close()

    @pytest.mark.parametrize(
        ("wanted", "after", "asked"),
        [
            (LogFilter(terms="nowhere"), None, 11),
            (LogFilter(title="nowhere"), None, 11),
            (LogFilter(terms="nowhere", until=datetime.fromtimestamp((AT + 3 * DAY_US) / 1e6, UTC)), None, 3),
            (LogFilter(terms="nowhere"), 1, 0),
            (LogFilter(terms="nowhere", user="pupil-1"), None, 0),
            (LogFilter(user="pupil-1"), None, 0),
        ],
        ids=[
            "terms",
            "title",
            "until the middle of the fourth day",
            "oldest first",
            "with another index",
            "without a text",
        ],
    )
    def test_sealed_days_only_and_only_backwards(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, wanted: LogFilter, after: int | None, asked: int
    ) -> None:
        files = list[str]()
        real = Backwards.step

        def noted(pages: Backwards, size: int) -> None:
            files.append(str(Path(f"/proc/self/fd/{pages._handle}").readlink()))
            real(pages, size)

        monkeypatch.setattr(indexpages.Backwards, "step", noted)
        with Archive(folder) as archive:
            archive.search(wanted, 500, after=after)
        assert len(set(files)) == asked
