"""How lists that were added by command are read, and how large they may be."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0016"
down_revision: str | None = "catalog_0015"
branch_labels = None
depends_on = None

COLUMNS = ("url_match", "limit", "apply_to", "max_bytes")


def upgrade() -> None:
    """Add the columns; what was there is read as before."""
    op.add_column("list_source", sa.Column("url_match", sa.Text, nullable=False, server_default="exact"))
    op.add_column("list_source", sa.Column("limit", sa.Integer, nullable=False, server_default="60"))
    op.add_column("list_source", sa.Column("apply_to", sa.Text, nullable=False, server_default="search"))
    op.add_column("list_source", sa.Column("max_bytes", sa.BigInteger))


def downgrade() -> None:
    """Read them all alike again."""
    for name in COLUMNS:
        op.drop_column("list_source", name)
