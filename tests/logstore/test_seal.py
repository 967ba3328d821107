"""A closed day is sealed whole, whatever dies meanwhile, and nothing of it is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore import packing
from logstore import seal as sealing
from logstore.audit import entries
from logstore.backup import check
from logstore.db import SEALING, attached, days_folder, is_sealed, reading, reading_file, upgrade
from logstore.filecheck import sha256_of
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.retention import prune
from logstore.schema import day_file
from logstore.seal import due, finish, seal
from logstore.store import Store
from logstore.verify import verify

from .rows import AT, batch, ended, ids_from, request

DAY_US = 86_400_000_000
FILE = "2026-11-21.db"
CLOSED = datetime(2026, 11, 22, 3, tzinfo=UTC)
"""Three hours after the day ended."""
IDS = [record.id for record, _ in batch(50)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fifty rows on a day, one on the next."""
    made = tmp_path / "store"
    with Store(made) as store:
        store.append(batch(30))
        store.append(batch(50))
        store.append([(request(ids_from(AT + DAY_US).next()), ended())])
    return made


def rows(folder: Path) -> list[int]:
    with Archive(folder) as archive:
        return [row.id for row in archive.walk(LogFilter(), rising=True)]


def books(folder: Path, file: str = FILE) -> dict[str, object]:
    with reading(folder) as catalog:
        return dict(catalog.execute(day_file.select().where(day_file.c.file == file)).mappings().one())


def test_a_closed_day_is_packed_hashed_and_read_only(folder: Path) -> None:
    before, path = rows(folder), days_folder(folder) / FILE
    run = seal(folder, CLOSED)
    assert [one.file for one in run.sealed] == [FILE]
    assert run.ok
    sealed, known = run.sealed[0], books(folder)
    assert (known["state"], known["sha256"], known["rows"]) == ("sealed", sha256_of(path), 50)
    assert (known["bytes"], known["min_id"], known["max_id"]) == (path.stat().st_size, IDS[0], IDS[49])
    assert (sealed.batches, sealed.mark) == (known["batches"], known["mark"])
    assert path.stat().st_mode & 0o777 == 0o400
    assert sorted(other.name for other in days_folder(folder).iterdir() if FILE in other.name) == [FILE]
    with contextlib.closing(sqlite3.connect(path)) as day:
        assert day.execute("PRAGMA page_size").fetchone() == (packing.PAGE_SIZE,)
        assert day.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert rows(folder) == before
    assert list(check(folder)) == []
    assert verify(folder, deep=True).ok
    with reading(folder) as catalog:
        line = entries(catalog, kind="evidence")[0]
    assert (line.what, line.subject) == ("sealed a day", FILE)
    assert line.after == sealed.as_json()


def test_a_day_is_sealed_once_and_not_before_it_is_over(folder: Path) -> None:
    assert due(folder, datetime(2026, 11, 22, 2, 59, tzinfo=UTC)) == []
    assert due(folder, CLOSED) == [FILE]
    seal(folder, CLOSED)
    assert seal(folder, CLOSED).sealed == ()
    assert due(folder, datetime(2026, 11, 23, 3, tzinfo=UTC)) == ["2026-11-22.db"]


class TestLateRows:
    """Rows that come after a day was sealed go into a part of their own, which is sealed in its turn."""

    def test_they_are_found_and_stored_once(self, folder: Path) -> None:
        late = [(request(IDS[49] + 1 + n, user="late"), ended()) for n in range(3)]
        with Store(folder) as store:
            store.append(batch(50))
            seal(folder, CLOSED)
            was = sha256_of(days_folder(folder) / FILE)
            assert store.append([*batch(50)[40:], *late]) == 3
            assert store.append(late) == 0
        assert sha256_of(days_folder(folder) / FILE) == was
        assert books(folder, "2026-11-21.late1.db")["rows"] == 3
        assert len(found := rows(folder)) == len(set(found)) == 54
        assert verify(folder).ok
        assert [one.file for one in seal(folder, CLOSED).sealed] == ["2026-11-21.late1.db"]
        with Store(folder) as store:
            assert store.append([*late, (request(IDS[49] + 9), ended())]) == 1
        assert books(folder, "2026-11-21.late2.db")["rows"] == 1
        assert len(rows(folder)) == 55
        assert verify(folder, deep=True).ok

    def test_a_batch_that_is_all_in_the_sealed_day_leaves_no_bounds(self, folder: Path) -> None:
        """A part without a row says so: else every search would begin with the first id there ever was."""
        with Store(folder) as store:
            seal(folder, CLOSED)
            assert store.append(batch(50)[40:]) == 0
            empty = books(folder, "2026-11-21.late1.db")
            assert (empty["rows"], empty["min_id"], empty["max_id"]) == (0, None, None)
            assert store.append([(request(IDS[49] + 1), ended())]) == 1
        bounds = books(folder, "2026-11-21.late1.db")
        assert (bounds["min_id"], bounds["max_id"]) == (IDS[49] + 1, IDS[49] + 1)
        assert verify(folder, deep=True).ok

    def test_while_the_copy_is_made(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        late = iter([[(request(IDS[49] + 1, user="late"), ended())]])
        real = sealing._look

        def slow(*args: Path) -> sealing.Sealed:
            for some in late:  # once: the second look is taken while nobody can write
                with Store(folder) as store:
                    store.append(some)
            return real(*args)

        monkeypatch.setattr(sealing, "_look", slow)
        assert [one.rows for one in seal(folder, CLOSED).sealed] == [51]
        assert len(rows(folder)) == 52
        assert verify(folder, deep=True).ok


def test_a_reader_sees_every_row_before_during_and_after(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    for step in ("_copy", "_empty_log", "_enter", "_put_in_place"):
        real = getattr(sealing, step)

        def look(*args: object, real: object = real) -> object:
            done = real(*args)  # type: ignore[operator]
            seen.append(len(rows(folder)))
            return done

        monkeypatch.setattr(sealing, step, look)
    with Archive(folder) as archive:
        walk = archive.walk(LogFilter(), rising=True, limit=10)
        first = [next(walk).id for _ in range(3)]
        seal(folder, CLOSED)
        assert [*first, *(row.id for row in walk)] == rows(folder)
    assert seen == [51, 51, 51, 51]


def test_a_day_somebody_reads_for_long_is_sealed_the_next_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "WAIT_MS", 10)
    with Store(folder) as store, reading_file(days_folder(folder) / FILE) as day:
        day.exec_driver_sql("BEGIN")
        day.exec_driver_sql("SELECT * FROM log LIMIT 1").fetchone()
        store.append([(request(IDS[49] + 1), ended())])
        run = seal(folder, CLOSED)
    assert list(run.stayed) == [FILE]
    assert "is being read" in run.stayed[FILE]
    assert not list(days_folder(folder).glob(f"{SEALING}*"))
    assert seal(folder, CLOSED).ok
    assert len(rows(folder)) == 52


def test_without_room_it_stays_open_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "ROOM", 1e12)
    run = seal(folder, CLOSED)
    assert "Make room" in run.stayed[FILE]
    assert books(folder)["state"] == "open"
    with Store(folder) as store:
        assert store.append([(request(IDS[49] + 1), ended())]) == 1


