"""What a record that several gateways share needs: who wrote a file of rows, and an end for rows without a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_0012"
down_revision: str | None = "catalog_0011"
branch_labels = None
depends_on = None

DROP_STRAYS = """CREATE FUNCTION drop_log_strays(day date) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE gone bigint;
BEGIN
    IF day::text >= (SELECT kept_from FROM retention_run ORDER BY id DESC LIMIT 1) THEN
        RAISE EXCEPTION 'rows of % are not due to be removed', day;
    END IF;
    DELETE FROM log_default WHERE id >= log_day_start(day) AND id < log_day_start(day + 1);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$"""
"""Removes rows of a day that retention has announced and that lie outside its partition."""


def upgrade() -> None:
    """Add the column (of files written before nobody says), and in PostgreSQL the function."""
    op.add_column("export_file", sa.Column("gateway", sa.Text))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(DROP_STRAYS.replace(":", r"\:")))
        op.execute("REVOKE EXECUTE ON FUNCTION drop_log_strays(date) FROM PUBLIC")


def downgrade() -> None:
    """Forget both."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION drop_log_strays(date)")
    op.drop_column("export_file", "gateway")
