"""The tables say what the record promises."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from logstore.db import create_day
from logstore.dimensions import FOLDED
from logstore.ids import id_time_us
from logstore.schema import DIMENSIONS, day_metadata, log, time_us

from .rows import AT, ids_from


def test_the_record_id_is_the_row_id(tmp_path: Path) -> None:
    """So that every index is in time order and a second row with the same id costs nothing to refuse."""
    path = tmp_path / "day.db"
    create_day(path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO log (id, offset_us, blocked, bytes_up, bytes_down, duration_us) VALUES (77, 0, 0, 0, 0, 0)"
        )
        assert connection.execute("SELECT rowid FROM log").fetchone() == (77,)
    connection.close()


def test_a_later_column_of_a_day_file_must_be_nullable() -> None:
    """Old day files lack it and are never rewritten; these are the columns the first revision demanded."""
    demanded = {"id", "offset_us", "blocked", "bytes_up", "bytes_down", "duration_us"}
    assert {column.name for column in log.columns if not column.nullable} == demanded
    assert list(day_metadata.tables) == ["log", "log_batch"]


def test_every_dimension_is_folded_once() -> None:
    assert sorted(table.name for table in DIMENSIONS) == sorted(dimension.table.name for dimension in FOLDED)


def test_a_number_of_a_name_is_never_given_twice() -> None:
    """Rows outlive names; a number given again would make them somebody else's."""
    for table in DIMENSIONS:
        assert table.dialect_options["sqlite"]["autoincrement"], table.name


def test_the_time_of_a_row_is_exact_in_sql_too(tmp_path: Path) -> None:
    engine = sa.create_engine("sqlite://")
    day_metadata.create_all(engine)
    record_id = ids_from(AT + 123_456).next()
    exact = AT + 123_456 - 77_000
    with engine.begin() as connection:
        zeros = dict.fromkeys(("blocked", "bytes_up", "bytes_down", "duration_us"), 0)
        connection.execute(log.insert().values(id=record_id, offset_us=exact - id_time_us(record_id), **zeros))
        assert connection.execute(sa.select(time_us(log))).scalar() == exact
