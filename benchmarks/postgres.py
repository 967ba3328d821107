"""What storing a row in PostgreSQL costs: `python -m benchmarks.postgres [--rows N]`.

Prints rows a second and processor time a row, ours and the server's, from the spool through the shipper, all indexes,
beside the ceiling in the same run: the very same values by bare binary COPY into a partition of the same shape. Then
bytes a row, the chain of hashes, roll-ups, and the questions ICT services ask. Answers are checked. The server is one
of its own, in a temporary folder, with `fsync` on and nothing else tuned but `shared_buffers`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg

from benchmarks.shipping import spool
from benchmarks.store import BATCH, START_US
from benchmarks.targets import Target, machine
from logstore.chain import FORM, genesis, make_batch
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.postgres import chains
from logstore.postgres.daycheck import moment
from logstore.postgres.days import present
from logstore.postgres.rollups import TABLES
from logstore.postgres.store import COPY, COPY_TYPES, PostgresStore
from logstore.query import Archive
from logstore.retention import prune
from logstore.rolling import roller
from logstore.shipper import Shipper
from logstore.stats import Figures
from logstore.verify import verify
from tests.rig.postgres import Postgres

ROWS = 300_000
SPEED = Target("rows a second into PostgreSQL, all indexes", 60_000, at_least=True)
RATIO = Target("CPU of bare COPY to ours, server's included", 0.6, at_least=True)


def server_time(server: Postgres) -> float:
    """Processor seconds every process of the server has used, those that have ended included."""
    process = psutil.Process(server.pid)
    used = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since, and is among its parent's children
            times = one.cpu_times()
            used += times.user + times.system
    return used + process.cpu_times().children_user + process.cpu_times().children_system


def measured(server: Postgres, what: str, rows: int, work: Callable[[], float]) -> tuple[float, float]:
    """Do `work`, which says how long it took; prints and gives rows a second and microseconds of processor a row."""
    ours, theirs = time.process_time(), server_time(server)
    wall = work()
    client = (time.process_time() - ours) / rows * 1e6
    backend = (server_time(server) - theirs) / rows * 1e6
    print(f"{what:<34} {rows / wall:>9,.0f} rows/s   {client:5.1f} + {backend:5.1f} µs CPU a row (ours + server's)")
    return rows / wall, client + backend


def ingest(server: Postgres, database: Database, rows: int) -> tuple[float, float]:
    """From the spool, by the shipper, in its own batches: decoded, merged, folded, hashed and stored."""
    with tempfile.TemporaryDirectory(prefix="schoolgate-postgres-") as place:
        spool(Path(place), rows)
        shipper = Shipper(Path(place), lambda: PostgresStore(database))

        def work() -> float:
            begin = time.perf_counter()
            shipper.drain()
            wall = time.perf_counter() - begin
            new = shipper.status().shipped
            shipper.close()
            check(new == rows, f"{new} rows stored, not {rows}")
            return wall

        return measured(server, "spool to PostgreSQL", rows, work)


def proof(database: Database, rows: int) -> None:
    """The chain: its part of our processor time, its bytes, and what a check of every row costs."""
    with reading(database) as catalog:
        batches = [
            batch for file in present(database) for of in chains.batches_of(catalog, file).values() for batch in of
        ]
        size = int(catalog.exec_driver_sql("SELECT pg_total_relation_size('chain_batch')").scalar_one())
        with moment(catalog):
            values = list(itertools.islice(chains.rows_in(catalog, FORM, 0, 1 << 62), BATCH))
    check(sum(batch.rows for batch in batches) == rows, "not every row is in a batch")
    used = []
    for _ in range(9):
        begin = time.process_time()
        make_batch(genesis("day"), 1, values, [], 0)
        used.append(time.process_time() - begin)
    print(f"of it the chain's hashes           {min(used) / len(values) * 1e6:22.1f} µs CPU a row")
    print(f"the chain on the disk              {size / rows:22.1f} bytes a row")
    begin, wall = time.process_time(), time.perf_counter()
    report = verify(database)
    check(report.ok and report.rows == rows, f"{report.rows} rows: {report.problems[:3]}")
    wall, cpu = time.perf_counter() - wall, time.process_time() - begin
    print(f"db verify, row by row              {cpu / rows * 1e6:22.1f} µs CPU a row ({wall:.1f} s)")


def sums(server: Postgres, database: Database, rows: int) -> None:
    """The roll-ups of all rows: by the server, and that they say what the rows do."""

    def work() -> float:
        begin = time.perf_counter()
        done = sum(one.rows for one in roller(database).catch_up() if one.grain == "hour")
        check(done == rows, f"{done} rows summed, not {rows}")
        return time.perf_counter() - begin

    measured(server, "roll-ups, by hour and by day", rows, work)
    with Archive(database, seconds=600) as archive:
        for name, ask in (("totals", Figures.totals), ("top hosts", lambda one: one.top("host"))):
            told = []
            for rolled in (True, False):
                begin = time.perf_counter()
                told.append(ask(Figures(archive, LogFilter(), rollups=rolled)))
                took = (time.perf_counter() - begin) * 1000
                print(f"  {name}, from {'roll-ups' if rolled else 'rows':<9} {took:8.1f} ms")
            same = told[0] == told[1] if name == "totals" else told[0].places == told[1].places
            check(same, f"{name} differ: {told}")
    with reading(database) as catalog:
        names = ", ".join(f"pg_total_relation_size('{table.name}')" for table in TABLES)
        size = sum(catalog.exec_driver_sql(f"SELECT {names}").one())
    print(f"roll-ups on the disk               {size / rows:22.1f} bytes a row")


def ceiling(server: Postgres, database: Database, rows: int) -> tuple[float, float]:
    """The same values by bare COPY into a table of the same indexes, a transaction a batch."""
    with server.connect(str(database.url.database)) as connection:
        connection.execute("CREATE TABLE bare (LIKE log INCLUDING ALL)")
        values = connection.execute("SELECT * FROM log ORDER BY id").fetchall()
        parts = [values[begin : begin + BATCH] for begin in range(0, len(values), BATCH)]

        def work() -> float:
            begin = time.perf_counter()
            for part in parts:
                with connection.transaction(), connection.cursor() as cursor:
                    into: Any = COPY.replace("COPY log", "COPY bare")
                    with cursor.copy(into) as copy:
                        copy.set_types(COPY_TYPES)
                        for row in part:
                            copy.write_row(row)
            return time.perf_counter() - begin

        reached = measured(server, f"bare binary COPY, batches of {BATCH:,}", rows, work)
        found: Any = connection.execute("SELECT count(*) FROM bare").fetchone()
        check(found[0] == rows, f"{found[0]} rows copied, not {rows}")
        connection.execute("DROP TABLE bare")
    return reached


def sizes(connection: psycopg.Connection[Any], rows: int) -> None:
    """Bytes a row on disk."""
    found: Any = connection.execute(
        "SELECT sum(pg_table_size(inhrelid)), sum(pg_indexes_size(inhrelid)) FROM pg_inherits "
        "WHERE inhparent = 'log'::regclass AND pg_total_relation_size(inhrelid) > 1000000"
    ).fetchone()
    table, indexes = (float(number) / rows for number in found)
    print(f"bytes a row: {table + indexes:.0f} ({table:.0f} rows, {indexes:.0f} indexes)")


def questions(database: Database, rows: int) -> None:
    """Pages of 100, after ANALYZE, the best of five."""
    with Archive(database, seconds=120) as archive:
        somebody = next(archive.walk(LogFilter(user="pupil-0003"), limit=1))
        for wanted in (
            LogFilter(),
            LogFilter(user="pupil-0003"),
            LogFilter(user="pupil-0003", blocked=True),
            LogFilter(host=somebody.record.host),
            LogFilter(domain=somebody.record.domain),
            LogFilter(blocked=True),
            LogFilter(terms="castles"),
            LogFilter(title="page of"),
            LogFilter(text="no-such-text-anywhere"),
        ):
            times = []
            for _ in range(5):
                begin = time.perf_counter()
                page = archive.search(wanted, 100)
                times.append(time.perf_counter() - begin)
            check(all(row.id for row in page.rows), "a row without an id")
            print(f"  {wanted.sentence():<60} {len(page.rows):>4} rows  {min(times) * 1000:7.1f} ms")
        check(archive.count(LogFilter(), rows + 1).rows == rows, "not every row is found")


def check(holds: bool, otherwise: str) -> None:
    """Ends the run when an answer is wrong."""
    if not holds:
        raise SystemExit(f"wrong answer: {otherwise}")


def main() -> int:
    """Measure; 0 when the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to store (default: %(default)s)")
    rows: int = parser.parse_args().rows
    server = Postgres("-c", "fsync=on", "-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB")
    try:
        server.start()
        print(machine())
        database = server.database()
        speed, cost = ingest(server, database, rows)
        _, least = ceiling(server, database, rows)
        met = [SPEED.tell(speed), RATIO.tell(least / cost)]
        with server.connect(str(database.url.database)) as connection:
            sizes(connection, rows)
            connection.execute("VACUUM ANALYZE")
        proof(database, rows)
        sums(server, database, rows)
        questions(database, rows)
        begin = time.perf_counter()
        later = datetime.fromtimestamp(START_US / 1e6, UTC).replace(year=2027, month=7)
        report = prune(database, later, ZoneInfo("Europe/London"), clock_is_right=True)
        check(report.rows == rows and report.ok, f"{report.rows} rows removed: {report.stayed}")
        took = (time.perf_counter() - begin) * 1000
        print(f"{len(report.days)} days removed, proved, names forgotten: {took:.0f} ms")
    finally:
        server.remove()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
