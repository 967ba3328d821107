"""In PostgreSQL: a chain of batches for each day and gateway, which goes with its day. Files have theirs already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "day_0004"
down_revision: str | None = "day_0003"
branch_labels = None
depends_on = None

_DROP = """CREATE OR REPLACE FUNCTION drop_log_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE part text := 'log_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM detach_log_day(day);
    EXECUTE format('DROP TABLE IF EXISTS %I', part);{}
END $$"""
DROP_DAY = _DROP.format("\n    DELETE FROM chain_batch WHERE file = part;")
"""Removes a day that is due for good, with its chains."""
PACKED = ("ids", "hints", "names", "root", "names_root", "mark")


def upgrade() -> None:
    """Make the table; days that have rows already are brought under a chain by the nightly run."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "chain_batch",
        sa.Column("file", postgresql.TEXT(collation="C"), primary_key=True),
        sa.Column("gateway", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("form", sa.SmallInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in PACKED),
    )
    for name in PACKED[:3]:  # packed already, or hashes: nothing to gain by packing them again
        op.execute(f"ALTER TABLE chain_batch ALTER COLUMN {name} SET STORAGE EXTERNAL")
    op.execute(sa.text(DROP_DAY.replace(":", r"\:")))


def downgrade() -> None:
    """Remove the proof; the rows stay."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(_DROP.format("").replace(":", r"\:")))
        op.drop_table("chain_batch")
