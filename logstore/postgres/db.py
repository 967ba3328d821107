"""Connections to the record in PostgreSQL, and bringing it to the newest schema.

In comes a `Database`; out go SQLAlchemy engines. The rules are those of `logstore.db`: whoever changes the catalog
holds a lock before it reads, so that two changes follow each other; a reader cannot write by mistake; nothing waits for
ever; tables are made by migrations only.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from time import sleep
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from logstore.db import BUSY_SECONDS, Tree, head, migrate_on, migrate_with
from logstore.place import Database, StoreError
from logstore.postgres import locks

HOLDS = "holds"
"""Schema of the holds: a place of their own, with rights and a backup of its own."""
VERSION_TABLES: dict[Tree, str] = {
    "catalog": "alembic_version",
    "day": "alembic_version_log",
    "holds": f"{HOLDS}.alembic_version",
}
"""Where each tree of migrations notes its revision: here all live in one database."""
EXTENSIONS = ("pg_trgm", "btree_gin")
"""What the migrations of `log` need of the server."""
NOT_TO_HAVE = frozenset(("42501", "0A000", "58P01"))
"""What PostgreSQL says of an extension that is not installed, or that this account may not make."""
DEADLOCK = "40P01"
"""What it says to one of two that wait for each other; then the other goes on."""
IN_THE_WAY = frozenset(("55P03", DEADLOCK))
"""What it says when a lock was not to be had in time, or two wait for each other."""
UPDATES = 5
"""How often an update is begun that somebody else's deadlock ended."""
PAUSE = 1.0
"""Longest time before it is begun again, seconds; by chance as short as half of it, so that two do not meet again."""
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 300.0
"""Longest time one statement of a writer may take."""

IN_DAY = {"schema_translate_map": {"day": None}}
"""Execution options under which a statement on the attached day file of SQLite reads the table `log` here."""


def open_catalog(database: Database) -> Engine:
    """A writing engine on the catalog; each transaction begins with the catalog's lock."""
    return in_turn(open_engine(database))


def in_turn(engine: Engine) -> Engine:
    """The engine, each of its transactions begun with the catalog's lock."""
    lock = f"SELECT pg_advisory_xact_lock({locks.CATALOG})"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(lock))
    return engine


