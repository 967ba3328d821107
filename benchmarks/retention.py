"""What the removal of one day of a large school costs: `python -m benchmarks.retention [--rows N]`.

Builds a record of three days in files, the middle one with all of `--rows` rows, each summed up and counted as its own
night left it. Then the first two fall due, a night each; the second is measured, with every file put out of the page
cache before: retention counts the day's rows, unlinks it, takes its sums and the names that no other day uses, and
writes its lines of proof. What went, what stayed, the names and the lines of proof are checked.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks import schooldays
from benchmarks.store import _check, _put_out
from benchmarks.targets import Target, machine
from logstore.annual import count_closed
from logstore.db import days_folder, files_of
from logstore.removal import REMOVED
from logstore.retention import prune
from logstore.rolling import Roller, rollup_cleaner
from logstore.rollups import rollup_path
from logstore.schema import DIMENSIONS

LARGE = 5_000_000
ONE_DAY = Target("one day removed, cold", 1, "s")
LAST_SEEN = 50
"""Of so many names one is seen on the day that goes for the last time."""


def build(folder: Path, rows: int) -> Counter[str]:
    """A fifth of the rows through the store, all of them the next day, a few the day after; last days of names."""
    schooldays.write_first_day(folder, rows // 5)
    schooldays.copy_day(folder, 1, 5)
    schooldays.copy_day(folder, 2, 1, 2_000)
    schooldays.name_until(folder, 2)
    last: Counter[str] = Counter()
    with _catalog(folder) as catalog:
        for table in DIMENSIONS:
            leaving = f"UPDATE {table.name} SET last_day = ? WHERE id % {LAST_SEEN} = 0"
            last[_file(1)] += catalog.execute(leaving, (_file(1).removesuffix(".db"),)).rowcount
            last[_file(2)] += catalog.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]
    last[_file(2)] -= last[_file(1)]
    for _ in Roller(folder).catch_up():
        pass
    night = datetime(schooldays.FIRST.year, schooldays.FIRST.month, schooldays.FIRST.day, 2, tzinfo=UTC)
    _check(count_closed(folder, night + timedelta(days=3)) == 3, "not every day was counted for the annual report")
    return last


def night(folder: Path, later: int, rows: int, names: int) -> tuple[float, float]:
    """Retention in the first night in which a day is due: seconds, and seconds of processor time."""
    file = _file(later)
    due = schooldays.FIRST + timedelta(days=later + 1)
    now = datetime(due.year + 1, due.month - 6, due.day, 12, tzinfo=UTC)  # November's days are due in May
    _put_out(folder)
    begin, used = time.perf_counter(), time.process_time()
    report = prune(folder, now, ZoneInfo("Europe/London"), clock_is_right=True, cleaners=(rollup_cleaner(folder),))
    wall, used = time.perf_counter() - begin, time.process_time() - used
    _check(report.ok and [day.file for day in report.days] == [file], f"{report.days} went, {report.stayed} stayed")
    _check(report.rows == rows, f"{report.rows} rows went, not {rows}")
    _check(sum(report.names.values()) == names, f"{report.names} names went, not {names}")
    parts = [*files_of(days_folder(folder) / file), rollup_path(folder, file.removesuffix(".db"))]
    _check(not any(part.exists() for part in parts), f"something of {file} is still there")
    return wall, used


def left(folder: Path, names: int) -> None:
    """The last day is there with the names it needs, and each day that went has its line of proof."""
    with _catalog(folder) as catalog:
        kept = sum(catalog.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in DIMENSIONS)
        lines = catalog.execute("SELECT subject FROM audit WHERE what = ? ORDER BY id", (REMOVED,)).fetchall()
    _check(kept == names, f"{kept} names left, not {names}")
    _check([line[0] for line in lines] == [_file(0), _file(1)], f"lines of proof of {lines}")
    _check((days_folder(folder) / _file(2)).exists(), "the day that is not due is gone")


def _file(later: int) -> str:
    return f"{schooldays.FIRST + timedelta(days=later)}.db"


def _catalog(folder: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(folder / "catalog.db", isolation_level=None))


def main() -> int:
    """Build, remove, compare with the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=LARGE, help="rows of the day (default: a large school's)")
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="schoolgate-retention-") as place:
        folder = Path(place) / "store"
        last = build(folder, rows)
        print(f"{rows:,} rows in the day, {last.total():,} names in all; {machine()}")
        night(folder, 0, rows // 5, 0)
        wall, used = night(folder, 1, rows, last[_file(1)])
        left(folder, last[_file(2)])
    print(f"{rows:,} rows and {last[_file(1)]:,} names in {wall:.2f} s, {used:.2f} s of processor time")
    return 0 if ONE_DAY.tell(wall) else 1


if __name__ == "__main__":
    sys.exit(main())
