"""Rows that were stored before there were chains come under one, once."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from logstore.audit import entries
from logstore.db import migrate_with, open_catalog, reading, upgrade
from logstore.evidence import note_ends
from logstore.place import Database
from logstore.postgres.adopting import ADOPTED, adopt
from logstore.postgres.chains import batches_of, ends
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.rows import AT, batch
from tests.rig.postgres import Postgres

NOW = datetime.fromtimestamp(AT / 1e6, UTC)
FILE = f"log_{NOW:%Y%m%d}"


@pytest.fixture
def older(database: Database) -> Database:
    """A record as the release before chains left it, brought to the newest schema; then ten rows more."""
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(20))
    with open_catalog(database).begin() as catalog:
        catalog.exec_driver_sql("UPDATE day_file SET batches = NULL")
    migrate_with(open_catalog(database), "day", "day_0003", down=True)
    assert upgrade(database) == ("day",)
    with open_store(database, clock=lambda: AT * 1000) as store:
        assert store.append(batch(30)) == 10
    return database


def test_until_then_what_is_under_a_chain_is_checked(older: Database, postgres: Postgres) -> None:
    assert verify(older).ok
    with reading(older) as catalog:
        assert ends(catalog) == {}, "nothing to hold it against yet"
    with postgres.connect(str(older.url.database)) as connection:
        connection.execute("UPDATE log SET path = '/x' WHERE id = (SELECT max(id) FROM log)")
    assert [problem.what for problem in verify(older).problems] == ["the row was changed"]


def test_rows_come_under_a_chain_once(older: Database, postgres: Postgres) -> None:
    assert adopt(older, who="nightly evidence", at=NOW) == 20
    assert adopt(older, who="nightly evidence", at=NOW) == 0
    report = verify(older)
    assert (report.problems, report.rows) == ([], 30)
    with reading(older) as catalog:
        line = entries(catalog, what=ADOPTED)[0]
    assert (line.subject, line.after) == (FILE, {"rows": 20})
    with postgres.connect(str(older.url.database)) as connection:
        connection.execute("UPDATE log SET path = '/x' WHERE id = (SELECT min(id) FROM log)")
    assert [problem.what for problem in verify(older).problems] == ["the row was changed"]


def test_a_day_the_trail_knows_is_not_taken_in_again(older: Database, postgres: Postgres) -> None:
    """A row slipped in, and the catalog made to say that the day is older than its chains."""
    adopt(older, who="nightly evidence", at=NOW)
    note_ends(older, who="nightly evidence", at=NOW)
    with postgres.connect(str(older.url.database)) as connection:
        connection.execute("UPDATE log SET id = id + 1 WHERE id = (SELECT max(id) FROM log)")
        connection.execute("UPDATE day_file SET batches = NULL")
    assert adopt(older, who="nightly evidence", at=NOW) == 0
    assert "the audit trail knows them" in " ".join(problem.what for problem in verify(older).problems)


def test_a_day_is_taken_in_without_its_batches_in_memory(older: Database, postgres: Postgres) -> None:
    """A day of a hundred million rows has gigabytes of ids in its batches; few of them are held."""
    with open_store(older, clock=lambda: AT * 1000) as store:
        for end in range(30, 170):
            store.append(batch(end + 1)[end:])
    large = 200_000
    with postgres.connect(str(older.url.database)) as connection:
        connection.execute("UPDATE chain_batch SET hints = %s", (bytes(large),))
    tracemalloc.start()
    try:
        assert adopt(older, who="nightly evidence", at=NOW) == 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 140 * large / 2
    with reading(older) as catalog:
        assert sum(batch.rows for of_one in batches_of(catalog, FILE).values() for batch in of_one) == 170
