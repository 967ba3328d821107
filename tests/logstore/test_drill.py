"""A restore is practised with copies that were made, sealed days byte for byte; too old copies go.

Shows: `logstore.copies`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logstore.audit import record_change
from logstore.backup import MADE, back_up, made_of
from logstore.copies import COPIED, KEPT, copies, copy_cleaner
from logstore.db import days_folder, open_catalog, reading
from logstore.drill import drill
from logstore.evidence import note_ends
from logstore.filecheck import sha256_of
from logstore.seal import seal
from logstore.store import Store
from logstore.verify import verify

from .rows import AT, batch, ended, ids_from, request

FILE = "2026-11-21.db"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sealed day and an open one."""
    made = tmp_path / "store"
    with Store(made) as store:
        store.append(batch(30))
        seal(made, datetime(2026, 11, 22, 3, tzinfo=UTC))
        store.append([(request(ids_from(AT + 86_400_000_000).next()), ended())])
    note_ends(made, who="test", at=NOW)
    return made


def copied(folder: Path, destination: Path, at: datetime = NOW) -> Path:
    """As `db backup` does it."""
    back_up(folder, destination, at)
    engine = open_catalog(folder)
    with engine.begin() as catalog:
        record_change(catalog, who="test", what=COPIED, subject=str(destination), at=at, kind="export")
    return destination


def test_a_sealed_day_is_copied_byte_for_byte_and_the_copy_can_be_verified(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "copy")
    assert sha256_of(days_folder(copy) / FILE) == sha256_of(days_folder(folder) / FILE)
    assert verify(copy, deep=True).ok
    made = made_of(copy)
    assert made is not None
    assert (made.at, made.rows) == (NOW, 31)
    number, _, mark = made.head.partition(":")
    assert verify(folder, kept=(int(number), mark)).ok


def test_a_day_sealed_while_it_is_copied_is_copied_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logstore import backup

    real, late = backup._copy_database, iter([datetime(2026, 11, 23, 3, tzinfo=UTC)])
    stayed: dict[str, str] = {}

    def slow(database: sqlite3.Connection, destination: Path) -> None:
        for at in late:
            stayed.update(seal(folder, at).stayed)
        real(database, destination)

    monkeypatch.setattr(backup, "_copy_database", slow)
    back_up(folder, tmp_path / "copy", NOW)
    assert verify(tmp_path / "copy", deep=True).ok
    assert verify(folder, deep=True).ok
    assert drill(tmp_path / "copy", tmp_path / "aside").rows == 31
    assert seal(folder, NOW).ok, stayed


def test_a_drill_says_how_many_rows_came_back_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    done = drill(copied(folder, tmp_path / "copy"), tmp_path / "aside")
    assert (done.problems, done.rows, done.made) == ((), 31, NOW.isoformat())
    assert not (tmp_path / "aside").exists()
    assert verify(folder).ok


class TestADrillThatFails:
    def test_over_a_row_changed_in_the_copy(self, folder: Path, tmp_path: Path) -> None:
        copy = copied(folder, tmp_path / "copy")
        with contextlib.closing(sqlite3.connect(days_folder(copy) / "2026-11-22.db")) as day, day:
            day.execute("UPDATE log SET path = '/innocent'")
        assert "the row was changed" in drill(copy, tmp_path / "aside").problems[0]
        assert not (tmp_path / "aside").exists()

    def test_over_a_missing_day(self, folder: Path, tmp_path: Path) -> None:
        copy = copied(folder, tmp_path / "copy")
        (days_folder(copy) / FILE).unlink()
        assert "is no whole copy" in drill(copy, tmp_path / "aside").problems[0]

    def test_over_a_copy_that_is_not_the_one_that_was_made(self, folder: Path, tmp_path: Path) -> None:
        copy = copied(folder, tmp_path / "copy")
        (copy / MADE).write_text((copy / MADE).read_text().replace('"head": "', '"head": "9'))
        assert "audit trail: line" in drill(copy, tmp_path / "aside").problems[0]

    def test_over_a_place_that_is_taken(self, folder: Path, tmp_path: Path) -> None:
        assert "is there already" in drill(copied(folder, tmp_path / "copy"), folder).problems[0]
        assert verify(folder).ok


def test_the_newest_copy_that_is_there_is_found(folder: Path, tmp_path: Path) -> None:
    first, second = copied(folder, tmp_path / "first"), copied(folder, tmp_path / "second", NOW + timedelta(days=1))
    with reading(folder) as catalog:
        assert list(copies(catalog)) == [second, first]
    (second / MADE).unlink()
    with reading(folder) as catalog:
        assert list(copies(catalog)) == [first]


def test_a_copy_goes_when_its_time_is_over_and_nothing_else_with_it(folder: Path, tmp_path: Path) -> None:
    old, new = copied(folder, tmp_path / "old"), copied(folder, tmp_path / "new", NOW + timedelta(days=2))
    shared = copied(folder, tmp_path / "shared")
    (shared / "somebody's own file").write_text("stays")
    clean = copy_cleaner(folder, lambda: NOW + KEPT)
    assert clean(NOW, True).removed == 2
    assert old.exists()
    done = clean(NOW, False)
    assert (done.removed, [(one.what, one.wrong) for one in done.stayed]) == (1, [(str(shared), True)])
    assert not old.exists()
    assert [path.name for path in shared.iterdir()] == ["somebody's own file"]
    assert verify(new).ok
