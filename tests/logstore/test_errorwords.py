"""What the service's log says of a database that fails holds nothing of what was asked or stored.

Shows: `logstore.errorwords`, `logstore.ournames`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import DatabaseError

from logstore.clickhouse.sending import ClickHouseAway, away
from logstore.db import StoreError, reading, upgrade
from logstore.errorwords import in_words, without_rows
from logstore.ournames import ours_in
from logstore.place import Database
from logstore.postgres.db import open_engine
from logstore.postgres.dumps import said_of
from logstore.store import Store
from proxy.troubles import in_words as start_words

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


def test_sqlite_says_what_is_wrong_with_a_file_in_its_words(tmp_path: Path) -> None:
    """A full disk and a damaged file quote nobody, and whoever runs the gateway must be able to tell them apart."""
    spoilt = tmp_path / "spoilt.db"
    spoilt.write_bytes(b"no database" * 1_000)
    engine = sa.create_engine(f"sqlite:///{spoilt}")
    with engine.connect() as connection, pytest.raises(sa.exc.DatabaseError) as raised:
        connection.exec_driver_sql("SELECT * FROM log")
    assert without_rows(raised.value) == in_words(raised.value) == "DatabaseError: file is not a database"


@pytest.mark.parametrize("told", [in_words, without_rows], ids=["status", "log"])
class TestPostgresql:
    """The server quotes the row in its first line, in `DETAIL` and in `CONTEXT`."""

    def test_a_name_that_is_there_already(self, catalog: sa.Connection, told: Callable[[Exception], str]) -> None:
        put = f"INSERT INTO dim_user (id, key, first_day, last_day) VALUES (%s, '{SECRET}', '2026-11-21', '2026-11-21')"
        with pytest.raises(sa.exc.IntegrityError, match=SECRET) as raised:
            for number in (1, 2):
                catalog.exec_driver_sql(put, (number,))
        said = told(raised.value)
        assert SECRET not in said
        assert said.startswith("IntegrityError: UniqueViolation (23505, table dim_user, constraint ")
        at_the_end = sa.exc.IntegrityError(None, None, raised.value.orig)  # type: ignore[arg-type]  # of a COMMIT
        assert told(at_the_end) == said

    def test_a_value_that_is_none(self, catalog: sa.Connection, told: Callable[[Exception], str]) -> None:
        with pytest.raises(sa.exc.DataError, match=SECRET) as raised:
            catalog.exec_driver_sql("SELECT CAST(%s AS bigint)", (SECRET,))
        assert told(raised.value) == "DataError: InvalidTextRepresentation (22P02)"

    def test_a_row_that_is_copied(self, catalog: sa.Connection, told: Callable[[Exception], str]) -> None:
        """The driver's own error, as batches meet it: which column it was stands in `CONTEXT`, before the value."""
        driver: Any = catalog.connection.driver_connection
        with (
            pytest.raises(psycopg.Error, match=f"COPY.*{SECRET}") as raised,
            driver.cursor() as cursor,
            cursor.copy("COPY dim_user (id, key) FROM STDIN") as copy,
        ):
            copy.write(f"{SECRET}\tx\n".encode())
        assert told(raised.value) == "InvalidTextRepresentation (22P02)"

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("INSERT INTO dim_user (key) VALUES ('{secret}')", "InsufficientPrivilege (42501, table dim_user)"),
            ("SELECT nextval('dim_user_id_seq')", "InsufficientPrivilege (42501, sequence dim_user_id_seq)"),
            ("SELECT drop_log_day('1999-01-01')", "InsufficientPrivilege (42501, function drop_log_day)"),
            ("SELECT FROM holds.hold", "InsufficientPrivilege (42501, schema holds)"),
            ("SELECT FROM log_19990101 WHERE path = '{secret}'", "UndefinedTable (42P01, table log_19990101)"),
            ("SELECT FROM nowhere.audit", "UndefinedTable (42P01, table audit)"),
            ('SELECT FROM "{secret}"', "UndefinedTable (42P01)"),
            ("SELECT make_log_day('{secret}', 1)", "UndefinedFunction (42883, function make_log_day)"),
            ("SELECT place('{secret}')", "UndefinedFunction (42883)"),
            ("UPDATE log SET audit = '{secret}'", "UndefinedColumn (42703)"),
            ('SELECT "{secret}" FROM log', "UndefinedColumn (42703)"),
        ],
        ids=lambda value: value.partition(" (")[0] if "(4" in value else None,
    )
    def test_a_right_or_a_table_that_is_missing(
        self, catalog: sa.Connection, told: Callable[[Exception], str], statement: str, said: str
    ) -> None:
        """Which of ours it was; no word of the statement that is not one of our names."""
        catalog.exec_driver_sql("SET ROLE pg_monitor")
        with pytest.raises(sa.exc.ProgrammingError) as raised:
            catalog.exec_driver_sql(statement.format(secret=SECRET))
        assert told(raised.value) == f"ProgrammingError: {said}"

    def test_a_lock_that_is_not_to_be_had(self, catalog: sa.Connection, told: Callable[[Exception], str]) -> None:
        with catalog.engine.begin() as other:
            other.exec_driver_sql("LOCK TABLE audit")
            with pytest.raises(sa.exc.OperationalError) as raised:
                catalog.exec_driver_sql("LOCK TABLE audit NOWAIT")
        assert told(raised.value) == "OperationalError: LockNotAvailable (55P03, table audit)"

    def test_a_connection_that_goes_while_it_is_asked(
        self, catalog: sa.Connection, told: Callable[[Exception], str]
    ) -> None:
        """There is a statement, and no number: nothing is told but the kind."""
        driver: Any = catalog.connection.driver_connection
        driver.close()
        with pytest.raises(sa.exc.OperationalError) as raised:
            catalog.exec_driver_sql(f"SELECT '{SECRET}'")
        assert told(raised.value) == "OperationalError: OperationalError"


