"""A store of many rows for benchmarks: one day through the store's own writer, its like for the other days in bulk.

In come a folder, rows and days; out goes a store. The first day is written by `Store`, as the shipper does. The others
are its rows, several times over, with later ids and other people, put by SQLite itself into files the store has made,
because five million rows a day through the writer cost minutes and say nothing more about reading them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.store import BATCH, Pair, _pair, urls
from logstore.db import days_folder, files_of
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS, RecordIds
from logstore.marks import HOUR_US
from logstore.packing import pack
from logstore.schema import DIMENSIONS
from logstore.store import Store

FIRST = date(2026, 11, 16)
"""The day that is written first; a Monday."""
USERS = 1400
SCHOOL_US = 27_000_000_000
"""Seven and a half hours, in microseconds: 08:00 to 15:30 UTC."""
APART_MS = 5
"""Milliseconds between a row and its next copy of the same day."""
_DAY_MS = 86_400_000


@functools.cache
def _corpus() -> list[tuple[str, str, str | None, str]]:
    return urls()


def first_moment(day: date) -> int:
    """08:00 UTC of a day, microseconds since the Unix epoch."""
    return int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp()) * 1_000_000


def requests(day: date, rows: int, seed: int = 42) -> Iterator[list[Pair]]:
    """One school day of `rows` requests, in batches as the shipper hands them over."""
    rng, corpus = random.Random(seed), _corpus()
    users = [f"pupil-{n:04}" for n in range(USERS - 100)] + [f"teacher-{n:03}" for n in range(100)]
    homes = {user: rng.randrange(len(corpus)) for user in users}
    start, now = first_moment(day), 0
    ids = RecordIds(1, lambda: now)
    for done in range(0, rows, BATCH):
        batch: list[Pair] = []
        for n in range(done, min(rows, done + BATCH)):
            now = start + n * SCHOOL_US // rows
            batch.append(_pair(ids.next(), now, rng, corpus, users, homes))
        yield batch


def write_first_day(folder: Path, rows: int) -> None:
    """The first day, through the store."""
    with Store(folder) as store:
        for batch in requests(FIRST, rows):
            store.append(batch)


def copy_day(folder: Path, later: int, times: int = 1, rows: int = -1) -> None:
    """The first day's rows (or the first `rows` of them), `times` times over, `later` days later.

    Everybody is somebody else of the same school, so that days differ; the file is written anew at the end, in the
    order of the ids, as sealing leaves it.
    """
    day = FIRST + timedelta(days=later)
    path = days_folder(folder) / f"{day}.db"
    with Store(folder) as store:
        store.append(next(requests(day, 1)))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as target:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000"):
            target.execute(f"PRAGMA {pragma}")
        target.execute("ATTACH ? AS source", (str(days_folder(folder) / f"{FIRST}.db"),))
        indexes = target.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        made = indexes.fetchall()
        for name, _ in made:
            target.execute(f"DROP INDEX main.{name}")
        target.execute("DELETE FROM main.log")
        names = [row[1] for row in target.execute("PRAGMA main.table_info(log)")]
        moved = {
            "id": f"one.id + (({later * _DAY_MS} + again.value * {APART_MS}) << {NODE_BITS + COUNTER_BITS})",
            "user_id": f"(one.user_id + {later * 37} + again.value * 251) % {USERS} + 1",
        }
        target.execute(
            f"INSERT INTO main.log ({', '.join(f'"{name}"' for name in names)}) "
            f"SELECT {', '.join(moved.get(name, f'one."{name}"') for name in names)} "
            f"FROM (SELECT * FROM source.log ORDER BY id LIMIT ?) AS one CROSS JOIN json_each(?) AS again",
            (rows, json.dumps(list(range(times)))),
        )
        for _, sql in made:
            target.execute(sql)
        count, first, last = target.execute("SELECT count(*), min(id), max(id) FROM main.log").fetchone()
        moment = f"((id >> {NODE_BITS + COUNTER_BITS}) * 1000 + {EPOCH_US} + offset_us)"
        hours = [row[0] for row in target.execute(f"SELECT DISTINCT {moment} / {HOUR_US} FROM main.log")]
        late = target.execute("SELECT max(-min(offset_us), 0), max(max(offset_us), 0) FROM main.log").fetchone()
    seal(path)
    with contextlib.closing(sqlite3.connect(folder / "catalog.db", isolation_level=None)) as catalog:
        catalog.execute(
            "UPDATE day_file SET state = 'sealed', rows = ?, min_id = ?, max_id = ?, early_us = ?, late_us = ? "
            "WHERE file = ?",
            (count, first, last, *late, path.name),
        )
        catalog.executemany(
            "INSERT INTO log_hour (day, hour, marks) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET marks = 2",
            [(f"{day}", hour) for hour in hours],
        )


def name_until(folder: Path, later: int) -> None:
    """Say in the catalog that every name was used up to the day `later` days after the first."""
    day = f"{FIRST + timedelta(days=later)}"
    with contextlib.closing(sqlite3.connect(folder / "catalog.db", isolation_level=None)) as catalog:
        for table in DIMENSIONS:
            catalog.execute(f"UPDATE {table.name} SET last_day = max(last_day, ?)", (day,))


def seal(path: Path) -> None:
    """Write a day file anew, as a closed day is left: packed, and nobody may write to it."""
    fresh = path.with_name(f".copy-{path.name}")
    pack(path, fresh)
    fresh.chmod(0o400)
    for part in files_of(path):
        part.unlink(missing_ok=True)
    fresh.rename(path)
