"""Counts without people, by day while its rows are there and by month after."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0009"
down_revision: str | None = "catalog_0008"
branch_labels = None
depends_on = None


def _cells() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("band", sa.Text, primary_key=True),
        sa.Column("category", sa.Text, primary_key=True),
        sa.Column("action", sa.Text, primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("blocked", sa.BigInteger, nullable=False),
        sa.Column("people", sa.BigInteger, nullable=False),
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tally_file",
        sa.Column("file", sa.Text, primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
    )
    op.create_table("tally_day", sa.Column("file", sa.Text, primary_key=True), *_cells())
    op.create_table("tally_month", sa.Column("month", sa.Text, primary_key=True), *_cells())


def downgrade() -> None:
    """Remove them: numbers of months whose rows are gone are lost."""
    for table in ("tally_month", "tally_day", "tally_file"):
        op.drop_table(table)
