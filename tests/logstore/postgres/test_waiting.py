"""While the server works the writer does something else, and nothing of it shows in what is stored."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DatabaseError

from logstore.db import upgrade
from logstore.filter import LogFilter
from logstore.folding import BadRow
from logstore.ids import RecordIds
from logstore.place import Database
from logstore.postgres.db import open_engine
from logstore.postgres.store import PostgresStore
from logstore.postgres.waiting import Working, with_working_connections
from logstore.query import Archive
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.unread import Row, pair_of
from logstore.verify import verify
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.logstore.spooling import fill

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def working(database: Database) -> Iterator[Working]:
    """A connection to an empty record."""
    upgrade(database)
    engine = with_working_connections(open_engine(database))
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, Working)
        yield raw
    engine.dispose()


def dawdle(database: Database, *tables: str) -> None:
    """Have the server take its time over each batch: a quick one is done before anything else is begun."""
    body = "BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END"
    run(database, f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    for table in ("log", *tables):
        run(database, f"CREATE TRIGGER dawdle BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION dawdle()")


def run(database: Database, statement: str) -> None:
    """By somebody else."""
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_wait_is_filled_and_a_short_one_is_not(working: Working) -> None:
    done: list[float] = []

    def work() -> bool:
        done.append(time.monotonic())
        time.sleep(0.002)
        return True

    working.work = work
    begin = time.monotonic()
    working.execute("SELECT pg_sleep(0.3)")
    assert time.monotonic() - begin >= 0.3
    assert len(done) > 3
    assert working.execute("SELECT 7").fetchone() == (7,)


def test_without_more_work_the_answer_is_waited_for(working: Working) -> None:
    asked: list[int] = []
    working.work = lambda: bool(asked.append(len(asked)))
    begin = time.monotonic()
    assert working.execute("SELECT 7 FROM pg_sleep(0.2)").fetchone() == (7,)
    tenths = (time.monotonic() - begin) * 10  # the driver wakes ten times a second
    assert 0 < len(asked) < 5 + tenths, "it asks again and again instead of sleeping"


def test_what_goes_wrong_in_the_server_is_raised(working: Working) -> None:
    """With work in hand, in a statement and in a COPY; the connection is of use after."""
    working.work = lambda: True
    with pytest.raises(psycopg.errors.DivisionByZero):
        working.execute("SELECT 1 / 0 FROM pg_sleep(0.1)")
    working.rollback()
    with pytest.raises(psycopg.errors.NotNullViolation), working.cursor().copy("COPY log_cursor FROM STDIN") as copy:
        for number in range(50_000):
            copy.write(f"w-{number}\t\\N\t0\n")
    working.rollback()
    assert working.execute("SELECT 7").fetchone() == (7,)


def test_a_server_that_hangs_up_is_noticed_at_work(working: Working, database: Database) -> None:
    """The wait ends with an error, however much work there is."""
    pid = working.info.backend_pid
    engine = open_engine(database)
    portions: list[int] = []

    def work() -> bool:
        portions.append(1)
        if len(portions) == 3:
            with engine.connect() as other:
                other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (pid,))
        time.sleep(0.001)
        return True

    working.work = work
    with pytest.raises(psycopg.OperationalError):
        working.execute("SELECT pg_sleep(60)")
    engine.dispose()


def test_the_writer_works_only_while_it_stores(database: Database) -> None:
    """A batch that fails, too: nothing goes on behind it."""
    portions: list[int] = []

    def work() -> bool:
        portions.append(1)
        return True

    with PostgresStore(database, lambda: AT * 1000) as store:
        dawdle(database)
        store.meanwhile(work)
        assert store.append(batch(3000)) == 3000
        assert portions
        portions.clear()
        store.cursors()
        assert not portions
        record, ending = batch(3001)[-1]
        with pytest.raises(BadRow):
            store.append([(record, dataclasses.replace(ending, status=1 << 40))])
        portions.clear()
        assert store.append(batch(3010)) == 10


def test_the_rows_of_a_batch_are_freed_during_the_next(database: Database) -> None:
    """Before any other work; what is stored is not touched by it."""
    with PostgresStore(database, lambda: AT * 1000) as store:
        dawdle(database)
        store.meanwhile(lambda: False)
        assert store.append(batch(1500)) == 1500
        rows = store._spent._rows
        assert len(rows) == 1500
        assert store.append(batch(1510)) == 10
        assert rows == []
    with Archive(database) as archive:
        assert archive.count(LogFilter(), 2000).rows == 1510


def test_a_batch_folded_ahead_is_stored_as_it_was_told(database: Database) -> None:
    """Also when the batch before it failed, whose names the server has forgotten by then."""
    ids = ids_from(AT)
    parts: list[list[Row]] = [
        [
            (request(ids.next(), user=f"pupil-{number % 7}-{part}", host=f"{part}-{number % 11}.example"), ended())
            for number in range(1500)
        ]
        for part in "abcd"
    ]
    coming: list[Row] = []
    folded = dict.fromkeys("abcd", 0)

    def work() -> bool:
        more = store.ahead(coming)
        if more:
            folded[str(pair_of(coming[0])[0].user)[-1]] += 1
        return more

    with PostgresStore(database, lambda: AT * 1000) as store:
        dawdle(database, "dim_user", "dim_host")
        store.meanwhile(work)
        body = "BEGIN PERFORM pg_sleep(0.2); RAISE EXCEPTION 'not now'; END"
        run(database, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        run(database, "CREATE TRIGGER refuse AFTER INSERT ON log FOR EACH STATEMENT EXECUTE FUNCTION refuse()")
        coming = parts[2]
        with pytest.raises(DatabaseError, match="not now"):
            store.append(parts[1])
        assert folded["c"] > 0
        run(database, "DROP TRIGGER refuse ON log")
        coming = []
        assert store.append(parts[2]) == len(parts[2])
        for place in (0, 1):
            coming = parts[(1, 3)[place]]
            assert store.append(parts[place]) == len(parts[place])
        assert store.append(parts[3]) == len(parts[3])
        assert store.append(parts[3]) == 0
    assert min(folded[part] for part in "bcd") > 0
    with Archive(database) as archive:
        stored = {row.id: (row.record, row.ending) for row in archive.walk(LogFilter())}
    assert stored == {record.id: (record, ending) for part in parts for record, ending in map(pair_of, part)}
    assert verify(database, deep=True).ok


def test_batches_gathered_while_the_server_worked_are_all_there(database: Database, tmp_path: Path) -> None:
    """Once each, under an unbroken chain."""
    writer = SpoolWriter(tmp_path / "spool", "w0", limits=SpoolLimits(ballast_bytes=0))
    done = fill(writer, RecordIds(0), 5000)
    gathered: list[int] = []
    store = PostgresStore(database)
    shipper = Shipper(tmp_path / "spool", lambda: store, rows=1000)
    shipper.run_once()
    dawdle(database)
    ahead, shipper._gather_ahead = shipper._gather_ahead, lambda: False  # type: ignore[method-assign]
    store.meanwhile(lambda: bool(gathered.append(1)) or ahead())
    assert shipper.drain()
    writer.shut()
    assert shipper.drain()
    shipper.close()
    assert gathered
    with Archive(database) as archive:
        assert [row.id for row in archive.walk(LogFilter(), rising=True)] == sorted(done)
    report = verify(database)
    assert (report.problems, report.rows) == ([], 5000)


def test_a_server_that_only_reads_at_times_costs_no_row(database: Database, tmp_path: Path) -> None:
    """As one does that just became a standby. That rows beside it were stored does not make a row guilty."""
    writer = SpoolWriter(tmp_path, "w0", limits=SpoolLimits(ballast_bytes=0))
    ids = RecordIds(0)
    given = [*fill(writer, ids, 20), *fill(writer, ids, 1, path="/refused"), *fill(writer, ids, 20)]
    upgrade(database)
    body = "BEGIN RAISE EXCEPTION 'cannot execute COPY' USING ERRCODE = 'read_only_sql_transaction'; END"
    run(database, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    when = "FOR EACH ROW WHEN (NEW.path = '/refused')"
    run(database, f"CREATE TRIGGER refuse BEFORE INSERT ON log {when} EXECUTE FUNCTION refuse()")
    shipper = Shipper(tmp_path, lambda: PostgresStore(database))
    for _ in range(6):
        report = shipper.run_once()
        assert (report.ok, "read" in report.error.lower()) == (False, True)
    assert (shipper.status().rejected, shipper.status().shipped) == (0, 0)
    run(database, "DROP TRIGGER refuse ON log")
    assert shipper.drain()
    shipper.close()
    writer.shut()
    with Archive(database) as archive:
        assert [row.id for row in archive.walk(LogFilter(), rising=True)] == given
    assert shipper.quarantine.count() == 0
