"""In PostgreSQL: sums of the rows by hour and by day, from which numbers are told. Files have theirs beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "day_0005"
down_revision: str | None = "day_0004"
branch_labels = None
depends_on = None

ROLLUPS = {
    "kind": ("client_id", "verdict_id"),
    "host": ("host_id", "verdict_id", "scope_id"),
    "person": ("user_id", "device_id", "address_id", "client_id", "verdict_id"),
}
OFTEN = {"host": "host_id", "person": "user_id"}
"""What is asked for most."""
TABLES = tuple((f"rollup_{grain}_{name}", grain, name) for name in ROLLUPS for grain in ("hour", "day"))


def upgrade() -> None:
    """Make the tables; the shipper fills them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, grain, name in TABLES:
        op.create_table(
            table,
            *(sa.Column(column, sa.Integer, nullable=False) for column in (*ROLLUPS[name], "file_day", grain)),
            sa.Column("blocked", sa.Boolean, nullable=False),
            *(sa.Column(column, sa.BigInteger, nullable=False) for column in ("rows", "bytes_up", "bytes_down")),
        )
        op.create_index(f"{table}_file_day_{grain}", table, ["file_day", grain])
        if (often := OFTEN.get(name)) is not None:
            op.create_index(f"{table}_{often}_file_day", table, [often, "file_day"])
    op.create_table(
        "rollup_scope",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("site", sa.Text),
        sa.Column("band", sa.Text),
    )
    op.create_table(
        "rollup_bucket",
        sa.Column("file_day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("grain", sa.Text, primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("marks", sa.BigInteger, nullable=False),
        sa.Column("computed_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove the sums; they can be made again."""
    if op.get_bind().dialect.name == "postgresql":
        for name in ("rollup_bucket", "rollup_scope", *(table for table, _, _ in TABLES)):
            op.drop_table(name)
