"""The tables of holds: they live in `holds.db`, beside the catalog, apart from everything retention removes.

Nothing comes in; `holds_metadata` goes out. A held row is whole: names are in its content, so that nothing of the
catalog is needed to read it. Times are microseconds since the Unix epoch, UTC. Migrations make the tables.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table, Text, UniqueConstraint

from logstore.schema import NAMING

holds_metadata = MetaData(naming_convention=NAMING)
"""Tables of `holds.db`."""

hold = Table(
    "hold",
    holds_metadata,
    Column("id", Integer, primary_key=True),
    Column("case_ref", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_us", BigInteger, nullable=False),
    Column("review_us", BigInteger, nullable=False),
    Column("copied_us", BigInteger),
    Column("error", Text),
    Column("signed_by", Text),
    Column("signed_us", BigInteger),
    Column("signed_why", Text),
    Column("released_by", Text),
    Column("released_us", BigInteger),
    Column("released_rows", BigInteger),
    UniqueConstraint("case_ref"),
    sqlite_autoincrement=True,
)
"""Holds. `state` is active or released; `filter` is JSON. `copied_us` says when all rows there were had been copied,
`error` why they could not be. The first signature under a release is `signed_by`, the second `released_by`. A released
hold keeps its case and its numbers; filter and reason are emptied, because they may name somebody."""

held_row = Table(
    "held_row",
    holds_metadata,
    Column("hold_id", Integer, ForeignKey("hold.id"), primary_key=True),
    Column("record_id", BigInteger, primary_key=True),
    Column("content", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("copied_us", BigInteger, nullable=False),
)
"""Copies of rows: `content` is canonical JSON (`logstore.canonical`), `sha256` the hash of its bytes."""