def test_what_was_changed_before_the_seal_is_said_for_ever(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(days_folder(folder) / FILE)) as day, day:
        day.execute(f"UPDATE log SET path = '/innocent' WHERE id = {IDS[7]}")
    run = seal(folder, CLOSED)
    assert not run.ok
    assert run.sealed[0].problems == (f"{FILE}, batch 1, record {IDS[7]}: the row was changed",)
    assert [str(problem) for problem in verify(folder).problems] == [
        f"{FILE}: when it was sealed: {FILE}, batch 1, record {IDS[7]}: the row was changed"
    ]


def test_nothing_writes_to_a_sealed_day(folder: Path) -> None:
    seal(folder, CLOSED)
    path = days_folder(folder) / FILE
    was = path.read_bytes()
    upgrade(folder)
    with reading(folder) as catalog, attached(catalog, path), pytest.raises(Exception, match="readonly"):
        catalog.exec_driver_sql("DELETE FROM day.log")
    rows(folder)
    assert is_sealed(path)
    assert path.read_bytes() == was


def test_retention_removes_a_sealed_day_and_what_lies_beside_it(folder: Path) -> None:
    seal(folder, CLOSED)
    (days_folder(folder) / f"{SEALING}{FILE}").write_bytes(b"left by a kill")
    report = prune(folder, datetime(2027, 5, 22, 12, tzinfo=UTC), ZoneInfo("Europe/London"), clock_is_right=True)
    assert [(day.file, day.rows, bool(day.sha256)) for day in report.days] == [(FILE, 50, True)]
    assert not [other for other in days_folder(folder).iterdir() if FILE in other.name]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from logstore import packing
from logstore import seal as sealing
where, before = sys.argv[2], sys.argv[3] == "before"
real = getattr(sealing, where)
def die(*args):
    if before:
        os.kill(os.getpid(), signal.SIGKILL)
    real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(sealing, where, die)
sealing.seal(Path(sys.argv[1]), datetime(2026, 11, 22, 3, tzinfo=UTC))
"""


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("_copy", "before"),
        ("_copy", "after"),
        ("_look", "after"),
        ("_empty_log", "after"),
        ("_enter", "after"),
        ("_put_in_place", "after"),
    ],
)
def test_a_kill_after_any_step_loses_nothing_and_the_next_run_finishes(folder: Path, where: str, when: str) -> None:
    before = rows(folder)
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), where, when], capture_output=True, text=True, env=dict(os.environ)
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert rows(folder) == before
    assert verify(folder, deep=True).ok
    late = (request(IDS[49] + 1, user="late"), ended())
    with Store(folder) as store:  # the shipper goes on before anybody tidies
        assert store.append([*batch(50), late]) == 1
    assert rows(folder) == sorted([*before, late[0].id])
    run = seal(folder, CLOSED)
    assert run.ok
    assert not list(days_folder(folder).glob(f"{SEALING}*"))
    assert books(folder)["state"] == "sealed"
    assert is_sealed(days_folder(folder) / FILE)
    assert rows(folder) == sorted([*before, late[0].id])
    assert verify(folder, deep=True).ok


def test_a_copy_that_is_not_the_one_in_the_books_is_never_put_in_place(folder: Path) -> None:
    seal(folder, CLOSED)
    stray = days_folder(folder) / f"{SEALING}{FILE}"
    stray.write_bytes(b"something else")
    assert finish(folder) == ()
    assert not stray.exists()
    assert verify(folder).ok
