"""A search that goes backwards through an index of a packed day has its pages asked for; no search fails by it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore import indexpages
from logstore.db import days_folder, reading
from logstore.filter import LogFilter
from logstore.folding import day_of
from logstore.indexpages import STRETCH, Backwards
from logstore.query import Archive
from logstore.store import Store

from .coldfiles import DAY_US, seal_days, store_days, twelve_days
from .rows import AT, ended, ids_from, request

PATIENCE = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days, sealed but for the last, with a late row in each of the first."""
    return twelve_days(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed day whose indexes take several pages each."""
    folder = tmp_path_factory.mktemp("packed")
    ids = ids_from(AT, 1_000_000)
    with Store(folder) as store:
        store.append([(request(ids.next(), terms=(f"owls {n}",)), ended(title=f"Owls {n}")) for n in range(6_000)])
    return seal_days(folder, 1)[0]


class TestPagesOfAnIndex:
    """A search that goes backwards through an index has its pages asked for."""

    @pytest.mark.parametrize("index", ["log_terms", "log_title", "log_user_id"])
    def test_it_lies_in_one_piece(self, packed: Path, index: str) -> None:
        with reading(packed.parent.parent) as catalog:
            driver = catalog.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("ATTACH ? AS day", (str(packed),))
            try:
                found = driver.execute("SELECT pageno FROM dbstat('day') WHERE name = ?", (index,)).fetchall()
            except sqlite3.OperationalError:
                pytest.skip("this SQLite does not tell where pages lie")
            pages = [page for (page,) in found]
            assert len(pages) > 3
            (size,) = driver.execute("PRAGMA day.page_size").fetchone()
            asked = Backwards.through(driver, packed, index)
            assert asked is not None
            asked.close()
            assert asked.span == ((min(pages) - 1) * size, max(pages) * size)
            assert Backwards.through(driver, packed, "log_nothing") is None

    def test_a_day_sealed_before_there_was_packing_is_searched_without(self, tmp_path: Path) -> None:
        """Such a file has the roots of all its indexes at its front, and their pages somewhere behind."""
        store_days(tmp_path, 1, 30)
        (path,) = days_folder(tmp_path).glob("*.db")
        older = tmp_path / "older.db"
        with contextlib.closing(sqlite3.connect(path)) as day:
            day.execute("VACUUM INTO ?", (str(older),))
        older.chmod(0o400)
        older.replace(path)
        with reading(tmp_path) as catalog:
            driver = catalog.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("ATTACH ? AS day", (str(path),))
            assert driver.execute("SELECT 1 FROM day.sqlite_schema WHERE name = 'log_terms'").fetchone() == (1,)
            assert Backwards.through(driver, path, "log_terms") is None

    def test_a_day_that_goes_while_its_pages_are_asked_for_fails_no_search(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store_days(tmp_path, 4, 3)
        goes = seal_days(tmp_path, 4)[2]
        with Archive(tmp_path) as archive:
            every = {row.id for row in archive.search(LogFilter(terms="owl"), 50).rows}
        of_others = {row for row in every if day_of(row) not in goes.name}
        assert (len(every), len(of_others)) == (12, 9)
        real = Backwards.through

        def gone(driver: sqlite3.Connection, path: Path, index: str) -> Backwards | None:
            if path == goes:
                path.unlink()
            return real(driver, path, index)

        monkeypatch.setattr(Backwards, "through", gone)
        with Archive(tmp_path) as archive:
            assert of_others <= {row.id for row in archive.search(LogFilter(terms="owl"), 50).rows} <= every
        assert not goes.exists()

    def test_what_takes_no_hint_fails_no_search(self) -> None:
        given, taken = os.pipe()
        asked = Backwards(given, 0, 1 << 20)
        asked.step(1 << 20)
        asked.close()
        os.close(taken)

    def test_little_is_asked_for_together(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        path = tmp_path / "some"
        path.write_bytes(bytes(1 << 10))
        hints = list[tuple[int, int]]()
        monkeypatch.setattr(os, "posix_fadvise", lambda handle, start, size, kind: hints.append((start, size)))
        asked = Backwards(os.open(path, os.O_RDONLY), 0, 5 * STRETCH // 2)
        for _ in range(30):
            asked.step(STRETCH // 8)
        asked.close()
        assert hints == [(3 * STRETCH // 2, STRETCH), (STRETCH // 2, STRETCH), (0, STRETCH // 2)]

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
    def test_packed_days_only_and_only_backwards(
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
