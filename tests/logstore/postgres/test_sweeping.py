"""In PostgreSQL, too, a name that is due is in no file of the database any more.

Shows: `logstore.postgres.sweeping`, `logstore.postgres.holds`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.db import open_catalog
from logstore.place import Database
from logstore.postgres import sweeping
from logstore.retention import prune
from logstore.store import open_store
from proxy.factdesk import request_cleaner
from registry import requests
from tests.logstore.rows import ended, ids_from, request
from tests.rig.postgres import Postgres

NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
OLD, NEW = (int((NOW - timedelta(days=days)).timestamp() * 1e6) for days in (200, 3))
CANARY = "canarybird"


@pytest.fixture
def full(database: Database) -> Database:
    """Pupils half a year ago and a few who are still there, in rows and in what was asked of the school."""
    with open_store(database, clock=lambda: OLD * 1000) as store:
        for at, who in ((OLD, CANARY), (NEW, "finch")):
            ids = ids_from(at)
            names = {"device": f"{who}-pad", "host": f"{who}.example", "path": f"/{who}"}
            many = 40 if who == CANARY else 5  # so few stay that they do not come to lie over those that went
            store.append([(request(ids.next(), user=f"{who}-{n}", **names), ended(title=who)) for n in range(many)])
    with open_catalog(database).begin() as catalog:
        for mark, who, days in (("a", CANARY, 200), ("b", "finch", 3)):
            at = (NOW - timedelta(days=days)).isoformat()
            asked = {"mark": mark, "url": f"http://{who}.example/", "user": who, "address": "10.0.0.1",
                     "device": f"{who}-pad", "why": f"{who} needs it", "at": at}  # fmt: skip
            assert requests.take_fact(catalog, asked)
    return database


def traces(postgres: Postgres, database: Database, word: str) -> list[str]:
    """Files of the database that hold the word, once everything is on the disk."""
    with postgres.connect(str(database.url.database)) as connection:
        connection.execute("CHECKPOINT")
        folder, number = connection.execute(
            "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
        ).fetchone() or ("", 0)
    files = (Path(folder) / "base" / str(number)).iterdir()
    return [path.name for path in files if word.encode() in path.read_bytes()]


def retained(database: Database) -> list[str]:
    """A night's retention; what stayed that should not."""
    cleaners = (request_cleaner(database, None),)
    report = prune(database, NOW, ZoneInfo("Europe/London"), clock_is_right=True, cleaners=cleaners)
    return [one.what for one in report.stayed if one.wrong]


def test_a_name_that_is_due_is_in_no_file(full: Database, postgres: Postgres) -> None:
    """Also where others share its pages, and in tables of a few rows, to which autovacuum never comes."""
    assert traces(postgres, full, CANARY)
    assert retained(full) == []
    assert traces(postgres, full, CANARY) == []
    assert traces(postgres, full, "finch")


def test_a_table_in_use_is_told_and_cleared_the_next_night(
    full: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "WAIT_SECONDS", 1)
    with postgres.connect(str(full.url.database)) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM review_request")
        assert retained(full) == ["deleted rows of review_request"]
        assert traces(postgres, full, CANARY)
    assert retained(full) == []
    assert traces(postgres, full, CANARY) == []
