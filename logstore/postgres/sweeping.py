"""What was deleted leaves the files of a record in PostgreSQL.

In comes a database; out go the tables somebody was using. A plain VACUUM frees a deleted row and leaves its bytes in
the page, as long as another row is there: so tables from which retention deletes are written anew (`VACUUM FULL`).
The rules: every table but those named here, so that no later one is forgotten; each is waited for a few seconds and
no longer, because everybody waits behind it; an account that does not own them leaves it to the one that does.
"""

from __future__ import annotations

import sqlalchemy.exc

from logstore.place import Database
from logstore.postgres.db import open_engine

WAIT_SECONDS = 3
_IN_USE = frozenset(("55P03", "40P01", "57014"))
"""A lock was not to be had, two waited for each other, or it took too long."""
_WRITTEN_ANEW = """SELECT quote_ident(relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND pg_has_role(relowner, 'USAGE')
AND relname !~ '^(audit.*|alembic_version.*|chain_.*|log_[0-9]{8}|rollup.*|tally.*)$' ORDER BY relname"""
"""Not the trail, days (which go as files), chains and sums: they lose no row by itself, or name people by number."""


def sweep(database: Database, schema: str | None = None) -> tuple[str, ...]:
    """Write the tables of a schema anew, where this account may; those that somebody was using."""
    engine = open_engine(database, schema=schema)
    left: list[str] = []
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{WAIT_SECONDS}s'")
            for table in connection.exec_driver_sql(_WRITTEN_ANEW).scalars().all():
                try:
                    connection.exec_driver_sql(f"VACUUM FULL {table}")
                except sqlalchemy.exc.OperationalError as error:
                    if getattr(error.orig, "sqlstate", "") not in _IN_USE:
                        raise
                    left.append(str(table))
    finally:
        engine.dispose()
    return tuple(left)
