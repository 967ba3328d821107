"""Days in ClickHouse: what there is of each, and dropping one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from logstore.clickhouse.db import open_engine, upgrade
from logstore.clickhouse.partitions import borders, drop, partitions, rows_of
from logstore.ids import id_range
from tests.logstore.rows import AT
from tests.rig import clickhouse

DAY_US = 86_400_000_000
TODAY = date(2026, 11, 21)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    """A database with the first and the last row of three days in it."""
    where = clickhouse.fresh(tmp_path)
    upgrade(where)
    with open_engine(where).connect() as made:
        for back in range(3):
            first, past = id_range(begin := AT - AT % DAY_US - back * DAY_US, begin + DAY_US)
            made.execute(sa.text(f"INSERT INTO log (id) VALUES ({first}), ({past - 1})"))
        yield made


def test_a_day_is_a_utc_day(connection: sa.Connection) -> None:
    """To the millisecond: the last row of a day is not in the next one's partition."""
    found = partitions(connection)
    assert [one.day for one in found] == [TODAY - timedelta(days=back) for back in (2, 1, 0)]
    assert [one.rows for one in found] == [2, 2, 2]
    assert all(one.bytes > 0 for one in found)
    begin = AT - AT % DAY_US
    first, past = id_range(begin, begin + DAY_US)
    assert borders(connection, TODAY) == (2, first, past - 1)


def test_dropping_a_day_leaves_the_others(connection: sa.Connection) -> None:
    drop(connection, TODAY - timedelta(days=1))
    assert [one.day for one in partitions(connection)] == [TODAY - timedelta(days=2), TODAY]
    assert rows_of(connection, TODAY - timedelta(days=1)) == 0
    assert borders(connection, TODAY - timedelta(days=1)) == (0, None, None)


def test_dropping_a_day_twice_is_no_error(connection: sa.Connection) -> None:
    """Retention that was killed in between does it again."""
    for _ in range(2):
        drop(connection, TODAY)
    assert len(partitions(connection)) == 2
