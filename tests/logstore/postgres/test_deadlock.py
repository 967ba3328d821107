"""An update and whoever is at work meanwhile wait for each other: neither loses anything, and nobody has to help.

Shows: `logstore.postgres.db`, `logstore.shipper`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from logstore.db import head, migrate_with, open_catalog, upgrade
from logstore.filter import LogFilter
from logstore.place import Database, StoreError
from logstore.postgres import db, locks
from logstore.postgres.db import revision_of
from logstore.query import Archive
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import open_store
from tests.logstore.rows import AT, batch, ids_from
from tests.logstore.spooling import fill
from tests.rig.postgres import Postgres

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> %s"
NAMES_WANTED = f"{WAITING} AND relation = 'dim_host'::regclass"
BOOKS_WANTED = f"{WAITING} AND relation = 'day_file'::regclass"


@pytest.fixture
def other(database: Database, postgres: Postgres) -> Iterator[psycopg.Connection]:
    """Somebody else, whose patience with a deadlock lasts longest: the server ends what the others do."""
    name = str(database.url.database)
    with postgres.connect(name) as connection:
        connection.execute(f"ALTER DATABASE \"{name}\" SET deadlock_timeout = '3s'")  # type: ignore[arg-type]
        connection.execute("SET deadlock_timeout = '60s'")
        yield connection


@pytest.fixture
def old(database: Database) -> Database:
    """A record of a release before, with rows: its update locks rows and names."""
    with open_store(database) as store:
        store.append(batch(40))
    migrate_with(open_catalog(database), "day", "day_0005", down=True)
    migrate_with(open_catalog(database), "catalog", "catalog_0017", down=True)
    return database


def until(watcher: psycopg.Connection, other: psycopg.Connection, question: str, work: Future[Any]) -> None:
    """Until somebody waits for that."""
    while watcher.execute(question, (other.info.backend_pid,)).fetchone() == (0,):  # type: ignore[arg-type]
        assert not work.done(), work.result()


def crossed(old: Database, other: psycopg.Connection, postgres: Postgres) -> tuple[str, ...]:
    """An update, while somebody reads names and then rows: it has locked the rows, and wants the names."""
    with postgres.connect(str(old.url.database)) as watcher, ThreadPoolExecutor() as threads:
        with other.transaction():
            other.execute("LOCK TABLE dim_host IN ACCESS SHARE MODE")
            updated = threads.submit(upgrade, old)
            until(watcher, other, NAMES_WANTED, updated)
            other.execute("LOCK TABLE log IN ACCESS SHARE MODE")
        return updated.result(60)


def test_an_update_that_a_deadlock_ends_begins_again(
    old: Database, other: psycopg.Connection, postgres: Postgres
) -> None:
    assert crossed(old, other, postgres) == ("catalog", "day")
    with open_store(old) as store:
        assert store.append(batch(50)) == 10


def test_an_update_names_nothing_that_somebody_else_updated_meanwhile(
    old: Database, other: psycopg.Connection, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another gateway's update has its turn in the pause that follows the deadlock."""
    theirs: list[tuple[str, ...]] = []
    monkeypatch.setattr(db, "sleep", lambda _seconds: theirs.append(upgrade(old)))
    assert crossed(old, other, postgres) == ()
    assert theirs == [("catalog", "day")]
    assert revision_of(old, "day") == head("day")


def test_an_update_that_deadlocks_end_again_and_again_says_so(
    old: Database, other: psycopg.Connection, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has changed nothing."""
    monkeypatch.setattr(db, "UPDATES", 1)
    with pytest.raises(StoreError, match="was not updated: somebody else is at work in it"):
        crossed(old, other, postgres)
    assert [revision_of(old, tree) for tree in ("catalog", "day")] == ["catalog_0017", "day_0005"]


def test_an_update_waits_for_a_batch_before_it_locks_anything(
    old: Database, other: psycopg.Connection, postgres: Postgres
) -> None:
    """A batch that has learned names goes on to its rows, and is stored first."""
    with postgres.connect(str(old.url.database)) as watcher, ThreadPoolExecutor() as threads:
        with other.transaction():
            other.execute(f"SELECT pg_advisory_xact_lock_shared({locks.ROWS})")  # type: ignore[arg-type]
            other.execute("LOCK TABLE dim_host IN ROW EXCLUSIVE MODE")
            updated = threads.submit(upgrade, old)
            until(watcher, other, WAITING, updated)
            other.execute("LOCK TABLE log IN ROW EXCLUSIVE MODE NOWAIT")
        assert updated.result(60) == ("catalog", "day")
    assert revision_of(old, "day") == head("day")


def test_a_batch_that_a_deadlock_ends_is_shipped_again(
    database: Database, other: psycopg.Connection, postgres: Postgres, tmp_path: Path
) -> None:
    """Whoever locks the books and then the rows gets both; each row is stored once after, and none is set aside."""
    ids, writer = ids_from(AT), SpoolWriter(tmp_path, "w0", limits=SpoolLimits(ballast_bytes=0))
    shipper = Shipper(tmp_path, lambda: open_store(database, clock=lambda: AT * 1000))
    made = fill(writer, ids, 10)
    assert shipper.drain()
    made += fill(writer, ids, 30)
    writer.shut()
    with postgres.connect(str(database.url.database)) as watcher, ThreadPoolExecutor() as threads:
        with other.transaction(force_rollback=True):
            other.execute("LOCK TABLE day_file IN SHARE MODE")
            shipped = threads.submit(shipper.run_once)
            until(watcher, other, BOOKS_WANTED, shipped)
            other.execute("LOCK TABLE log IN SHARE MODE")
            report = shipped.result(60)
        assert (report.ok, report.rows) == (False, 0)
        assert "DeadlockDetected (40P01" in report.error
    assert shipper.drain()
    shipper.close()
    assert (shipper.quarantine.count(), shipper.status().error) == (0, "")
    with Archive(database) as archive:
        assert [row.record.id for row in archive.walk(LogFilter(), rising=True)] == sorted(made)
