"""The rows in ClickHouse as SQLAlchemy sees them.

Nothing comes in; `log` goes out, in a MetaData of its own. The rule: what is written here is what the migrations make
(a test compares them); the catalog's tables are never in here, and these are never in the catalog.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Integer, MetaData, Table, Text, func

from logstore import schema
from logstore.dimensions import FOLDED
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS

metadata = MetaData()
"""Tables of the rows in ClickHouse."""

ID_COLUMNS = tuple(dimension.column for dimension in FOLDED)
"""Columns that point into the catalog; 0 stands for none."""


def _column(like: Column[object]) -> Column[object]:
    match like.type:
        case Boolean():
            return Column(like.name, Boolean)
        case Text():
            return Column(like.name, Text)
        case _:
            return Column(like.name, Integer if like.name in ID_COLUMNS else BigInteger)


log = Table("log", metadata, Column("site", Text), *(_column(like) for like in schema.log.columns))
"""One row a request: the columns of a day file, and the site, by which the rows are ordered and can be sharded."""

COLUMNS = tuple(column.name for column in log.columns)
"""Its columns, in order."""
TEXT_COLUMNS = tuple(column.name for column in schema.log.columns if isinstance(column.type, Text))
"""Its texts, any of which may be missing."""


def time_us(table: Table) -> ColumnElement[int]:
    """A row's time, microseconds since the Unix epoch: what its id says plus its offset."""
    milliseconds: ColumnElement[int] = func.bitShiftRight(table.c.id, NODE_BITS + COUNTER_BITS, type_=BigInteger)
    return milliseconds * 1000 + EPOCH_US + table.c.offset_us
