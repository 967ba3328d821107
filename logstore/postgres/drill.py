"""A restore, practised in PostgreSQL: a copy is put back into a database of its own, looked at, and removed.

In come a copy and the record's database; out go a report, and a cleaner for the daily retention. The rules are those of
`logstore.drill`: the record in use is not touched, and nothing is left, because what comes back names people. The
database is called after the record's with `_drill` behind, and says what it is; one that a killed drill left is removed
by the next drill and by the next night.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy import Connection

from logstore.backup import made_of
from logstore.db import StoreError
from logstore.drill import Drill, kept_by, searched
from logstore.errorwords import without_rows
from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.db import open_engine
from logstore.postgres.dumps import restore
from logstore.prunereport import Cleaned, Cleaner, Stayed
from logstore.verify import verify

MARK = "a restore that schoolgate practises; may be dropped"
"""What a drill's database says of itself."""
_LONGEST_NAME = 63


def drill(copy: Path, record: Database) -> Drill:
    """Restore `copy` into a database of its own beside `record`'s, check and search it, and remove it again.

    The account must be allowed to make databases. Where it is not, or another drill is at work, the report says so.
    """
    begin, made = time.monotonic(), made_of(copy)
    told = "" if made is None else made.at.isoformat()
    rows, problems = 0, []
    try:
        with _at_work(record) as aside:
            rows = restore(copy, aside).rows
            report = verify(aside, kept=kept_by(made), sums=True)
            problems += [str(problem) for problem in report.problems]
            if made is not None and not made.rows == rows == report.rows:
                problems.append(f"{report.rows} rows came back, the books say {rows}, {made.rows} were copied")
            problems += searched(aside, rows)
    except (StoreError, OSError) as error:
        problems.append(str(error))
    except sqlalchemy.exc.DBAPIError as error:
        problems.append(f"the copy could not be put back: {without_rows(error)}")
    return Drill(str(copy), told, rows, time.monotonic() - begin, tuple(problems))


def aside_of(record: Database) -> Database:
    """The database that a drill uses."""
    name = f"{str(record.url.database)[: _LONGEST_NAME - 6]}_drill"
    address = record.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    return Database(address, record.password_file)


def drill_cleaner(record: Database) -> Cleaner:
    """A cleaner for `logstore.retention.prune`: removes the database that a killed drill left."""

    def drills(limit: datetime, dry_run: bool) -> Cleaned:
        del limit  # a drill never keeps anything
        with _alone(record) as connection:
            if connection is None or not _is_left(connection, aside_of(record)):
                return Cleaned("drills", 0, ())
            try:
                if not dry_run:
                    _drop(connection, aside_of(record))
            except sqlalchemy.exc.DBAPIError as error:
                why = f"a drill's database could not be removed: {without_rows(error)}"
                return Cleaned("drills", 0, (Stayed(str(aside_of(record).url.database), why, wrong=True),))
            return Cleaned("drills", 1, ())

    return drills


@contextlib.contextmanager
def _at_work(record: Database) -> Iterator[Database]:
    """A database to oneself, empty; gone afterwards, whatever happens."""
    aside = aside_of(record)
    with _alone(record) as connection:
        if connection is None:
            raise StoreError("another drill is at work", record, "Wait until it is over.")
        if _is_left(connection, aside):
            _drop(connection, aside)
        name = _quoted(connection, aside)
        try:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        except sqlalchemy.exc.DBAPIError as error:
            do = f"The account needs CREATEDB, and {aside.url.database} must not be in use for anything else."
            raise StoreError(f"no database for it could be made: {without_rows(error)}", record, do) from error
        try:
            connection.exec_driver_sql(f"COMMENT ON DATABASE {name} IS '{MARK}'")
            connection.exec_driver_sql(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
            yield aside
        finally:
            _drop(connection, aside)


@contextlib.contextmanager
def _alone(record: Database) -> Iterator[Connection | None]:
    """A connection on the record's database that holds the lock of drills; None when somebody else has it."""
    engine = open_engine(record, role="schoolgate drill")
    try:
        with engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            mine = alone.exec_driver_sql(f"SELECT pg_try_advisory_lock({locks.DRILL})").scalar_one()
            yield alone if mine else None
    finally:
        engine.dispose()


def _is_left(connection: Connection, aside: Database) -> bool:
    """Whether the database is there and says that it is a drill's."""
    asked = "SELECT shobj_description(oid, 'pg_database') = %s FROM pg_database WHERE datname = %s"
    return bool(connection.exec_driver_sql(asked, (MARK, aside.url.database)).scalar())


def _drop(connection: Connection, aside: Database) -> None:
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {_quoted(connection, aside)} WITH (FORCE)")


def _quoted(connection: Connection, database: Database) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(str(database.url.database))