def test_every_name_of_ours_is_known(catalog: sa.Connection) -> None:
    """Tables, their numbers and functions, as the migrations made them."""
    here = "IN ('public'::regnamespace, 'holds'::regnamespace)"
    by_extension = "SELECT objid FROM pg_depend WHERE deptype = 'e'"
    kinds = {
        "table": f"SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace {here}",
        "sequence": f"SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace {here}",
        "function": f"SELECT proname FROM pg_proc WHERE pronamespace {here} AND oid NOT IN ({by_extension})",
    }
    for kind, query in kinds.items():
        names = catalog.exec_driver_sql(query).scalars().all()
        assert names
        assert [ours_in(f'x "{name}" y') for name in names] == [[f"{kind} {name}"] for name in names]
    assert ours_in("log_20261121 log_٢٠٢٦١١٢١ log_２０２６１１２１") == ["table log_20261121"]
    assert ours_in(f"{SECRET} logs dim_users public.nothing log_2026 audit-") == ["table audit"]


@pytest.fixture
def catalog(database: Database) -> Iterator[sa.Connection]:
    """A record in PostgreSQL."""
    upgrade(database)
    engine = open_engine(database)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


FAILED = 'pg_restore: error: COPY failed for table "dim_user": ERROR:  '
TWICE = 'duplicate key value violates unique constraint "dim_user_key_key"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{FAILED}{TWICE}\nDETAIL:  Key (key)=({SECRET}) already exists.", f"{FAILED}{TWICE}"),
        (f'{FAILED}{TWICE}\nCONTEXT:  COPY dim_user, line 2: "{SECRET}"', f"{FAILED}{TWICE}"),
        (f'{FAILED}invalid input syntax for type bigint: "{SECRET}"', f"{FAILED}invalid input syntax for type bigint:"),
        (f'pg_restore: error: ERROR:  value "{SECRET}" is out of range', "pg_restore: error: ERROR:  value"),
        (
            f"pg_restore: Fehler: FEHLER:  ungültige Syntax: »{SECRET}«",
            "pg_restore: Fehler: FEHLER:  ungültige Syntax:",
        ),
        (f"pg_restore: erreur : syntaxe en entrée : « {SECRET} »", "pg_restore: erreur : syntaxe en entrée :"),
        (f"{SECRET}", ""),
    ],
    ids=["in DETAIL", "in CONTEXT", "behind the words", "within the words", "German", "French", "anywhere else"],
)
def test_a_restore_that_fails_quotes_no_row(text: str, said: str) -> None:
    assert said_of("pg_restore", text) == said


def test_clickhouse_that_fails_is_away_for_no_words_of_its_own() -> None:
    """Its errors quote the block that was sent."""
    refused = DatabaseError(f"Code: 27. DB::Exception: while executing INSERT: ('{SECRET}')", code=27)
    for raised in (refused, sa.exc.DatabaseError("INSERT", {}, refused)):
        with pytest.raises(ClickHouseAway) as away_for, away():
            raise raised
        assert SECRET not in without_rows(away_for.value)
        assert "27" in without_rows(away_for.value)


def test_a_process_that_cannot_start_says_no_words_of_a_driver() -> None:
    """What a process prints when it cannot start stands in the log of the service."""
    raised = sa.exc.IntegrityError("INSERT", {}, sqlite3.OperationalError(f'no such column: "{SECRET}"'))
    assert SECRET not in start_words(raised)
