"""Blocks of rows: what is there is found, what is sent twice is there once, and a failing server is said to be one.

Shows: `logstore.clickhouse.words`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from logstore.clickhouse.db import open_engine, upgrade
from logstore.clickhouse.partitions import drop
from logstore.clickhouse.sending import ClickHouseAway, already_there, away, send, settle, token
from logstore.clickhouse.tables import COLUMNS, ID_COLUMNS, TEXT_COLUMNS, log
from logstore.dimensions import restored
from tests.logstore.rows import AT, ids_from
from tests.rig import clickhouse

SITES = ("oakwood", "elm", "")


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[sa.Connection]:
    """A database with the empty table in it."""
    where = clickhouse.fresh(tmp_path)
    upgrade(where)
    with open_engine(where).connect() as connection:
        yield connection


def block(size: int, begin: int = 0, **texts: str | None) -> list[list[Any]]:
    """The same rows every time it is asked for, as columns."""
    ids = ids_from(AT, 1_000_000)
    every = [ids.next() for _ in range(begin + size)][begin:]
    made: dict[str, list[Any]] = {name: [0] * size for name in COLUMNS}
    made |= {name: [None] * size for name in (*ID_COLUMNS, "status")}
    made |= {name: [texts.get(name)] * size for name in TEXT_COLUMNS}
    made |= {"id": every, "site": [SITES[n % 3] for n in range(size)], "blocked": [True] * size}
    return [made[name] for name in COLUMNS]


def ids_in(rows: sa.Connection) -> list[int]:
    """The ids of every row."""
    return list(rows.execute(sa.select(log.c.id).order_by(log.c.id)).scalars())


def ids_of(columns: list[list[Any]]) -> list[int]:
    """The ids of a block."""
    return list(columns[COLUMNS.index("id")])


def test_what_is_there_is_found_and_nothing_else(rows: sa.Connection) -> None:
    send(rows, "gateway-1", block(30))
    wanted = ids_of(block(60))
    assert already_there(rows, wanted, SITES) == set(wanted[:30])
    assert already_there(rows, wanted[30:], SITES) == set()
    assert already_there(rows, [], SITES) == set()


def test_a_block_sent_again_while_the_first_is_on_its_way_is_dropped(rows: sa.Connection) -> None:
    """A look cannot see what has not arrived; then the token counts."""
    for producer in ("gateway-1", "gateway-1", "gateway-2"):
        send(rows, producer, block(20))
    send(rows, "gateway-1", block(10, 20))
    assert ids_in(rows) == ids_of(block(30))


def test_rows_that_were_dropped_can_be_put_back(rows: sa.Connection) -> None:
    """A token must not outlive its rows: else a day that is replayed after an accident would be lost for good."""
    send(rows, "gateway-1", block(20))
    drop(rows, date(2026, 11, 21))
    assert ids_in(rows) == []
    send(rows, "gateway-1", block(20))
    assert ids_in(rows) == ids_of(block(20))


@pytest.mark.parametrize("text", ["", "castle", "ä\U0001f3f0", "a\0b", "half a \ud83c letter", None])
def test_any_text_comes_back(rows: sa.Connection, text: str | None) -> None:
    send(rows, "gateway-1", block(3, title=text, path="/"))
    statement = sa.select(log.c.title, log.c.path).execution_options(query_formats={"String": "bytes"})
    assert [restored(row.title) for row in rows.execute(statement)] == [text] * 3


def test_a_value_that_is_none_of_the_column_is_the_row_s_fault(rows: sa.Connection) -> None:
    for column, wrong in (("path", {}), ("id", 1 << 70), ("bytes_up", "many")):
        columns = block(3)
        columns[COLUMNS.index(column)][1] = wrong
        with pytest.raises(Exception, match=r".") as refused, away():
            send(rows, "gateway-1", columns)
        assert not isinstance(refused.value, ClickHouseAway), column
    assert ids_in(rows) == []


def test_a_server_that_fails_is_said_to_be_away(rows: sa.Connection) -> None:
    rows.execute(sa.text("DROP TABLE log SYNC"))
    with pytest.raises(ClickHouseAway), away():
        send(rows, "gateway-1", block(3))
    with pytest.raises(ClickHouseAway), away():
        already_there(rows, ids_of(block(3)), SITES)


def test_settling_waits_for_nobody_when_nothing_is_on_its_way(rows: sa.Connection) -> None:
    settle(rows, f"gateway-{os.getpid()}")
    assert ids_in(rows) == []


@given(st.lists(st.integers(0, 1 << 62), min_size=1, max_size=50, unique=True), st.integers(0, 1 << 62))
def test_a_token_names_its_rows_and_no_others(ids: list[int], other: int) -> None:
    assert token(ids) == token(list(ids))
    assert token([*ids, other]) != token(ids)


def test_whole_numbers_stay_whole(rows: sa.Connection) -> None:
    """ClickHouse's `/` gives a fraction, and it has no `>>`."""
    number = sa.literal(-7, sa.BigInteger)
    found = rows.execute(sa.select(sa.literal(7, sa.BigInteger) // 2, number // 2, sa.literal(12).bitwise_rshift(2)))
    assert tuple(found.one()) == (3, -3, 3)
