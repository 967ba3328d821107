"""How far the chain of each day file has come, and when the file was last found whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0007"
down_revision: str | None = "catalog_0006"
branch_labels = None
depends_on = None

COLUMNS = {"batches": sa.BigInteger, "mark": sa.Text, "verified_us": sa.BigInteger}


def upgrade() -> None:
    """Add the columns, empty."""
    for name, kind in COLUMNS.items():
        op.add_column("day_file", sa.Column(name, kind))


def downgrade() -> None:
    """Remove them."""
    for name in reversed(COLUMNS):
        op.drop_column("day_file", name)
