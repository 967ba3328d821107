"""How many more requests just like it a row stands for."""

from __future__ import annotations

from alembic import op

revision = "clickhouse_0002"
down_revision: str | None = "clickhouse_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: rows that are there stand for themselves."""
    op.execute("ALTER TABLE log ADD COLUMN IF NOT EXISTS repeats Nullable(Int64) CODEC(ZSTD(1))")


def downgrade() -> None:
    """Take it away; what was folded is then one request a row."""
    op.execute("ALTER TABLE log DROP COLUMN IF EXISTS repeats")
