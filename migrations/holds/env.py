"""Runs the migrations of holds on the connection that `logstore.db` hands in."""

from __future__ import annotations

from alembic import context

from logstore.holdschema import holds_metadata


def run() -> None:
    """Bring the connection's database to the revision asked for, all of it or nothing."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=holds_metadata, transactional_ddl=True, transaction_per_migration=False
    )
    with context.begin_transaction():
        context.run_migrations()


run()
