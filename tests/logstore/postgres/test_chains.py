"""Whatever the database's owner changes behind the record's back is found and named, in PostgreSQL as in files.

Shows: `logstore.postgres.chains`, `logstore.postgres.daycheck`, `logstore.postgres.noting`, `logstore.postgres.locks`.
"""

from __future__ import annotations

import dataclasses
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore import evidence
from logstore.batches import batches_in
from logstore.db import days_folder, reading, reading_file
from logstore.evidence import note_ends
from logstore.gateways import Gateway
from logstore.place import Database
from logstore.postgres import chains, locks
from logstore.postgres.store import PostgresStore
from logstore.retention import prune
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.rig.postgres import Postgres

NOW = datetime.fromtimestamp(AT / 1e6, UTC)
FILE = f"log_{NOW:%Y%m%d}"
DAY_US = 86_400_000_000
IDS = [record.id for record, _ in batch(30)]
HILL, OAK = Gateway(1, "a" * 32, "hillview"), Gateway(2, "b" * 32, "oakwood")


@pytest.fixture
def full(database: Database) -> Database:
    """Two gateways, three batches of ten rows on one day, a row on the next; where the chains stood is written down."""
    with PostgresStore(database, lambda: AT * 1000, HILL) as store:
        store.append(batch(30)[:10])
        store.append(batch(30)[10:20])
    with PostgresStore(database, lambda: AT * 1000, OAK) as store:
        store.append(batch(30)[20:])
        store.append([(request(ids_from(AT + DAY_US).next()), ended())])
    note_ends(database, who="ict", at=NOW)
    return database


def test_a_record_nobody_touched_is_whole(full: Database) -> None:
    report = verify(full, day="2026-11-21")
    assert (report.problems, report.files, report.rows, report.unread) == ([], [FILE], 30, [])
    with reading(full) as catalog:
        assert sorted(evidence.told(catalog).ends) == [f"{FILE}/1", f"{FILE}/2", "log_20261122/2"]


def test_a_day_is_checked_without_all_its_batches_in_memory(full: Database, postgres: Postgres) -> None:
    """A hundred million rows a day are half a gigabyte of batches; only those in hand are held."""
    large = 200_000
    with PostgresStore(full, lambda: AT * 1000, HILL) as store:
        for end in range(30, 230):
            store.append(batch(end + 1)[end:])
    with postgres.connect(str(full.url.database)) as connection:
        connection.execute("UPDATE chain_batch SET hints = %s WHERE gateway = 1", (bytes(large),))
    tracemalloc.start()
    try:
        report = verify(full, day="2026-11-21")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.rows == 230
    assert [problem.batch for problem in report.problems] == [1], "the chain is broken there"
    assert peak < 202 * large / 2


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (f"UPDATE log SET path = '/x' WHERE id = {IDS[3]}", f"{FILE}/1, batch 1, record {IDS[3]}: the row was changed"),
        (
            f"UPDATE log SET title = 'x' WHERE id = {IDS[25]}",
            f"{FILE}/2, batch 1, record {IDS[25]}: the row was change",
        ),
        (f"UPDATE log SET blocked = true WHERE id = {IDS[12]}", f"{FILE}/1, batch 2, record {IDS[12]}: the row was ch"),
        (f"DELETE FROM log WHERE id = {IDS[12]}", f"{FILE}/1, batch 2, record {IDS[12]}: the row is missing"),
        (f"DELETE FROM log WHERE id >= {IDS[20]}", f"{FILE}/2, batch 1, record {IDS[29]}: the row is missing"),
        (f"UPDATE log SET id = id + 1 WHERE id = {IDS[0]}", f"record {IDS[0] + 1}: the row is in no batch"),
        ("UPDATE chain_batch SET at_us = at_us - 1 WHERE number = 2", f"{FILE}/1, batch 2: the chain is broken here"),
        ("DELETE FROM chain_batch WHERE number = 2", f"{FILE}/1, batch 2: ends before batch 2, which line 1 of the"),
        (f"DELETE FROM chain_batch WHERE gateway = 2 AND file = '{FILE}'", f"{FILE}/2, batch 1: ends before batch 1"),
        (f"DELETE FROM chain_batch WHERE file = '{FILE}'", "has 0 batches; the catalog knows of 3"),
        ("UPDATE day_file SET batches = NULL", "the catalog says its rows are older than its chains"),
        ("UPDATE day_file SET rows = rows + 1", f"{FILE}: has 30 rows; the catalog counted 31"),
        ("UPDATE dim_user SET key = 'pupil-9999' WHERE key = 'pupil-0003'", "was changed in the catalog"),
        ("DELETE FROM dim_host WHERE name = 'www3.example.org'", "is missing in the catalog"),
        ("UPDATE dim_host SET rev = 'x' WHERE name = 'www3.example.org'", "rev changed; searches by it mislead"),
        (
            "INSERT INTO dim_user (id, key, first_day, last_day) VALUES (4711, 'x', '2026-11-21', '2026-11-21')",
            "user_id 4711 (dim_user): no batch of 2026-11-21 vouches for it",
        ),
        (
            "UPDATE dim_user SET last_day = '2026-11-22' WHERE id = 3",
            "user_id 3 (dim_user): no batch of 2026-11-22",
        ),
        (
            "INSERT INTO dim_user (id, key, first_day, last_day) VALUES (4711, 'x', '2019-01-01', '2019-01-01')",
            "user_id 4711 (dim_user): is said to be used on 2019-01-01 last, a day the record never had",
        ),
        ("UPDATE dim_user SET first_day = '2026-11-22' WHERE key = 'pupil-0003'", "is searched for from 2026-11-22"),
    ],
)
def test_what_was_done_behind_its_back_is_named(full: Database, postgres: Postgres, done: str, found: str) -> None:
    with postgres.connect(str(full.url.database)) as connection:
        connection.execute(done)  # type: ignore[arg-type]
    said = [str(problem) for problem in verify(full).problems]
    assert any(found in one for one in said), said


