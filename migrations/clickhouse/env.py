"""Runs the migrations of the rows in ClickHouse on the connection that `logstore.clickhouse.db` hands in.

They are written by hand: the tree has no metadata to compare with, and `alembic revision --autogenerate` is not for it.
ClickHouse has no transaction around a change of tables, so each revision does one thing, and can be done again.
"""

from __future__ import annotations

import clickhouse_connect.cc_sqlalchemy.alembic  # noqa: F401  Alembic learns ClickHouse's ways by this import
from alembic import context


def run() -> None:
    """Bring the connection's database to the revision asked for."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


run()
