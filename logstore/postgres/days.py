"""The days of the record in PostgreSQL, for retention: which there are, what they hold, how one goes.

In come a database and days; out go facts, and at the end no partition. A day leaves the table in milliseconds (DETACH)
and its files are deleted after; not concurrently, which PostgreSQL refuses beside a default partition. So it waits for
searches that run, a few seconds at a time, and lets others pass in between.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, select

from logstore.place import Database
from logstore.postgres.db import ROWS_LOCK, open_engine, reading
from logstore.prunereport import PrunedDay
from logstore.schema import DIMENSIONS, day_file

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


def look(database: Database, file: str, day: date) -> PrunedDay:
    """What a partition holds: counted when it is there, else what the catalog noted of it."""
    with reading(database) as catalog:
        known = select(day_file.c.rows, day_file.c.min_id, day_file.c.max_id, day_file.c.bytes)
        noted = catalog.execute(known.where(day_file.c.file == file)).first()
        if catalog.exec_driver_sql("SELECT to_regclass(%s)", (file,)).scalar() is None:
            rows, first, last, size = (0, None, None, 0) if noted is None else tuple(noted)
            return PrunedDay(day, file, rows, first, last, size or 0, None)
        rows, first, last = catalog.exec_driver_sql(f"SELECT count(*), min(id), max(id) FROM {file}").one()
        size = catalog.exec_driver_sql("SELECT pg_total_relation_size(%s::regclass)", (file,)).scalar_one()
    return PrunedDay(day, file, rows, first, last, size, None)


def announce(catalog: Connection) -> None:
    """Within the transaction that notes a run: wait until no batch is on its way that does not know of it."""
    catalog.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ROWS_LOCK})")


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
    """Delete the files of a day that was taken out, once the transaction ends."""
    catalog.exec_driver_sql("SELECT drop_log_day(%s)", (day,))


def sweep(database: Database) -> None:
    """Give back the room of names that were deleted, and what is left of them in it, where this account may."""
    engine = open_engine(database)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in DIMENSIONS:
                connection.exec_driver_sql(f"VACUUM {table.name}")
    finally:
        engine.dispose()


def stray_rows(database: Database) -> int:
    """Rows in the default partition, where none should be: their day had no partition."""
    with reading(database) as catalog:
        found: Any = catalog.exec_driver_sql("SELECT count(*) FROM log_default").scalar_one()
        return int(found)


def _day(name: str) -> date:
    return datetime.strptime(name, "log_%Y%m%d").date()  # noqa: DTZ007 - a name, not a moment
