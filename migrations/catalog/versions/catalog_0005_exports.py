"""Files with rows in them that were written for somebody, so that retention finds them again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0005"
down_revision: str | None = "catalog_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "export_file",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("newest_us", sa.BigInteger),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Remove it: the files stay, and nothing knows of them any more."""
    op.drop_table("export_file")
