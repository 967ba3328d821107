"""The days of rows in ClickHouse, for retention: which there are, what they hold, how one goes.

In come a record and days; out go facts, and at the end no partition. The rule: a day is gone when the server finds no
row of it any more; whoever writes is kept from it by what the catalog says (`logstore.clickhouse.books`).
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from logstore.clickhouse.books import partition
from logstore.clickhouse.db import open_engine, reading, told
from logstore.clickhouse.partitions import borders, drop, partitions
from logstore.db import reading as reading_catalog
from logstore.place import ClickHouse, StoreError
from logstore.prunereport import PrunedDay
from logstore.schema import day_file


def present(where: ClickHouse) -> dict[str, date]:
    """Every day there are rows of, also those the catalog knows nothing of, by the name the books have for it."""
    with reading(where) as rows:
        return {partition(one.day.isoformat()): one.day for one in partitions(rows)}


def look(where: ClickHouse, file: str, day: date) -> PrunedDay:
    """What a day holds: counted when it is there, else what the catalog noted of it."""
    with reading(where) as rows:
        count, first, last = borders(rows, day)
        size = sum(one.bytes for one in partitions(rows) if one.day == day)
    if count:
        return PrunedDay(day, file, count, first, last, size, None)
    known = select(day_file.c.rows, day_file.c.min_id, day_file.c.max_id, day_file.c.bytes)
    with reading_catalog(where) as catalog:
        noted = catalog.execute(known.where(day_file.c.file == file)).first()
    if noted is not None:  # dropped by a run that died before it could say so
        return PrunedDay(day, file, *noted[:3], noted.bytes or 0, None)
    return PrunedDay(day, file, 0, None, None, size, None)


def take_out(where: ClickHouse, day: date) -> None:
    """Drop a day. Raises `StoreError` when rows of it are left, and what the server raises."""
    engine = open_engine(where)
    try:
        with told(where), engine.connect() as rows:
            drop(rows, day)
    except RuntimeError as error:
        raise StoreError(str(error), where, "The next run drops them.") from error
    finally:
        engine.dispose()
