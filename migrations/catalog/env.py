"""Runs the catalog's migrations on the connection that `logstore.db` hands in.

The catalog is shared: the record's dimensions, and what people have decided (`registry`), live in one file.
"""

from __future__ import annotations

import importlib

from alembic import context
from sqlalchemy import MetaData

from logstore.schema import catalog_metadata


def metadata() -> list[MetaData]:
    """Every MetaData whose tables live in the catalog."""
    try:
        registry = importlib.import_module("registry.schema")
    except ModuleNotFoundError as error:
        if error.name not in {"registry", "registry.schema"}:
            raise
        return [catalog_metadata]
    return [catalog_metadata, registry.metadata]


def run() -> None:
    """Bring the connection's database to the revision asked for, all of it or nothing."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=metadata(), transactional_ddl=True, transaction_per_migration=False
    )
    with context.begin_transaction():
        context.run_migrations()


run()
