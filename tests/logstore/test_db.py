"""The store's files: made whole, opened safely, never written by a reader."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from logstore.db import (
    StoreError,
    attached,
    catalog_path,
    compact,
    create_day,
    days_folder,
    files_of,
    head,
    open_catalog,
    reading,
    revision_of,
    upgrade,
    write_lock,
)


def test_the_first_upgrade_makes_the_store_and_the_second_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert upgrade(folder) == ("catalog.db",)
    assert upgrade(folder) == ()
    assert revision_of(catalog_path(folder)) == head("catalog")


def test_a_day_file_is_made_by_its_migration(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-21.db"
    create_day(path)
    assert revision_of(path) == head("day")
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_name_with_odd_characters_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "100% school? #1 'store'"
    upgrade(folder)
    create_day(days_folder(folder) / "2026-11-21.db")
    with reading(folder) as catalog, attached(catalog, days_folder(folder) / "2026-11-21.db"):
        assert catalog.exec_driver_sql("SELECT count(*) FROM day.log").scalar() == 0


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    upgrade(tmp_path)
    create_day(days_folder(tmp_path) / "2026-11-21.db")
    with reading(tmp_path) as catalog, attached(catalog, days_folder(tmp_path) / "2026-11-21.db"):
        for statement in ("DELETE FROM dim_user", "DELETE FROM day.log", "DROP TABLE day.log"):
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                catalog.exec_driver_sql(statement)


def test_a_store_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    for opened in (open_catalog, lambda folder: reading(folder).__enter__()):
        with pytest.raises(StoreError, match=r"there is no record yet.*schoolgate db upgrade"):
            opened(tmp_path)


@pytest.mark.parametrize("content", [b"this is no database, but it is long enough to be one" * 20, b"\x00" * 4096])
def test_a_damaged_catalog_is_said(tmp_path: Path, content: bytes) -> None:
    catalog_path(tmp_path).write_bytes(content)
    with pytest.raises(StoreError, match=r"catalog\.db: is damaged"):
        upgrade(tmp_path)


def test_writers_wait_for_the_disk_and_for_each_other(tmp_path: Path) -> None:
    upgrade(tmp_path)
    with open_catalog(tmp_path).connect() as catalog:
        assert catalog.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert catalog.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert catalog.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert catalog.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000


def test_the_lock_keeps_others_out_until_it_is_let_go_or_its_holder_dies(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from logstore.db import write_lock\n"
        "with write_lock(Path(sys.argv[1])):\n    print('mine', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "mine\n"
    import fcntl

    handle = os.open(tmp_path / "store.lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with write_lock(tmp_path):
        pass


def test_compacting_leaves_no_trace_of_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (name TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(f"pupil-secret-{n}",) for n in range(5000)])
    connection.execute("DELETE FROM t")
    connection.commit()
    assert compact(path)
    for part in files_of(path):
        assert not part.exists() or b"pupil-secret" not in part.read_bytes(), part
    connection.close()


def test_compacting_says_when_somebody_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    reader = sqlite3.connect(path)
    reader.execute("PRAGMA journal_mode=WAL")
    reader.execute("CREATE TABLE t (name TEXT)")
    reader.commit()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    assert not compact(path, seconds=0.05)
    reader.rollback()
    assert compact(path, seconds=0.05)
    reader.close()
