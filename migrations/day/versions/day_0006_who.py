"""In PostgreSQL: people, devices and addresses are found by one inverted index, in place of a B-tree each.

Of days that are there it is built now, a few seconds a million rows, unless it was built before under the name that it
has here (`log_20261123_who`); rows and the catalog wait meanwhile. Whoever makes a day then also files what the days
before it still have in the list of what is pending, which every question would read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "day_0006"
down_revision: str | None = "day_0005"
branch_labels = None
depends_on = None

WHO = ("user_id", "device_id", "address_id")
GIN = f"USING gin ({', '.join(WHO)}) WITH (gin_pending_list_limit = 4096)"
"""Four megabytes, whatever the server's own setting is: a question reads them in three milliseconds, and more of them
make a row no cheaper."""
BROKEN = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"
PARTS = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'log'::regclass ORDER BY 1"
_MAKE_DAY = """CREATE OR REPLACE FUNCTION make_log_day(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
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
    );{}
    RETURN true;
END $$"""
MAKE_DAY = _MAKE_DAY.format("""
    PERFORM gin_clean_pending_list(index.indexrelid)
    FROM pg_index AS index
    JOIN pg_class AS made ON made.oid = index.indexrelid JOIN pg_am AS method ON method.oid = made.relam
    WHERE method.amname = 'gin' AND index.indrelid IN (
        to_regclass('log_' || to_char(day - 8, 'YYYYMMDD')), to_regclass('log_' || to_char(day - 9, 'YYYYMMDD'))
    );""")
"""Makes a day's partition as before. Days are made a week ahead, once each: what the two days before today still have
pending is filed then, because nothing else does it for a day that gets no rows any more."""


def upgrade() -> None:
    """Build the new index, then take the old ones away: no question ever lacks both."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    # Each by itself, so that no statement takes as long as all; the lock keeps rows out until the last.
    op.execute("LOCK TABLE log IN SHARE MODE")
    op.execute(f"CREATE INDEX log_who ON ONLY log {GIN}")
    connection = op.get_bind()
    for part in connection.execute(sa.text(PARTS)).scalars().all():
        if connection.execute(sa.text(BROKEN), {"name": f"{part}_who"}).scalar():  # begun beforehand, and broken off
            op.execute(f"DROP INDEX {part}_who")
        op.execute(f"CREATE INDEX IF NOT EXISTS {part}_who ON {part} {GIN}")
        op.execute(f"ALTER INDEX log_who ATTACH PARTITION {part}_who")
    for name in WHO:
        op.drop_index(f"log_{name}", "log")
    _function(MAKE_DAY)


def downgrade() -> None:
    """An index each again, built for every day there is."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in WHO:
        where = None if name == "address_id" else sa.text(f"{name} IS NOT NULL")
        op.create_index(f"log_{name}", "log", [name], postgresql_where=where)
    op.drop_index("log_who", "log")
    _function(_MAKE_DAY.format(""))


def _function(words: str) -> None:
    op.execute(sa.text(words.replace(":", r"\:")))
