"""Connections to the rows in ClickHouse, and bringing their table to the newest schema.

In comes a `ClickHouse`; out go SQLAlchemy engines. The rules: nothing waits for ever; a reader cannot write by mistake;
the table is made by migrations only; whoever has not installed the driver is told what to install, and nobody else
notices that it is missing.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, create_engine, event, text

from logstore.db import StoreError, head, migrate_with
from logstore.place import ClickHouse

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 300
"""Longest time one statement may take."""
LONGEST_STATEMENT = 64 * 1024 * 1024
"""Bytes of the longest question: one that names a million hosts."""
IN_DAY = {"schema_translate_map": {"day": None}}
"""Execution options under which a statement on the attached day file of SQLite reads the table `log` here."""
TOO_LONG = 159
"""ClickHouse's number for a statement that was stopped because it took too long."""
_NO_TABLE, _NO_DATABASE = 60, 81
_REFUSED = {516: "the account or its password is not right", 497: "the account may not do this"}


def open_engine(where: ClickHouse, *, read_only: bool = False, seconds: float = STATEMENT_SECONDS) -> Engine:
    """An engine whose statements end after `seconds`. Raises `StoreError` when the driver is not installed."""
    _demand("clickhouse_connect", "schoolgate[clickhouse]", where)
    if where.in_process:
        _demand("chdb", "chdb", where)
    # What begins with ch_ is a setting of the session.
    arguments: dict[str, Any] = {"ch_max_execution_time": seconds}
    if read_only:
        arguments["ch_readonly"] = 2  # reads only, but a statement may bring settings
        arguments["ch_max_query_size"] = LONGEST_STATEMENT
    if not where.in_process:
        arguments |= {"connect_timeout": CONNECT_SECONDS, "send_receive_timeout": STATEMENT_SECONDS + CONNECT_SECONDS}
    from logstore.clickhouse.words import WholeNumbers

    engine = create_engine(where.url, connect_args=arguments, hide_parameters=True)
    engine.dialect.statement_compiler = WholeNumbers
    # When a value cannot be sent, the driver logs it with the traceback; a row's content belongs in no log.
    logging.getLogger("clickhouse_connect.driver.transform").setLevel(logging.CRITICAL + 1)

    @event.listens_for(engine, "do_connect")
    def add_password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        # Read for each connection, so that a changed password needs no restart; kept out of every URL.
        if (password := where.password()) is not None:
            parameters["password"] = password

    return engine


@contextlib.contextmanager
def reading(where: ClickHouse, seconds: float = STATEMENT_SECONDS) -> Iterator[Connection]:
    """A read-only connection. Texts come as bytes: `restored` makes of them what was stored, whatever that was."""
    engine = open_engine(where, read_only=True, seconds=seconds)
    try:
        with told(where), engine.connect() as connection:
            yield connection.execution_options(query_formats={"String": "bytes"}, **IN_DAY)
    finally:
        engine.dispose()


@contextlib.contextmanager
def told(where: ClickHouse) -> Iterator[None]:
    """A server without our table says so as a folder without a record does."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        code = getattr(error.orig, "code", None)
        if code == _NO_DATABASE:
            raise StoreError("there is no such database", where, "CREATE DATABASE makes it.") from error
        if code in _REFUSED:
            raise StoreError(_REFUSED[code], where, "docs/clickhouse.md, Install, says what it needs.") from error
        if code == _NO_TABLE:
            raise StoreError("there is no record yet", where, "`schoolgate db upgrade` makes it.") from error
        raise


def upgrade(where: ClickHouse) -> bool:
    """Make the table of the rows, or bring it to the newest schema; whether anything was to be done."""
    engine = open_engine(where)
    try:
        with told(where):
            if revision_of(engine) == head("clickhouse"):
                return False
            migrate_with(engine, "clickhouse")
            return True
    finally:
        engine.dispose()


def revision_of_rows(where: ClickHouse) -> str | None:
    """The schema revision of the rows of a record; None when there are none."""
    engine = open_engine(where, read_only=True)
    try:
        with told(where):
            return revision_of(engine)
    finally:
        engine.dispose()


def version_of(engine: Engine) -> str:
    """What the server says it is: `26.9.1.1`. The engine is let go of."""
    try:
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT version()")).scalar_one())
    finally:
        engine.dispose()


def revision_of(engine: Engine) -> str | None:
    """The schema revision of the rows; None when there is none."""
    with engine.connect() as connection:
        if not connection.execute(text("EXISTS TABLE alembic_version")).scalar():
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def _demand(module: str, package: str, where: ClickHouse) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise StoreError(f"{module} is not installed", where, f"pip install '{package}'.") from error
