"""The chain of a day: one line for each batch of rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "day_0002"
down_revision: str | None = "day_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; the next writer brings rows that are there already under the chain."""
    op.create_table(
        "log_batch",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("form", sa.SmallInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.LargeBinary, nullable=False)
            for name in ("ids", "hints", "names", "root", "names_root", "mark")
        ),
    )


def downgrade() -> None:
    """Remove the proof; the rows stay."""
    op.drop_table("log_batch")
