"""Devices that would not have our certificate, what they did otherwise, and suggestions that were dismissed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0014"
down_revision: str | None = "catalog_0013"
branch_labels = None
depends_on = None

TABLES = ("tls_refusal", "tls_accepts", "tls_taken", "tls_dismissed")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "tls_refusal",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("site", sa.Text),
        sa.Column("staff", sa.Boolean, nullable=False),
        sa.Column("sign", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tls_accepts",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tls_taken",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("last_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tls_dismissed",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget what was learned."""
    for table in TABLES:
        op.drop_table(table)
