"""Many rows a statement are what one row a statement would have been.

Shows: `logstore.inserting`, and how `logstore.store` counts what it put in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from logstore.db import create_day, open_catalog, open_writer
from logstore.folding import COLUMNS
from logstore.inserting import TOGETHER, insert_rows
from logstore.schema import day_file
from logstore.store import Store
from tests.logstore.rows import AT, ended, ids_from, request

CONFLICT = "ON CONFLICT DO NOTHING"
TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=5)
NUMBER = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "id": st.integers(1, 60),
    "blocked": st.integers(0, 1),
    **dict.fromkeys(("offset_us", "bytes_up", "bytes_down", "duration_us"), NUMBER),
    **dict.fromkeys(("note", "error", "title", "terms", "path", "query"), TEXT),
}
ROW = st.tuples(*(VALUES.get(name, st.none() | NUMBER) for name in COLUMNS))
ONE = f"INSERT INTO log VALUES ({', '.join('?' * len(COLUMNS))}) {CONFLICT}"


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Connection]:
    """An empty day file, open for writing."""
    create_day(tmp_path / "day.db")
    engine = open_writer(tmp_path / "day.db")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def insert_singly(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        connection.exec_driver_sql(ONE, row)


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    """Every value with its type as SQLite has it, and what its indexes say of each row."""
    kinds = ", ".join(f'"{name}", typeof("{name}")' for name in COLUMNS)
    assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {kinds} FROM log ORDER BY id")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=6), copies=st.integers(1, TOGETHER))
def test_what_is_stored_is_what_single_rows_would_be(day: Connection, rows: list[tuple[Any, ...]], copies: int) -> None:
    """Any number of rows, some with an id that is there or comes twice: NULLs, numbers and texts, and their types."""
    many = [(row[0] + 60 * copy, *row[1:]) for copy in range(copies) for row in rows]
    found = []
    for way in (lambda: insert_rows(day, "log", COLUMNS, many, CONFLICT), lambda: insert_singly(day, many)):
        with day.begin() as transaction:
            insert_singly(day, many[:1])
            way()
            found.append(stored(day))
            transaction.rollback()
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER])
def test_no_row_is_left_out(day: Connection, size: int) -> None:
    """Whether they fill their statements or not."""
    row = tuple(None if name.endswith("_id") else 0 for name in COLUMNS[1:])
    with day.begin():
        insert_rows(day, "log", COLUMNS, [(number, *row) for number in range(size)], CONFLICT)
        assert day.exec_driver_sql("SELECT count(*), max(id) FROM log").one() == (size, size - 1 if size else None)


@pytest.mark.parametrize("place", [0, TOGETHER - 2, TOGETHER, 2 * TOGETHER])
def test_a_row_that_lacks_what_it_must_have_is_an_error(day: Connection, place: int) -> None:
    """Not passed over, wherever it stands in its statement."""
    rows = [tuple(number if name == "id" else 0 for name in COLUMNS) for number in range(2 * TOGETHER + 1)]
    rows[place] = (place, None, *rows[place][2:])
    with pytest.raises(sa.exc.IntegrityError, match="offset_us"), day.begin():
        insert_rows(day, "log", COLUMNS, rows, CONFLICT)
    with day.begin():
        assert stored(day) == []


@pytest.mark.parametrize("again", [False, True], ids=["new", "sent again with more"])
@pytest.mark.parametrize("place", [0, 3, TOGETHER, 2 * TOGETHER + 1])
def test_a_batch_with_a_text_that_is_no_unicode_is_counted_whole(tmp_path: Path, place: int, again: bool) -> None:
    """Those before it went in before it was met: they are new as well."""
    ids = ids_from(AT)
    batch = [
        (request(ids.next(), path="/\ud800" if number == place else "/"), ended()) for number in range(2 * TOGETHER + 3)
    ]
    before = batch[1:3] if again else []
    with Store(tmp_path) as store:
        assert store.append(before) == len(before)
        assert store.append(batch) == len(batch) - len(before)
    with open_catalog(tmp_path).connect() as catalog:
        assert catalog.execute(sa.select(day_file.c.rows)).scalar() == len(batch)
