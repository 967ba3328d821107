"""One day of the record: the table `log` and its indexes.

In PostgreSQL one table holds every day, each in a partition of its own. Partitions are made and removed by two
functions that run as the record's owner, so that neither the writer nor retention has to own anything.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "day_0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

EPOCH_MS = 1_735_689_600_000
"""2025-01-01 UTC: where ids begin to count milliseconds."""
ID_BITS = 22
"""Bits of an id below its milliseconds."""
LAST_ID = (1 << 63) - 1
IDS = ("user", "device", "address", "client", "manner", "host", "verdict", "engine", "entry", "media")
INDEXES = (
    ("log_user_id", "user_id", "user_id IS NOT NULL"),
    ("log_device_id", "device_id", "device_id IS NOT NULL"),
    ("log_address_id", "address_id", None),
    ("log_host_id", "host_id", None),
    ("log_verdict_id", "verdict_id", None),
    ("log_blocked", "id", "blocked"),
    ("log_blocked_user", "user_id", "blocked"),
)
TEXTS = ("terms", "title")
"""Columns parts of which are looked for."""

BYTEWISE = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

DAY_START = f"""CREATE FUNCTION log_day_start(day date) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN milliseconds >> {63 - ID_BITS} > 0 THEN {LAST_ID} ELSE milliseconds << {ID_BITS} END
    FROM (SELECT greatest(0, extract(epoch FROM day)::bigint * 1000 - {EPOCH_MS}) AS milliseconds) AS since
$$"""
"""The first id of a UTC day."""
MAKE_DAY = """CREATE FUNCTION make_log_day(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    part text := 'log_' || to_char(day, 'YYYYMMDD');
    there text := 'SELECT FROM pg_inherits WHERE inhparent = ''log''::regclass AND inhrelid = to_regclass($1)';
    found_parts integer;
BEGIN
    EXECUTE there USING part;
    GET DIAGNOSTICS found_parts = ROW_COUNT;
    IF found_parts > 0 THEN RETURN false; END IF;
    PERFORM pg_advisory_xact_lock(7265003);
    EXECUTE there USING part;
    GET DIAGNOSTICS found_parts = ROW_COUNT;
    IF found_parts > 0 THEN RETURN false; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format(
        'ALTER TABLE log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        part, log_day_start(day), log_day_start(day + 1)
    );
    RETURN true;
END $$"""
"""Makes a day's partition; false when it is there. ATTACH keeps nobody from writing, CREATE … PARTITION OF would."""
DETACH_DAY = """CREATE FUNCTION detach_log_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE part text := 'log_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF day::text >= (SELECT kept_from FROM retention_run ORDER BY id DESC LIMIT 1) THEN
        RAISE EXCEPTION '% is not due to be removed', part;
    END IF;
    IF EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'log'::regclass AND inhrelid = to_regclass(part)
    ) THEN EXECUTE format('ALTER TABLE log DETACH PARTITION %I', part); END IF;
END $$"""
"""Takes a day that retention has announced out of the record."""
DROP_DAY = """CREATE FUNCTION drop_log_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE part text := 'log_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM detach_log_day(day);
    EXECUTE format('DROP TABLE IF EXISTS %I', part);
END $$"""
"""Removes such a day for good."""
FUNCTIONS = ("log_day_start", "make_log_day", "detach_log_day", "drop_log_day")


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
        *(sa.Column(name, sa.Text) for name in ("note", "error")),
        *(sa.Column(name, BYTEWISE) for name in ("title", "terms", "path", "query")),
        postgresql_partition_by="RANGE (id)",
    )
    for name, columns, where in INDEXES:
        condition = None if where is None else sa.text(where)
        of_sqlite = sa.text("blocked = 1") if where == "blocked" else condition
        op.create_index(name, "log", columns.split(), sqlite_where=of_sqlite, postgresql_where=condition)
    if op.get_bind().dialect.name == "postgresql":
        _postgresql()
        return
    for name in TEXTS:
        op.create_index(f"log_{name}", "log", ["id", name], sqlite_where=sa.text(f"{name} IS NOT NULL"))


def _postgresql() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for name in TEXTS:
        op.create_index(
            f"log_{name}",
            "log",
            [name],
            postgresql_using="gin",
            postgresql_ops={name: "gin_trgm_ops"},
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
    # Where a row goes whose day has no partition: nothing is lost, and `db check` says that it is not empty.
    op.execute("CREATE TABLE log_default PARTITION OF log DEFAULT")
    for function in (DAY_START, MAKE_DAY, DETACH_DAY, DROP_DAY):
        op.execute(sa.text(function.replace(":", r"\:")))
    for name in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name}(date) FROM PUBLIC")


def downgrade() -> None:
    """Remove the day's rows; in PostgreSQL those of every day."""
    op.drop_table("log")
    if op.get_bind().dialect.name == "postgresql":
        for name in FUNCTIONS:
            op.execute(f"DROP FUNCTION {name}(date)")
