"""In PostgreSQL: names compared by their bytes, and room beside them for the days they are used on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "catalog_0018"
down_revision: str | None = "catalog_0017"
branch_labels = None
depends_on = None

DIMENSIONS = ("user", "device", "address", "entry", "media", "host", "client", "manner", "engine", "verdict")
FULL = 70
"""How full, in percent, a page of names is made: a name's days then change where it is, and in none of its indexes."""


def upgrade() -> None:
    """No row is written again, only the indexes of the names; pages that are there keep as much room as they have."""
    _compared("C", f"SET (fillfactor = {FULL})")


def downgrade() -> None:
    """Compare them as the database does."""
    _compared("default", "RESET (fillfactor)")


def _compared(collation: str, room: str) -> None:
    if op.get_bind().dialect.name != "postgresql":  # SQLite compares by bytes anyway
        return
    tables = ", ".join(f"dim_{name}" for name in DIMENSIONS)
    # All first: a search that wants two of them the other way round would otherwise wait in a circle with this.
    op.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    for name in DIMENSIONS:
        op.alter_column(f"dim_{name}", "key", type_=postgresql.TEXT(collation=collation), existing_type=sa.Text)
        op.execute(f"ALTER TABLE dim_{name} {room}")
    op.alter_column("dim_host", "domain", type_=postgresql.TEXT(collation=collation), existing_type=sa.Text)
    op.execute(f"ANALYZE {tables}")  # what was known of a column goes with its type
