"""Holds and the rows they keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "holds_0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_ref", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("filter", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("placed_by", sa.Text, nullable=False),
        sa.Column("placed_us", sa.BigInteger, nullable=False),
        sa.Column("review_us", sa.BigInteger, nullable=False),
        sa.Column("copied_us", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("signed_by", sa.Text),
        sa.Column("signed_us", sa.BigInteger),
        sa.Column("signed_why", sa.Text),
        sa.Column("released_by", sa.Text),
        sa.Column("released_us", sa.BigInteger),
        sa.Column("released_rows", sa.BigInteger),
        sa.UniqueConstraint("case_ref", name="uq_hold_case_ref"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "held_row",
        sa.Column("hold_id", sa.Integer, sa.ForeignKey("hold.id"), primary_key=True),
        sa.Column("record_id", sa.BigInteger, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("copied_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove them, with every row they keep."""
    for table in ("held_row", "hold"):
        op.drop_table(table)
