"""The record's catalog: dimensions, day files, cursors, retention runs and the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "catalog_0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

BYTEWISE = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
REFUSED = "the audit trail is append-only"


def _dimension(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        f"dim_{name}",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        *columns,
        sa.Column("first_day", BYTEWISE, nullable=False),
        sa.Column("last_day", BYTEWISE, nullable=False),
        sa.UniqueConstraint("key", name=f"uq_dim_{name}_key"),
        sqlite_autoincrement=True,
    )


def _dimensions() -> None:
    for name in ("user", "device", "address", "entry", "media"):
        _dimension(name)
    _dimension(
        "host",
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("rev", BYTEWISE, nullable=False),
        sa.Column("domain", sa.Text),
    )
    op.create_index("dim_host_rev", "dim_host", ["rev"])
    op.create_index("dim_host_domain", "dim_host", ["domain"])
    _dimension(
        "client",
        sa.Column("site", sa.Text),
        sa.Column("band", sa.Text),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("user_source", sa.Text, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
    )
    _dimension(
        "manner",
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
    )
    _dimension(
        "engine",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
    )
    _dimension(
        "verdict",
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("tier", sa.Text),
        sa.Column("rule", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("categories", sa.Text, nullable=False),
        sa.Column("list", sa.Text),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("page", sa.Boolean, nullable=False),
        sa.Column("ending", sa.Text, nullable=False),
    )


def _books() -> None:
    op.create_table(
        "day_file",
        sa.Column("file", BYTEWISE, primary_key=True),
        sa.Column("day", BYTEWISE, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("min_id", sa.BigInteger),
        sa.Column("max_id", sa.BigInteger),
        sa.Column("early_us", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("late_us", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("refused", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("sha256", sa.Text),
        sa.Column("changed_us", sa.BigInteger),
    )
    op.create_index("day_file_day", "day_file", ["day"])
    op.create_table(
        "log_cursor",
        sa.Column("producer", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "retention_run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("cutoff_us", sa.BigInteger, nullable=False),
        sa.Column("kept_from", sa.Text, nullable=False),
        sa.Column("months", sa.Integer, nullable=False),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("report", sa.Text),
        sqlite_autoincrement=True,
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.UniqueConstraint("prev", name="uq_audit_prev"),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        _audit_of_postgresql()
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    op.execute(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit {refuse}")
    op.execute(f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit {refuse}")
    # INSERT OR REPLACE deletes without firing the trigger above.
    op.execute(
        "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
        f"WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR prev = NEW.prev) {refuse}"
    )


def _audit_of_postgresql() -> None:
    """The counter SQLite keeps in `sqlite_sequence`, and triggers that refuse the same things.

    The counter is a row, not a sequence: a sequence keeps a number that was rolled back, and the trail has no gaps.
    Whoever adds a line needs no right on it: the trigger counts as the record's owner.
    """
    op.create_table("audit_number", sa.Column("number", sa.BigInteger, nullable=False))
    op.execute("INSERT INTO audit_number (number) VALUES (0)")
    op.execute(
        f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"""
    )
    op.execute(
        """CREATE FUNCTION audit_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path FROM CURRENT AS $$
        DECLARE given bigint;
        BEGIN
            UPDATE audit_number SET number = number + 1 RETURNING number INTO given;
            IF NEW.id IS DISTINCT FROM given THEN
                RAISE EXCEPTION 'line % of the audit trail was to be %', NEW.id, given;
            END IF;
            RETURN NEW;
        END $$"""
    )
    refuse = "EXECUTE FUNCTION audit_refuse()"
    for table in ("audit", "audit_number"):
        op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW {refuse}")
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}")
    op.execute(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW {refuse}")
    op.execute("CREATE TRIGGER audit_count BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_count()")


def upgrade() -> None:
    """Make the catalog."""
    _dimensions()
    _books()
    _audit()


def downgrade() -> None:
    """Remove it, with everything in it."""
    postgresql_too = op.get_bind().dialect.name == "postgresql"
    for trigger in () if postgresql_too else ("audit_no_update", "audit_no_delete", "audit_no_replace"):
        op.execute(f"DROP TRIGGER {trigger}")
    for table in ("audit", "retention_run", "log_cursor", "day_file"):
        op.drop_table(table)
    for name in ("verdict", "engine", "manner", "client", "host", "media", "entry", "address", "device", "user"):
        op.drop_table(f"dim_{name}")
    if postgresql_too:
        op.drop_table("audit_number")
        for function in ("audit_refuse", "audit_count"):
            op.execute(f"DROP FUNCTION {function}()")
