"""The days of the record in PostgreSQL, for retention: which there are, what they hold, how one goes.

In come a database and days; out go facts, and at the end no partition. A day leaves the table in milliseconds (DETACH)
and its files are deleted after; not concurrently, which PostgreSQL refuses beside a default partition. So it waits for
searches that run, a few seconds at a time, and lets others pass in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, select

from logstore.folding import day_of
from logstore.place import Database, StoreError
from logstore.postgres import chains, locks
from logstore.postgres.db import open_engine, reading
from logstore.prunereport import PrunedDay
from logstore.schema import DIMENSIONS, day_file
from logstore.source import ids_of

AHEAD = 7
"""Days whose partitions are there before their first row."""
WAIT_SECONDS = 3
"""Longest wait for searches that run; everybody who comes after waits behind it."""
TRIES = 20
_BUSY = "55P03"
_PRESENT = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^log_[0-9]{8}$' AND pg_table_is_visible(oid)"
)


def present(database: Database) -> dict[str, date]:
    """Partitions there are, also those taken out of the table and not deleted yet."""
    with reading(database) as catalog:
        return {name: _day(name) for name in catalog.exec_driver_sql(_PRESENT).scalars()}


def with_rows(database: Database) -> dict[str, date]:
    """Partitions there are, and days of rows that have none, by the name it would have."""
    with reading(database) as catalog:
        strays = {day_of(one) for one in catalog.exec_driver_sql("SELECT id FROM log_default").scalars()}
    days = map(date.fromisoformat, strays)
    return present(database) | {f"log_{day:%Y%m%d}": day for day in days}


def look(database: Database, file: str, day: date) -> PrunedDay:
    """What a partition holds: counted when it is there, else what the catalog noted of it."""
    with reading(database) as catalog:
        known = select(day_file.c.rows, day_file.c.min_id, day_file.c.max_id, day_file.c.bytes)
        noted = catalog.execute(known.where(day_file.c.file == file)).first()
        # Of the whole table, so that rows outside their partition count, and no right on the partition is needed.
        counted = "SELECT count(*), min(id), max(id) FROM log WHERE id >= %s AND id < %s"
        rows, first, last = catalog.exec_driver_sql(counted, ids_of(day.isoformat())).one()
        measured = "SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)"
        size = int(catalog.exec_driver_sql(measured, (file,)).scalar_one())
        ends = chains.ends(catalog, file)
    if not rows and noted is not None:  # taken out by a run that died before it could say so
        return PrunedDay(day, file, *noted[:3], noted.bytes or 0, None, chains=ends)
    return PrunedDay(day, file, rows, first, last, size, None, chains=ends)


def announce(catalog: Connection) -> None:
    """Within the transaction that notes a run: wait until no batch is on its way that does not know of it."""
    catalog.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.ROWS})")


def take_out(engine: Engine, day: date) -> None:
    """Take a day out of the table. Raises `OperationalError` when searches never let it."""
    for tries in range(TRIES):
        try:
            with engine.begin() as catalog:
                catalog.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
                catalog.exec_driver_sql("SELECT detach_log_day(%s)", (day,))
        except sqlalchemy.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _BUSY or tries == TRIES - 1:
                raise
        else:
            return


def delete(catalog: Connection, day: date) -> None:
    """Delete the files of a day that was taken out, once the transaction ends, and rows of it that lie outside."""
    catalog.exec_driver_sql("SELECT drop_log_day(%s)", (day,))
    catalog.exec_driver_sql("SELECT drop_log_strays(%s)", (day,))


def sweep(database: Database) -> None:
    """Give back the room of names that were deleted, and what is left of them in it, where this account may."""
    engine = open_engine(database)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in DIMENSIONS:
                connection.exec_driver_sql(f"VACUUM {table.name}")
    finally:
        engine.dispose()


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Be the only retention of the record; gateways that share one take turns. Raises `StoreError` when one is slow."""
    engine = open_engine(database, role="schoolgate retention")
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            try:
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({locks.RETENTION})")
            except sqlalchemy.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", "") != _BUSY:
                    raise
                what = "another gateway is removing old rows"
                raise StoreError(what, database, "It is tried again by itself.") from error
            yield
    finally:
        engine.dispose()


def make_ahead(database: Database, today: datetime) -> None:
    """Make the partitions of today and the week to come, also when no row comes; each stays made, whatever the next."""
    engine = open_engine(database, role="schoolgate partitions")
    try:
        for day in _ahead(today):
            # One transaction for all would keep rows out while it waits for locks, day after day.
            with engine.begin() as connection:
                connection.exec_driver_sql("SELECT make_log_day(%s)", (day,))
    finally:
        engine.dispose()


def missing_ahead(database: Database, today: datetime) -> list[date]:
    """Days from today to a week ahead that have no partition."""
    there = set(present(database).values())
    return [day for day in _ahead(today) if day not in there]


def _ahead(today: datetime) -> list[date]:
    first = today.astimezone(UTC).date()
    return [first + timedelta(days=number) for number in range(AHEAD + 1)]


def stray_rows(database: Database) -> int:
    """Rows in the default partition, where none should be: their day had no partition."""
    with reading(database) as catalog:
        found: Any = catalog.exec_driver_sql("SELECT count(*) FROM log_default").scalar_one()
        return int(found)


def _day(name: str) -> date:
    return datetime.strptime(name, "log_%Y%m%d").date()  # noqa: DTZ007 - a name, not a moment
