"""Which names of a day may be in none of its batches, so that any other such name shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0019"
down_revision: str | None = "catalog_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of the days that are there nobody kept account: any of their names may be in no batch."""
    op.add_column("day_file", sa.Column("unvouched", sa.Text))
    op.execute("UPDATE day_file SET unvouched = '*'")


def downgrade() -> None:
    """Keep no account."""
    op.drop_column("day_file", "unvouched")
