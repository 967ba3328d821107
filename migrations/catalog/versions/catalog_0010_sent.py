"""What each producer was about to send: which rows may be there already in a store without unique keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0010"
down_revision: str | None = "catalog_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "log_sent",
        sa.Column("producer", sa.Text, primary_key=True),
        sa.Column("max_id", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget it: every row may be there then."""
    op.drop_table("log_sent")
