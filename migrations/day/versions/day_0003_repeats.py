"""How many more requests just like it a row stands for: a column that is empty in nearly all rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "day_0003"
down_revision: str | None = "day_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: rows that are there stand for themselves."""
    op.add_column("log", sa.Column("repeats", sa.Integer))


def downgrade() -> None:
    """Take it away; what was folded is then one request a row."""
    op.drop_column("log", "repeats")
