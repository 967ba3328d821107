"""What storing and finding a row in ClickHouse costs: `python -m benchmarks.clickhouse [rows] [trust]`.

With `trust` the names are in a PostgreSQL server, as the settings have it, whose processor time is not in the numbers;
else in a folder. The engine runs in this process (chdb): its processor time is in the numbers, the network is not.
Prints rows a second and processor time a row through the store, in batches of five thousand as the shipper sends them,
beside the driver's own bulk insert of the very same values in the same run; bytes a row; the questions ICT services
ask; numbers over all rows; what a restart costs that brings every row again; dropping a day, and a run of retention.
Counts and answers are checked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path

import sqlalchemy as sa

from benchmarks.store import BATCH, DAYS, Pair, school_days
from logstore.clickhouse import sending
from logstore.clickhouse.db import open_engine
from logstore.clickhouse.partitions import drop, partitions
from logstore.clickhouse.store import ClickHouseStore
from logstore.clickhouse.tables import COLUMNS, log
from logstore.filter import LogFilter
from logstore.place import ClickHouse
from logstore.query import Archive
from logstore.retention import prune
from logstore.stats import series, top, totals
from tests.rig.postgres import Postgres


@dataclass(frozen=True)
class Place:
    """A place in a spool."""

    producer: str
    seq: int


@dataclass
class Cost:
    """Time spent, and rows it was spent on."""

    wall: float = 0.0
    used: float = 0.0
    rows: int = 0

    def spend(self, work: Callable[[], int]) -> int:
        """Do `work`, which says its rows."""
        begin, begin_used = time.perf_counter(), time.process_time()
        rows = work()
        self.wall += time.perf_counter() - begin
        self.used += time.process_time() - begin_used
        self.rows += rows
        return rows

    def say(self, what: str, rows: int | None = None) -> None:
        """A line of it."""
        many = rows or self.rows
        print(f"{what:<44}{many / self.wall:>9,.0f} rows/s   {self.used / many * 1e6:5.1f} µs CPU a row")


def ingest(where: ClickHouse, rows: int) -> list[Pair]:
    """Through the store; gives some of the rows."""
    cost, again, kept = Cost(), Cost(), list[Pair]()
    new, seq = 0, 0
    with ClickHouseStore(where) as store:
        for batch in school_days(rows):
            seq += 2 * len(batch)
            place = Place("gateway-1", seq)
            new += cost.spend(lambda batch=batch, place=place: store.append(batch, place))
            if len(kept) < 200_000:
                kept += batch
    _check(new == rows, f"{new} rows stored, not {rows}")
    cost.say(f"ClickHouseStore.append, batches of {BATCH:,}")
    with ClickHouseStore(where) as store:
        for begin in range(0, len(kept), BATCH):
            batch = kept[begin : begin + BATCH]
            new += again.spend(lambda batch=batch: store.append(batch, Place("gateway-1", seq)))
    _check(new == rows, f"{new - rows} rows doubled by a restart")
    again.say("the same after a restart: each looked up", len(kept))
    return kept


def ceiling(where: ClickHouse, rows: int) -> None:
    """The same values by the driver's bulk insert alone: what ClickHouse can do at best."""
    engine, cost = open_engine(where), Cost()
    with engine.connect() as connection:
        made = connection.execute(sa.text("SHOW CREATE TABLE log")).scalar_one()
        connection.execute(sa.text(made.replace(".log", ".bare", 1).replace(":", "\\:")))
        client = connection.connection.driver_connection.client
        names = ", ".join(COLUMNS)
        for one in partitions(connection):
            query = f"SELECT {names} FROM log WHERE _partition_id = '{one.day:%Y%m%d}' ORDER BY id"
            columns = client.query(query, query_formats={"String": "bytes"}).result_columns
            for begin in range(0, one.rows, BATCH):
                block = [column[begin : begin + BATCH] for column in columns]
                cost.spend(
                    lambda block=block: (
                        client.insert(
                            "bare",
                            block,
                            column_names=COLUMNS,
                            column_type_names=sending.TYPE_NAMES,
                            column_oriented=True,
                        ).written_rows
                    )
                )
        _check(cost.rows == rows, f"{cost.rows} rows copied, not {rows}")
        connection.execute(sa.text("DROP TABLE bare SYNC"))
    engine.dispose()
    cost.say("the driver's bulk insert, same values")


def sizes(where: ClickHouse, rows: int) -> None:
    """Bytes a row as it lies after merging, and of each column."""
    with open_engine(where).connect() as connection:
        connection.execute(sa.text("OPTIMIZE TABLE log FINAL"))
        size = sum(one.bytes for one in partitions(connection))
        found = connection.execute(
            sa.text(
                "SELECT column, sum(column_bytes_on_disk) AS size FROM system.parts_columns WHERE active "
                "AND database = currentDatabase() AND table = 'log' GROUP BY column ORDER BY size DESC LIMIT 5"
            )
        )
        largest = ", ".join(f"{name} {many / rows:.1f}" for name, many in found)
        _check(connection.execute(sa.select(sa.func.count()).select_from(log)).scalar() == rows, "rows are missing")
    names = "in PostgreSQL"
    if isinstance(where.catalog, Path):
        names = f"{(where.catalog / 'catalog.db').stat().st_size / rows:.1f}"
    print(f"bytes a row {size / rows:.1f} (largest: {largest}); names {names}")


