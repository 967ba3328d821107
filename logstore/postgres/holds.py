"""Holds in PostgreSQL: a schema of their own, beside the record and apart from what retention removes.

In comes a database; out go engines and connections for `logstore.holds`. The rule: whoever changes a hold has the
catalog's lock, and so has retention while it marks a day as going; so no day goes that does not know of a hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.db import HOLDS, in_turn, open_engine, revision_of, upgrade


def open_holds(database: Database) -> Engine:
    """A writing engine on the holds, made or brought to the newest schema first."""
    upgrade(database)
    return in_turn(open_engine(database, schema=HOLDS))


@contextmanager
def reading(database: Database) -> Iterator[Connection | None]:
    """A read-only connection on the holds; None when the record is of a release that kept none here."""
    if revision_of(database, "holds") is None:
        yield None
        return
    engine = open_engine(database, read_only=True, schema=HOLDS)
    try:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        engine.dispose()


@contextmanager
def one_at_a_time(database: Database) -> Iterator[None]:
    """Keep others from changing holds until a line of the audit trail and what it says are both written."""
    engine = open_engine(database)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({locks.HOLDS})")
            yield
    finally:
        engine.dispose()


def sweep(database: Database) -> None:
    """Leave nothing of released rows in the files, where this account may."""
    engine = open_engine(database, schema=HOLDS)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("held_row", "hold"):
                connection.exec_driver_sql(f"VACUUM {table}")
    finally:
        engine.dispose()
