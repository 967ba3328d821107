"""A copy made while rows come in is whole, and goes back only where nothing is.

Shows: `logstore.moment`.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from logstore import backup
from logstore.backup import back_up, check, restore
from logstore.db import StoreError, catalog_path, days_folder, upgrade
from logstore.drill import drill
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.retention import prune
from logstore.seal import seal
from logstore.store import Store
from logstore.verify import verify

from .rows import AT, batch, ended, ids_from, request

DAY_US = 86_400_000_000
MADE_AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Place(NamedTuple):
    """How far a worker's spool has been stored."""

    producer: str
    seq: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    with Store(made) as store:
        store.append(batch(50))
        store.append([(request(ids_from(AT + DAY_US).next()), ended())])
    return made


def rows(folder: Path) -> list[int]:
    with Archive(folder) as archive:
        return [row.id for row in archive.walk(LogFilter())]


def test_there_and_back(folder: Path, tmp_path: Path) -> None:
    copied = back_up(folder, tmp_path / "copy", MADE_AT)
    assert (copied.files, copied.rows) == (3, 51)
    assert list(check(tmp_path / "copy")) == []
    restore(tmp_path / "copy", tmp_path / "again")
    assert rows(tmp_path / "again") == rows(folder)
    with Store(tmp_path / "again") as store:
        assert store.append(batch(51)) == 1


def test_a_copy_is_for_nobody_else_s_eyes(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "copy", MADE_AT)
    for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_rows_that_come_in_meanwhile_do_no_harm(folder: Path, tmp_path: Path) -> None:
    """Whatever the copy holds is whole: each row has its names, and the catalog knows each file."""
    stop = threading.Event()

    def ship() -> None:
        ids = ids_from(AT + 2 * DAY_US, 3_600_000_000)
        number = 0
        with Store(folder) as store:
            while not stop.is_set():
                number += 1
                store.append([(request(ids.next(), user=f"new-{number}", host=f"h{number}.example"), ended())])

    shipper = threading.Thread(target=ship)
    shipper.start()
    try:
        for number in range(8):
            back_up(folder, tmp_path / f"copy{number}", MADE_AT)
    finally:
        stop.set()
        shipper.join()
    for number in range(8):
        assert list(check(tmp_path / f"copy{number}")) == []
        found = rows(tmp_path / f"copy{number}")
        assert len(found) >= 51
        assert set(found) <= set(rows(folder))


def shipped_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch, *, at_us: int) -> None:
    """Before each database is copied a lesson's row comes in, with its place in the spool."""
    real, ids, seq = backup._copy_database, ids_from(at_us), itertools.count(100)

    def slow(database: sqlite3.Connection, destination: Path) -> None:
        with Store(folder) as store:
            number = next(seq)
            store.append([(request(ids.next(), user=f"late-{number}"), ended())], Place("w-1-a", number))
        real(database, destination)

    monkeypatch.setattr(backup, "_copy_database", slow)


