"""Runs a day file's migrations on the connection that `logstore.db` hands in."""

from __future__ import annotations

from alembic import context

from logstore.schema import day_metadata


def run() -> None:
    """Bring the connection's database to the revision asked for, all of it or nothing."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=day_metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
        # In PostgreSQL both trees live in one database: each notes its revision in a table of its own.
        version_table="alembic_version_log" if connection.dialect.name == "postgresql" else "alembic_version",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