@contextlib.contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A read-only connection, each statement a transaction of its own."""
    engine = open_engine(database, read_only=True)
    try:
        with connected(engine, database) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT", **IN_DAY)
    finally:
        engine.dispose()


def open_engine(
    database: Database,
    *,
    read_only: bool = False,
    seconds: float = STATEMENT_SECONDS,
    role: str = "schoolgate",
    schema: str | None = None,
) -> Engine:
    """An engine whose statements end after `seconds` and wait for a lock at most `BUSY_SECONDS`.

    `schema`: where tables are looked for; None leaves it to the database.

    Raises `StoreError` when psycopg is not installed.
    """
    options = {
        "statement_timeout": f"{int(seconds * 1000)}",
        "lock_timeout": f"{int(BUSY_SECONDS * 1000)}",
        "idle_in_transaction_session_timeout": f"{int(BUSY_SECONDS * 1000)}",
        "default_transaction_read_only": "on" if read_only else "off",
        "timezone": "UTC",
        "jit": "off",
    }
    if schema is not None:
        options["search_path"] = schema
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": role,
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    if read_only:
        # Else a question asked often is prepared, and then planned once for every name and span: for none of them well.
        arguments["prepare_threshold"] = None
    try:
        engine = create_engine(database.url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise StoreError("psycopg is not installed", database, "pip install 'schoolgate[postgresql]'.") from error

    @event.listens_for(engine, "do_connect")
    def add_password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        # Read for each connection, so that a changed password needs no restart; kept out of every URL.
        if (password := database.password()) is not None:
            parameters["password"] = password

    return engine


@contextlib.contextmanager
def connected(engine: Engine, database: Database) -> Iterator[Connection]:
    """A connection; a database that has no record says so as a folder without one does."""
    with engine.connect() as connection:
        try:
            yield connection
        except sqlalchemy.exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", "") != "42P01":
                raise
            raise StoreError("there is no record yet", database, "`schoolgate db upgrade` makes it.") from error


def upgrade(database: Database) -> tuple[str, ...]:
    """Make the record, or bring it to the newest schema; says which trees it changed.

    The catalog and the rows are updated together or not at all: half updated, the record fits neither this program nor
    the one before. Raises `StoreError`.
    """
    behind = left = _behind(database)
    changed: list[Tree] = []
    for again in reversed(range(UPDATES)):
        try:
            if left not in ([], ["holds"]):
                _update_record(database, left)
                changed += [tree for tree in left if tree != "holds"]
                left = [tree for tree in left if tree == "holds"]
            if left:
                _update_holds(database)
                changed += left
            break
        except sqlalchemy.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", "")
            if state == DEADLOCK and again:
                sleep(PAUSE * random.uniform(0.5, 1))  # noqa: S311 — no secret
                left = _behind(database)  # somebody else may have updated some meanwhile
                continue
            if state in IN_THE_WAY:
                do = "End what reads it for long (a backup, `db verify`, a search); run `schoolgate db upgrade` again."
                what = "was updated but for the holds" if left == ["holds"] != behind else "was not updated"
                raise StoreError(f"{what}: somebody else is at work in it", database, do) from error
            if (error.statement or "").startswith("CREATE EXTENSION") and state in NOT_TO_HAVE:
                raise _lacks_extension(database, error) from error
            if state != "42501":
                raise
            what = "has an older schema, and this account may not change it"
            raise StoreError(what, database, "Run `schoolgate db upgrade` as the record's owner.") from error
    return tuple(changed)


def _behind(database: Database) -> list[Tree]:
    """The trees whose schema is not the newest."""
    return [tree for tree in VERSION_TABLES if revision_of(database, tree) != head(tree)]


def _update_record(database: Database, behind: list[Tree]) -> None:
    engine = open_catalog(database)
    try:
        if "day" in behind:
            with engine.begin() as connection:
                for extension in EXTENSIONS:
                    connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        with engine.begin() as connection:
            # A batch on its way has locked some tables and will want more: it ends before any is locked here.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.ROWS})")
            if "day" in behind and connection.exec_driver_sql("SELECT to_regclass('log')").scalar() is not None:
                # First, so that whoever reads a day for long is waited for before a table of the catalog is locked.
                connection.exec_driver_sql("LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
            for tree in behind:
                if tree != "holds":
                    migrate_on(connection, tree)
    finally:
        engine.dispose()


def _update_holds(database: Database) -> None:
    engine, beside = open_catalog(database), in_turn(open_engine(database, schema=HOLDS))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {HOLDS}")
        migrate_with(beside, "holds")
    finally:
        engine.dispose()
        beside.dispose()


def _lacks_extension(database: Database, error: sqlalchemy.exc.DBAPIError) -> StoreError:
    """What to do where an extension is not installed, or this account may not make it."""
    name, said = str(error.statement).split()[-1], str(error.orig).partition("\n")[0]
    do = (
        f"As a superuser, in that database: CREATE EXTENSION {name}; then `schoolgate db upgrade` again. It comes with "
        "PostgreSQL: in Debian's postgresql package, elsewhere often in postgresql-contrib."
    )
    return StoreError(f"has no extension {name}, and it could not be made: {said}", database, do)


def revision_of(database: Database, tree: Tree) -> str | None:
    """The schema revision of one tree; None when it has none."""
    with reading(database) as connection:
        table = VERSION_TABLES[tree]
        if connection.exec_driver_sql("SELECT to_regclass(%s)", (table,)).scalar() is None:
            return None
        found = connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar()
        return None if found is None else str(found)