class TestALessonGoesOnMeanwhile:
    """The copy is of one moment, so that nothing in it speaks of rows that are not in it."""

    @pytest.mark.parametrize("at_us", [AT + 3_600_000_000, AT + 5 * DAY_US], ids=["the same day", "a new day"])
    def test_the_copy_is_whole_and_so_is_its_drill(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_us: int
    ) -> None:
        before = rows(folder)
        shipped_meanwhile(folder, monkeypatch, at_us=at_us)
        assert back_up(folder, tmp_path / "copy", MADE_AT).rows == len(before)
        assert list(check(tmp_path / "copy")) == []
        assert verify(tmp_path / "copy", deep=True).ok
        assert rows(tmp_path / "copy") == before
        assert drill(tmp_path / "copy", tmp_path / "aside").ok
        assert len(rows(folder)) > len(before)

    def test_the_shipper_sends_again_what_the_copy_lacks(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Store(folder) as store:
            store.append([], Place("w-1-a", 7))
        shipped_meanwhile(folder, monkeypatch, at_us=AT + 3_600_000_000)
        back_up(folder, tmp_path / "copy", MADE_AT)
        restore(tmp_path / "copy", tmp_path / "again")
        with Store(tmp_path / "again") as store:
            assert store.cursors() == {"w-1-a": 7}

    def test_a_day_that_retention_takes_meanwhile_is_not_missed(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seal(folder, MADE_AT)
        real, late = backup._copy_sealed, iter([datetime(2027, 5, 22, 12, tzinfo=UTC)])

        def slow(source: Path, destination: Path) -> bool:
            for at in late:
                prune(folder, at, UTC, clock_is_right=True)
            return real(source, destination)

        monkeypatch.setattr(backup, "_copy_sealed", slow)
        assert back_up(folder, tmp_path / "copy", MADE_AT).rows == 1
        assert list(check(tmp_path / "copy")) == []
        assert rows(tmp_path / "copy") == rows(folder)


def test_a_copy_never_writes_over_anything(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    upgrade(other)
    for target in (other, folder):
        with pytest.raises(StoreError, match="is not empty"):
            back_up(folder, target, MADE_AT)
    with pytest.raises(StoreError, match="never writes over rows"):
        restore(folder, other)
    with pytest.raises(StoreError, match="there is no record"):
        back_up(tmp_path / "nothing", tmp_path / "copy", MADE_AT)


def broken(folder: Path, *statements: str, file: str = "catalog.db") -> None:
    with contextlib.closing(sqlite3.connect(folder / file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


class TestCheck:
    """Says what is wrong, and a copy that is not whole is not put back."""

    def test_a_missing_day(self, folder: Path, tmp_path: Path) -> None:
        day = sorted(days_folder(folder).glob("*.db"))[0]
        day.unlink()
        assert list(check(folder)) == [f"{day} is missing"]
        with pytest.raises(StoreError, match="is no whole copy"):
            restore(folder, tmp_path / "again")
        assert not (tmp_path / "again").exists()

    def test_a_damaged_day(self, folder: Path) -> None:
        day = sorted(days_folder(folder).glob("*.db"))[0]
        content = bytearray(day.read_bytes())
        content[4096:12288] = b"\xa5" * 8192
        day.write_bytes(content)
        assert [problem.split(": ")[0] for problem in check(folder)] == [f"{day} is damaged"]

    def test_a_damaged_or_missing_catalog(self, folder: Path) -> None:
        catalog_path(folder).write_bytes(b"no database at all, whatever the name says" * 100)
        assert [problem.split(": ")[0] for problem in check(folder)] == [f"{catalog_path(folder)} is damaged"]
        catalog_path(folder).unlink()
        assert list(check(folder)) == [f"{catalog_path(folder)} is missing"]

    def test_a_day_the_catalog_does_not_know(self, folder: Path) -> None:
        broken(folder, "DELETE FROM day_file WHERE day = '2026-11-22'")
        assert list(check(folder)) == [
            f"{days_folder(folder) / '2026-11-22.db'} is not in the catalog: its rows are not found"
        ]

    def test_a_name_the_catalog_does_not_know(self, folder: Path) -> None:
        broken(folder, "DELETE FROM dim_user WHERE key = 'pupil-0003'")
        assert [problem.partition(" uses ")[2] for problem in check(folder)] == [
            "1 user_id that the catalog does not know"
        ]

    def test_rows_the_catalog_counts_and_the_day_lacks(self, folder: Path) -> None:
        day = days_folder(folder) / "2026-11-22.db"
        broken(folder, "DELETE FROM log", file="days/2026-11-22.db")
        assert list(check(folder)) == [f"{day} has 0 rows, the catalog counts 1"]

    def test_a_day_whose_removal_was_ended_in_the_midst_is_nothing_wrong(self, folder: Path, tmp_path: Path) -> None:
        broken(folder, "UPDATE day_file SET state = 'dropping' WHERE day = '2026-11-22'")
        (days_folder(folder) / "2026-11-22.db").unlink()
        assert list(check(folder)) == []
        assert back_up(folder, tmp_path / "copy", MADE_AT).rows == 50
        assert list(check(tmp_path / "copy")) == []

    def test_an_older_schema(self, folder: Path) -> None:
        broken(folder, "UPDATE alembic_version SET version_num = 'catalog_0000'")
        assert "schoolgate db upgrade" in next(iter(check(folder)))
