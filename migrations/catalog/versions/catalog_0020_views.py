"""When a saved search was last of use, so that it goes by date."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "catalog_0020"
down_revision: str | None = "catalog_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody kept account until now: the six months of those that are there begin with the update."""
    op.add_column("console_view", sa.Column("used_us", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(f"UPDATE console_view SET used_us = {time.time_ns() // 1000}")


def downgrade() -> None:
    """Keep no account."""
    op.drop_column("console_view", "used_us")
