"""What was taken out of the record, or slipped in, shows in PostgreSQL as it does in files.

Shows: `logstore.postgres.check`, `logstore.verified`, `logstore.evidence`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from logstore.audit import record_change
from logstore.db import open_catalog
from logstore.evidence import note_ends
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS
from logstore.place import Database
from logstore.postgres.check import check
from logstore.postgres.days import make_ahead, missing_ahead, stray_rows
from logstore.retention import oldest_day, prune
from logstore.schema import log
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.rows import AT, batch
from tests.rig.postgres import Postgres

NOW = datetime.fromtimestamp(AT / 1e6, UTC)
DAY = f"log_{NOW:%Y%m%d}"


@pytest.fixture
def full(database: Database) -> Database:
    """A record with rows of one day."""
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(30))
    return database


def test_a_record_nobody_touched_is_whole(full: Database) -> None:
    report = verify(full)
    assert (report.ok, report.files, report.rows) == (True, [DAY], 30)
    assert check(full, NOW) == ()
    assert report.head.startswith("0:")
    number, mark = note_ends(full, who="ict", at=NOW)
    assert number == 1, "where the chains stand is a line of the trail"
    assert note_ends(full, who="ict", at=NOW) == (number, mark), "which is not written twice"
    report = verify(full, kept=(number, mark))
    assert (report.ok, report.head) == (True, f"{number}:{mark}")


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (f"DELETE FROM {DAY} WHERE id = (SELECT min(id) FROM {DAY})", "the row is missing"),
        (f"DROP TABLE {DAY}", "the partition is missing"),
        ("UPDATE day_file SET state = 'dropped'", "retention removed it, and it is there again"),
        ("UPDATE day_file SET state = 'dropping'", "it is not due"),
        ("DELETE FROM day_file", "has rows and is not in the catalog"),
    ],
)
def test_what_was_done_behind_its_back_shows(full: Database, postgres: Postgres, done: str, found: str) -> None:
    with postgres.connect(str(full.url.database)) as connection:
        connection.execute(done)
    assert [found in problem.what for problem in verify(full).problems] == [True]


def test_a_line_taken_out_of_the_audit_trail_shows(full: Database, postgres: Postgres) -> None:
    with open_catalog(full).begin() as catalog:
        for _ in range(3):
            record_change(catalog, who="ict", what="x", subject="y", at=NOW)
    head = verify(full).head
    with postgres.connect(str(full.url.database)) as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM audit WHERE id = 3")
        connection.execute("UPDATE audit_number SET number = 2")
    number, _, mark = head.partition(":")
    assert verify(full).ok, "without a head kept elsewhere nobody can know"
    assert not verify(full, kept=(int(number), mark)).ok


def test_days_ahead_are_made_and_missed(full: Database, postgres: Postgres) -> None:
    later = NOW + timedelta(days=30)
    assert len(missing_ahead(full, later)) == 8
    assert "days ahead have no partition" in check(full, later)[0]
    make_ahead(full, later)
    make_ahead(full, later)
    assert missing_ahead(full, later) == []
    assert check(full, later) == ()


def test_rows_outside_every_day_are_an_alarm_and_go_by_date(full: Database, postgres: Postgres) -> None:
    """They came while their partition was missing: kept, told, and gone when they are due."""
    stray = NOW - timedelta(days=300)
    record_id = (int(stray.timestamp() * 1000) - EPOCH_US // 1000) << (NODE_BITS + COUNTER_BITS)
    values = ", ".join(str(record_id) if column.name == "id" else f'"{column.name}"' for column in log.columns)
    with postgres.connect(str(full.url.database)) as connection:
        connection.execute(f"INSERT INTO log_default SELECT {values} FROM {DAY} LIMIT 1")  # type: ignore[arg-type]
    assert stray_rows(full) == 1
    assert "1 rows lie outside every day" in check(full, NOW)[0]
    assert oldest_day(full) == stray.date()
    report = prune(full, NOW, UTC, clock_is_right=True)
    assert [(day.day, day.rows) for day in report.days] == [(stray.date(), 1)]
    assert stray_rows(full) == 0
    assert check(full, NOW) == ()