def questions(where: ClickHouse, rows: int, sample: Sequence[Pair]) -> None:
    """Each question, first and deep page; answers checked against the sample's rows."""
    first = sample[17][0]
    asked = [
        ("everything", LogFilter()),
        ("one user", LogFilter(user=first.user)),
        ("one user, blocked", LogFilter(user=first.user, blocked=True)),
        ("one device", LogFilter(device=first.device)),
        ("one host", LogFilter(host=first.host)),
        ("blocked", LogFilter(blocked=True)),
        ("category games", LogFilter(category="games")),
        ("search term, rare", LogFilter(terms="no such words")),
        ("URL text, one user", LogFilter(user=first.user, text="assets")),
        ("URL text that is nowhere", LogFilter(text="no-such-text-anywhere")),
    ]
    print(f"\n{'question, 100 rows a page':<36}{'first':>9}{'deep':>9}{'rows':>6}   ms")
    with Archive(where, seconds=600) as archive:
        for name, wanted in asked:
            page = archive.search(wanted, 100)
            deep = page
            for _ in range(20):
                if deep.next is None:
                    break
                deep = archive.search(wanted, 100, before=deep.next)
            near = _timed(lambda wanted=wanted: archive.search(wanted, 100))
            newest = deep.rows[0].id + 1 if deep.rows else None
            far = _timed(lambda wanted=wanted, newest=newest: archive.search(wanted, 100, before=newest))
            for row in page.rows:
                _check(wanted.user in (None, row.record.user), f"{name}: a row of somebody else")
                _check(wanted.host in (None, row.record.host), f"{name}: a row of another host")
            print(f"{name:<36}{near:>9.1f}{far:>9.1f}{len(page.rows):>6}")
        print(f"\n{'numbers, nothing rolled up':<36}{'s a million rows':>18}{'CPU':>9}")
        everything = LogFilter()
        for name, work in (
            ("totals", lambda: totals(archive, everything).rows),
            ("top users", lambda: sum(one.rows for one in top(archive, everything, "user", 1_000_000))),
            ("top hosts", lambda: sum(one.rows for one in top(archive, everything, "host", 1_000_000))),
            ("series by the hour", lambda: sum(one.rows for one in series(archive, everything))),
        ):
            begin, used = time.perf_counter(), time.process_time()
            counted = work()
            wall, used = time.perf_counter() - begin, time.process_time() - used
            print(f"{name:<36}{wall / rows * 1e6:>18.2f}{used / rows * 1e6:>9.2f}")
            _check(counted == rows, f"{name}: {counted} rows counted, not {rows}")
        for record, ending in sample[:: max(1, len(sample) // 20)]:
            row = archive.show(record.id)
            _check(row is not None and (row.record, row.ending) == (record, ending), f"{record.id} came back changed")


def retention(where: ClickHouse) -> None:
    """Dropping one day."""
    with open_engine(where).connect() as connection:
        oldest, *others = partitions(connection)
        begin, used = time.perf_counter(), time.process_time()
        after = datetime.combine(oldest.day + timedelta(days=1), clock(), UTC)
        report = prune(where, after + timedelta(days=200), UTC, clock_is_right=True)
        took, used = time.perf_counter() - begin, time.process_time() - used
        gone = [one for one in report.days if one.rows]
        _check(report.ok and len(gone) == 1 + len(others), f"retention: {report.stayed}")
        _check(not partitions(connection), "rows are left")
    rows = sum(one.rows or 0 for one in gone)
    print(
        f"retention of {len(gone)} days, {rows:,} rows, counted, dropped, names forgotten: {took:.1f} s, CPU {used:.1f}"
    )


def one_day(where: ClickHouse) -> None:
    """Dropping one day's rows alone, put back after."""
    with open_engine(where).connect() as connection:
        connection.execute(sa.text("CREATE TABLE kept AS log"))
        oldest = partitions(connection)[0]
        name = f"{oldest.day:%Y%m%d}"
        connection.execute(sa.text(f"ALTER TABLE kept ATTACH PARTITION ID '{name}' FROM log"))
        begin = time.perf_counter()
        drop(connection, oldest.day)
        took = time.perf_counter() - begin
        connection.execute(sa.text(f"ALTER TABLE log ATTACH PARTITION ID '{name}' FROM kept"))
        connection.execute(sa.text("DROP TABLE kept SYNC"))
        _check(partitions(connection)[0].rows == oldest.rows, "the day is not back")
    print(f"one day of {oldest.rows:,} rows dropped in {took * 1000:.0f} ms")


def _timed(work: Callable[[], object], tries: int = 5) -> float:
    best = float("inf")
    for _ in range(tries):
        begin = time.perf_counter()
        work()
        best = min(best, (time.perf_counter() - begin) * 1000)
    return best


def _check(true: bool, otherwise: str) -> None:
    if not true:
        raise SystemExit(f"wrong answer: {otherwise}")


def main() -> None:
    """Run everything in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=600_000, help="rows to store (default: %(default)s)")
    parser.add_argument("trust", nargs="?", choices=("trust",), help="names in a PostgreSQL server")
    args = parser.parse_args()
    rows: int = args.rows
    folder = Path(tempfile.mkdtemp(prefix="schoolgate-clickhouse-"))
    server = Postgres("-c", "fsync=on").start() if args.trust else None
    try:
        make = sa.create_engine(f"clickhousedb://?interface=chdb&path={folder / 'engine'}").connect()
        make.execute(sa.text("CREATE DATABASE school"))
        names = folder / "catalog" if server is None else server.database()
        where = ClickHouse(f"clickhouse:///school?interface=chdb&path={folder / 'engine'}", names)
        version = make.execute(sa.text("SELECT version()")).scalar()
        load = os.getloadavg()[0]
        print(
            f"{rows:,} rows over {DAYS} days; ClickHouse {version} in-process; {os.cpu_count()} cores; load {load:.1f}"
        )
        sample = ingest(where, rows)
        ceiling(where, rows)
        sizes(where, rows)
        questions(where, rows, sample)
        one_day(where)
        retention(where)
        make.close()
    finally:
        if server is not None:
            server.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
