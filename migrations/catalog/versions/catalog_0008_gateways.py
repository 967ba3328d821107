"""Which gateways ship to this store, and under which numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0008"
down_revision: str | None = "catalog_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: each gateway says so itself."""
    op.create_table(
        "gateway",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("gateway")