def test_rows_of_both_engines_are_hashed_alike(database: Database, tmp_path: Path) -> None:
    """The same values give the same proof, whatever the types of the engine."""
    ids = ids_from(AT, 7_000)
    told = [
        {"user": None, "path": "/ä?", "query": "", "terms": ("zwölf", "12"), "note": "x"},
        {"user": None, "path": None, "query": "q=%00", "title": "É", "repeats": 3, "error": "reset"},
    ]
    ending = frozenset({"title", "repeats", "error"})
    rows = [
        (
            request(ids.next(), **{name: value for name, value in one.items() if name not in ending}),
            ended(blocked=True, **{name: value for name, value in one.items() if name in ending}),
        )
        for one in told
    ]
    for where in (database, tmp_path / "store"):
        with open_store(where, clock=lambda: AT * 1000) as store:
            store.append(rows)
    with reading_file(days_folder(tmp_path / "store") / "2026-11-21.db") as day, reading(database) as catalog:
        ours, theirs = next(batches_in(day)), chains.batches_of(catalog, FILE)[f"{FILE}/{chains.NOBODY}"][0]
    assert dataclasses.replace(theirs, mark=ours.mark) == ours


def test_a_batch_that_comes_again_adds_what_is_new(full: Database) -> None:
    """After a kill the shipper sends rows again, cut otherwise; in one batch each of them, once."""
    with PostgresStore(full, lambda: AT * 1000, HILL) as store:
        assert store.append(batch(35)) == 5
    report = verify(full)
    assert (report.problems, report.rows) == ([], 36)


def test_two_writers_of_one_gateway_keep_one_chain(database: Database) -> None:
    """`db move` may run beside a shipper that was not stopped: they take turns."""
    failed: list[BaseException] = []

    def write(first: int) -> None:
        try:
            with PostgresStore(database, lambda: AT * 1000, HILL) as store:
                for begin in range(first, first + 60, 5):
                    store.append(batch(120)[begin : begin + 5])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    report = verify(database)
    assert (report.problems, report.rows) == ([], 120)
    with reading(database) as catalog:
        assert [len(of_one) for of_one in chains.batches_of(catalog, FILE).values()] == [24]


def test_a_day_that_went_leaves_its_chains_ends_in_the_trail(full: Database) -> None:
    with reading(full) as catalog:
        ends = {name: list(end) for name, end in chains.ends(catalog, FILE).items()}
    assert prune(full, NOW.replace(year=2027, month=11), UTC, clock_is_right=True).ok
    with reading(full) as catalog:
        assert evidence.told(catalog).removed[FILE]["chains"] == ends
        assert chains.ends(catalog) == {}
        assert catalog.exec_driver_sql("SELECT count(*) FROM chain_batch").scalar() == 0
    assert verify(full, now=NOW.replace(year=2027, month=11), months=6).ok


def test_a_day_that_went_too_early_shows(full: Database) -> None:
    """Also when the clock was put forward for it and back again."""
    assert prune(full, NOW.replace(year=2028), UTC, clock_is_right=True).ok
    said = [str(problem) for problem in verify(full, now=NOW, months=6).problems]
    assert any(one.startswith(f"{FILE}: was removed on 2028-11-21, which is yet to come") for one in said), said


def test_gateways_that_check_at_night_take_different_days(full: Database, postgres: Postgres) -> None:
    with postgres.connect(str(full.url.database)) as other:
        other.execute("SELECT pg_advisory_lock(%s, 20261121)", (locks.CHECK,))
        report = verify(full, at=NOW)
        assert (report.files, report.left) == (["log_20261122"], [FILE])
        other.execute("SELECT pg_advisory_unlock(%s, 20261121)", (locks.CHECK,))
    assert verify(full, at=NOW).files == [FILE, "log_20261122"]


def test_the_locks_are_all_different() -> None:
    numbers = [value for name, value in vars(locks).items() if name.isupper()]
    assert len(set(numbers)) == len(numbers) >= 7
