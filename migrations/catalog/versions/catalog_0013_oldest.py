"""The time of the oldest row of an export: by it the file goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0013"
down_revision: str | None = "catalog_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of files written before nobody knows, and they go by their newest row."""
    op.add_column("export_file", sa.Column("oldest_us", sa.BigInteger))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("export_file", "oldest_us")
