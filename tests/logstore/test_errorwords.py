"""What the service's log says of a database that fails holds nothing of what was asked or stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import DatabaseError

from logstore.db import StoreError, reading
from logstore.errorwords import without_rows
from logstore.store import Store

from .rows import batch

SECRET = "advice.example"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT * FROM nowhere WHERE host = :host", "OperationalError: OperationalError (SQLITE_ERROR)"),
        (f'SELECT :host FROM "{SECRET}"', "OperationalError: OperationalError (SQLITE_ERROR)"),
    ],
    ids=["a value", "the driver's words"],
)
def test_a_statement_that_fails_is_told_by_kind_and_number(tmp_path: Path, statement: str, told: str) -> None:
    """Neither the values bound to it nor what the driver says of it; our engines hide the values from everybody."""
    with Store(tmp_path) as store:
        store.append(batch(1))
    with reading(tmp_path) as connection, pytest.raises(sa.exc.OperationalError) as raised:
        connection.execute(sa.text(statement), {"host": SECRET})
    assert without_rows(raised.value) == told
    assert f"'host': '{SECRET}'" not in str(raised.value)
    assert f"('{SECRET}'" not in str(raised.value)


def test_what_a_driver_says_of_itself_is_told_by_kind_and_number() -> None:
    """SQLite's search quotes the word it cannot read."""
    with closing(sqlite3.connect(":memory:")) as plain, pytest.raises(sqlite3.OperationalError, match=SECRET) as raised:
        plain.execute(f'SELECT "x" FROM "{SECRET}"')
    assert without_rows(raised.value) == "OperationalError (SQLITE_ERROR)"


def test_clickhouse_numbers_its_errors() -> None:
    """Memory, too many parts and a read-only table ask for different things."""
    raised = sa.exc.DatabaseError("INSERT", {}, DatabaseError(f"Code: 241. {SECRET}", code=241))
    assert without_rows(raised) == "DatabaseError: DatabaseError (241)"


def test_what_is_nobodys_error_is_told_by_its_kind() -> None:
    """Whatever a library found wrong, it quotes."""
    assert without_rows(ValueError(f"no number: {SECRET!r}")) == "ValueError"


def test_what_is_no_statement_is_told_in_its_words() -> None:
    """Whoever runs the gateway needs to know that the database is away."""
    away = sa.exc.OperationalError(None, None, ConnectionError("connection refused"))
    assert without_rows(away) == "OperationalError: connection refused"
    assert without_rows(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
    assert without_rows(StoreError("gone", Path("store"), "Look.")).startswith("StoreError: ")
