"""Versions of the policy: drafts, reviews and what was published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0015"
down_revision: str | None = "catalog_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "policy_version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("authors", sa.Text, nullable=False),
        sa.Column("begun_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("asked_by", sa.Text),
        sa.Column("asked_us", sa.BigInteger),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("published_by", sa.Text),
        sa.Column("published_us", sa.BigInteger),
        sa.Column("problem", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Forget them: the policy in force is in its file."""
    op.drop_table("policy_version")
