"""One day of the record: the table `log` and its indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "day_0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

IDS = ("user", "device", "address", "client", "manner", "host", "verdict", "engine", "entry", "media")
INDEXES = (
    ("log_user_id", "user_id", "user_id IS NOT NULL"),
    ("log_device_id", "device_id", "device_id IS NOT NULL"),
    ("log_address_id", "address_id", None),
    ("log_host_id", "host_id", None),
    ("log_verdict_id", "verdict_id", None),
    ("log_blocked", "id", "blocked = 1"),
    ("log_blocked_user", "user_id", "blocked = 1"),
    ("log_terms", "id terms", "terms IS NOT NULL"),
    ("log_title", "id title", "title IS NOT NULL"),
)


def upgrade() -> None:
    """Make the day file. Columns added by later revisions must be nullable."""
    op.create_table(
        "log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("offset_us", sa.BigInteger, nullable=False),
        *(sa.Column(f"{name}_id", sa.Integer) for name in IDS),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("bytes_up", sa.BigInteger, nullable=False),
        sa.Column("bytes_down", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("note", "error", "title", "terms", "path", "query")),
    )
    for name, columns, where in INDEXES:
        op.create_index(name, "log", columns.split(), sqlite_where=None if where is None else sa.text(where))


def downgrade() -> None:
    """Remove the day's rows."""
    op.drop_table("log")
