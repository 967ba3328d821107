"""What evidence costs: `python -m benchmarks.seal [rows]`.

Prints the hash chain's price a row (processor time of `store_batch` beside the bare insert of the very same values, and
of `make_batch` alone), the time to seal a day and its bytes a row before and after, the time of a search of URL text
with cold files before and after, and the time to check the record, by hash and row by row. Answers are checked: the
same rows before and after, a changed row found. Rows as in `benchmarks.store`.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.store import BATCH, DAYS, _put_out, school_days
from logstore.batches import rows_in, store_batch
from logstore.chain import FORM, genesis, make_batch
from logstore.db import create_day, days_folder, open_writer, reading_file
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.seal import seal
from logstore.store import Store, _insert
from logstore.verify import verify

LATER = datetime(2027, 1, 1, tzinfo=UTC)


def ingest(folder: Path, rows: int) -> None:
    """Rows into the store."""
    used = 0.0
    with Store(folder) as store:
        for batch in school_days(rows):
            begin = time.process_time()
            store.append(batch)
            used += time.process_time() - begin
    print(f"Store.append, chain and all indexes    {used / rows * 1e6:7.2f} µs CPU a row")


def chain(folder: Path, place: Path) -> None:
    """The same values with and without their batch; and the hashing alone, the best of several."""
    day = sorted(days_folder(folder).glob("*.db"))[0]
    with reading_file(day) as source:
        values = [row for row, _ in zip(rows_in(source, FORM), range(100_000), strict=False)]
    batches = [values[at : at + BATCH] for at in range(0, len(values), BATCH)]
    names = [("host_id", number, f"www.site{number}.example") for number in range(200)]
    hashing = min(
        _cpu(lambda one=one: make_batch(genesis("day"), 1, one, [], 0)) / len(one) for one in batches for _ in range(5)
    )
    bare = with_chain = float("inf")
    for turn in range(3):
        for chained in (False, True):
            path = place / f"{turn}-{chained}.db"
            create_day(path)
            engine = open_writer(path)
            used = 0.0
            for one in batches:
                with engine.begin() as connection:
                    begin = time.process_time()
                    if chained:
                        store_batch(connection, path.name, one, names, 0, _insert)
                    else:
                        _insert(connection, one)
                    used += time.process_time() - begin
            engine.dispose()
            if chained:
                with_chain = min(with_chain, used / len(values))
            else:
                bare = min(bare, used / len(values))
    print(f"hashing a batch of {BATCH}                {hashing * 1e6:7.2f} µs CPU a row")
    print(
        f"insert with its batch, less the insert  {(with_chain - bare) * 1e6:7.2f} µs CPU a row (of {bare * 1e6:.1f})"
    )


def sealing(folder: Path, rows: int) -> None:
    """Bytes, seconds, and what a cold search gains."""
    before, cold = _size(folder), _cold_scan(folder)
    with Archive(folder, seconds=600) as archive:
        ids = [row.id for row in archive.search(LogFilter(), 10_000).rows]
    begin, used = time.perf_counter(), time.process_time()
    run = seal(folder, LATER)
    wall, used = time.perf_counter() - begin, time.process_time() - used
    _check(run.ok and len(run.sealed) == DAYS, f"sealed {len(run.sealed)} days: {run.stayed}")
    with Archive(folder, seconds=600) as archive:
        _check(ids == [row.id for row in archive.search(LogFilter(), 10_000).rows], "other rows after sealing")
    per = 1e6 / rows
    print(f"sealing                                 {wall * per:7.2f} s a million rows ({used * per:.2f} s CPU)")
    catalog, after = (folder / "catalog.db").stat().st_size / rows, _size(folder) / rows
    print(
        f"bytes a row                             {before / rows:7.1f} live, {after:.1f} sealed; catalog {catalog:.1f}"
    )
    warmed = _cold_scan(folder)
    print(f"URL text, cold                          {cold * per:7.2f} s a million rows live, {warmed * per:.2f} sealed")
    for name, part in _parts(sorted(days_folder(folder).glob("*.db"))[0]):
        print(f"  {name:<36}  {part / (rows / DAYS):7.1f} bytes a row")


def checking(folder: Path, rows: int) -> None:
    """By hash, and row by row; and that a changed row is found."""
    for words, deep in (("by hash", False), ("row by row", True)):
        _put_out(folder)
        begin, used = time.perf_counter(), time.process_time()
        report = verify(folder, deep=deep)
        wall, used = (time.perf_counter() - begin) / rows * 1e6, (time.process_time() - used) / rows * 1e6
        _check(report.ok, f"found {report.problems[:3]}")
        print(f"db verify, {words:<10}                   {wall:7.2f} s a million rows ({used:.2f} s CPU)")
    day = sorted(days_folder(folder).glob("*.db"))[-1]
    day.chmod(0o600)
    connection = sqlite3.connect(day)
    changed = connection.execute(
        "UPDATE log SET path = '/x' WHERE id = (SELECT max(id) FROM log) RETURNING id"
    ).fetchone()
    connection.commit()
    connection.close()
    found = verify(folder).problems
    _check(changed[0] in [problem.record for problem in found], f"a changed row was not found: {found}")


def _cold_scan(folder: Path) -> float:
    _put_out(folder)
    begin = time.perf_counter()
    with Archive(folder, seconds=600) as archive:
        _check(archive.search(LogFilter(text="no-such-text-anywhere"), 100).rows == (), "found what is not there")
    return time.perf_counter() - begin


def _parts(path: Path) -> list[tuple[str, int]]:
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        return connection.execute(
            "SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name ORDER BY size DESC LIMIT 9"
        ).fetchall()
    except sqlite3.OperationalError:  # built without dbstat
        return []
    finally:
        connection.close()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in days_folder(folder).glob("*.db"))


def _cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _check(true: bool, otherwise: str) -> None:
    if not true:
        raise SystemExit(f"wrong answer: {otherwise}")


def main() -> None:
    """Run everything in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=600_000, help="rows to store (default: %(default)s)")
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="schoolgate-seal-") as place:
        folder = Path(place) / "store"
        load = os.getloadavg()[0]
        print(
            f"{rows:,} rows over {DAYS} days; SQLite {sqlite3.sqlite_version}; {os.cpu_count()} cores, load {load:.1f}"
        )
        ingest(folder, rows)
        chain(folder, Path(place))
        sealing(folder, rows)
        checking(folder, rows)


if __name__ == "__main__":
    main()
