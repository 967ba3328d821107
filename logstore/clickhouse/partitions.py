"""The days there are, and one day less.

In comes a connection; out go the partitions with their facts, and a day is dropped whole. The rule: a day is gone when
no row of it is found any more; ClickHouse unlinks its files some minutes later (`old_parts_lifetime`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select, text

from logstore.clickhouse.tables import log
from logstore.ids import id_range

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Partition:
    """One UTC day of rows."""

    day: date
    """The day."""
    rows: int
    """Its rows."""
    bytes: int
    """What they take on disk."""


def partitions(connection: Connection) -> tuple[Partition, ...]:
    """Every day there are rows of, oldest first."""
    found = connection.execute(
        text(
            "SELECT partition_id, sum(rows) AS many, sum(bytes_on_disk) AS size FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = 'log' "
            "GROUP BY partition_id HAVING many > 0 ORDER BY partition_id"
        )
    )
    return tuple(Partition(date.fromisoformat(_text(name)), int(rows), int(size)) for name, rows, size in found)


def borders(connection: Connection, day: date) -> tuple[int, int | None, int | None]:
    """Rows, smallest and greatest id of a day."""
    first, past = ids_of(day)
    found = connection.execute(
        select(func.count(), func.min(log.c.id), func.max(log.c.id)).where(log.c.id >= first, log.c.id < past)
    ).one()
    return (int(found[0]), int(found[1]), int(found[2])) if found[0] else (0, None, None)


def rows_of(connection: Connection, day: date) -> int:
    """Rows of a day; the server knows it of its partition without reading one."""
    found = connection.execute(text(f"SELECT count() FROM log WHERE _partition_id = '{day:%Y%m%d}'"))
    return int(found.scalar_one())


def drop(connection: Connection, day: date) -> None:
    """Drop a day. Raises `RuntimeError` when rows of it are left: then somebody wrote meanwhile, or it did not work."""
    # The server's guard against dropping large tables by mistake would keep rows longer than the law allows.
    connection.execute(
        text(f"ALTER TABLE log DROP PARTITION ID '{day:%Y%m%d}' SETTINGS max_partition_size_to_drop = 0")
    )
    if left := rows_of(connection, day):
        raise RuntimeError(f"{left} rows of {day} are still there after the partition was dropped")


def ids_of(day: date) -> tuple[int, int]:
    """Smallest id of a day, and that of the next day."""
    begin = (day - date(1970, 1, 1)).days * _DAY_US
    return id_range(begin, begin + _DAY_US)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
