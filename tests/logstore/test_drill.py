"""A restore is practised with copies that were made, sealed days byte for byte; too old copies go.

Shows: `logstore.copies`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logstore import backup
from logstore.audit import entries, record_change
from logstore.backup import MADE, back_up, made_of, refuse
from logstore.copies import BEGAN, COPIED, KEPT, UNFINISHED, copies, copy_cleaner
from logstore.db import StoreError, days_folder, open_catalog, reading, upgrade
from logstore.drill import drill, drill_cleaner
from logstore.evidence import note_ends
from logstore.filecheck import sha256_of
from logstore.rolling import Roller
from logstore.seal import seal
from logstore.store import Store
from logstore.verify import verify
from proxy.cli import main

from .rows import AT, batch, ended, ids_from, request

KILLED = """
import os, sys
from logstore import backup, drill
from proxy import storecare
from proxy.cli import main

def die(*_, **__):
    os.kill(os.getpid(), 9)

def note(args, settings, what, *more, real=storecare._note):
    die() if what == storecare.COPIED else real(args, settings, what, *more)

data, when = sys.argv[1:]
if when == "a drill":
    drill.verify = die
    main(["--data", data, "db", "drill", data + "/copy"])
elif when == "half made":
    backup._copy_sealed = die
else:
    storecare._note = note
main(["--data", data, "db", "backup", data + "/copy", "--why", "nightly"])
"""
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
    for removed in (1, 0):  # what is not ours is told every night, until somebody looked
        done = clean(NOW, False)
        assert (done.removed, [(one.what, one.wrong) for one in done.stayed]) == (removed, [(str(shared), True)])
        assert "somebody's own file is not ours" in done.stayed[0].why
    assert not old.exists()
    assert sorted(path.name for path in shared.iterdir()) == [MADE, "somebody's own file"]
    (shared / "somebody's own file").unlink()
    assert clean(NOW, False).removed == 1
    assert not shared.exists()
    assert verify(new).ok


def test_a_copy_somebody_looked_into_goes_whole(folder: Path, tmp_path: Path) -> None:
    """With the locks, logs and sums that looking leaves."""
    copy = copied(folder, tmp_path / "copy")
    upgrade(copy)
    list(Roller(copy).catch_up())
    (copy / "catalog.db-wal").touch()
    assert (copy / "rollups" / FILE).exists()
    done = copy_cleaner(folder, lambda: NOW + KEPT)(NOW, False)
    assert (done.removed, done.stayed) == (1, ())
    assert not copy.exists()


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


class TestACopyThatBreaksOff:
    def test_leaves_nothing(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(source: Path, destination: Path) -> bool:
            assert (tmp_path / "copy" / MADE).exists()
            raise Interrupted

        monkeypatch.setattr(backup, "_copy_sealed", interrupt)
        with pytest.raises(Interrupted):
            back_up(folder, tmp_path / "copy", NOW)
        assert not (tmp_path / "copy").exists()

    @pytest.mark.parametrize("when", ["half made", "before it says so"])
    def test_and_was_killed_goes_all_the_same(self, folder: Path, tmp_path: Path, when: str) -> None:
        """By the line that was written first; one that never got whole is offered to nobody, and goes early."""
        ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], capture_output=True, check=False)
        assert ran.returncode == -9, ran.stderr
        with reading(folder) as catalog:
            assert entries(catalog, kind="export")[0].what == BEGAN
            whole = when == "before it says so"
            assert [*copies(catalog)] == [tmp_path / "copy"][:whole]
            assert [*copies(catalog, whole=False)] == [tmp_path / "copy"]
        kept = KEPT if whole else UNFINISHED
        now = datetime.now(UTC)
        assert copy_cleaner(folder, lambda: now + kept - timedelta(hours=1))(NOW, False).removed == 0
        assert copy_cleaner(folder, lambda: now + kept + timedelta(hours=1))(NOW, False).removed == 1
        assert not (tmp_path / "copy").exists()

    def test_a_copy_over_something_is_no_line_in_the_trail(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "mine").touch()
        with pytest.raises(StoreError, match="is not empty"):
            refuse(folder, tmp_path / "copy")
        assert main(["--data", str(tmp_path), "db", "backup", str(tmp_path / "copy"), "--why", "x"]) == 1
        with reading(folder) as catalog:
            assert not any(line.what == BEGAN for line in entries(catalog, kind="export"))


class TestADrillThatBreaksOff:
    def left(self, folder: Path, tmp_path: Path) -> Path:
        copied(folder, tmp_path / "copy")
        ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "a drill"], capture_output=True, check=False)
        assert ran.returncode == -9, ran.stderr
        assert list((tmp_path / "drill").rglob("*.db"))
        return tmp_path / "drill"

    def test_leaves_nothing(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise Interrupted

        monkeypatch.setattr("logstore.drill.verify", interrupt)
        with pytest.raises(Interrupted):
            drill(copied(folder, tmp_path / "copy"), tmp_path / "aside")
        assert not (tmp_path / "aside").exists()

    def test_and_was_killed_is_in_no_later_one_s_way(self, folder: Path, tmp_path: Path) -> None:
        assert drill(tmp_path / "copy", self.left(folder, tmp_path)).ok
        assert not (tmp_path / "drill").exists()

    def test_and_was_killed_is_cleared_the_night_after(self, folder: Path, tmp_path: Path) -> None:
        place = self.left(folder, tmp_path)
        clean = drill_cleaner(folder)
        assert (clean(NOW, True).removed, place.exists()) == (1, True)
        assert (clean(NOW, False).removed, place.exists()) == (1, False)
        assert clean(NOW, False).removed == 0

    def test_one_that_is_at_work_is_left_alone(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place, seen = self.left(folder, tmp_path), []

        def look(store: Path, **how: Any) -> Any:
            seen.append((drill_cleaner(folder)(NOW, False).removed, drill(tmp_path / "copy", place).problems))
            return verify(store, **how)

        monkeypatch.setattr("logstore.drill.verify", look)
        assert drill(tmp_path / "copy", place).ok
        assert seen == [(0, (f"{place} is there already; name a place that is not",))]
