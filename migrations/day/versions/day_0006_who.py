"""In PostgreSQL: people, devices and addresses are found by one inverted index, in place of a B-tree each.

Of days that are there it is built now, a few seconds a million rows, unless it was built before under the name that it
has here (`log_20261123_who`); rows, searches and the catalog wait meanwhile. Whoever makes a day then also files
what the days before it still have in the list of what is pending, which every question would read.

Functions that run as the record's owner look into the caller's temporary tables last from here on: whoever is looked at
first answers for `pg_inherits`, and what it calls would run as the owner.
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
    IF found_parts > 0 THEN RETURN false; END IF;{}
    EXECUTE format('CREATE TABLE %I (LIKE log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format(
        'ALTER TABLE log ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
        part, log_day_start(day), log_day_start(day + 1)
    );
    RETURN true;
END $$"""
MAKE_DAY = _MAKE_DAY.replace(
    "found_parts integer;", "found_parts integer;\n    pending oid;\n    patience text;"
).format("""
    FOR pending IN
        SELECT index.indexrelid FROM pg_index AS index
        JOIN pg_class AS made ON made.oid = index.indexrelid JOIN pg_am AS method ON method.oid = made.relam
        WHERE method.amname = 'gin' AND index.indrelid IN (
            to_regclass('log_' || to_char(day - 8, 'YYYYMMDD')), to_regclass('log_' || to_char(day - 9, 'YYYYMMDD'))
        )
    LOOP
        BEGIN
            patience := current_setting('lock_timeout');
            PERFORM set_config('lock_timeout', '1s', true);
            PERFORM gin_clean_pending_list(pending);
            PERFORM set_config('lock_timeout', patience, true);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;""")
"""Makes a day's partition as before. Days are made a week ahead, once each: what the two days before today still have
pending is filed then, because nothing else does it for a day that gets no rows any more.

No row is stored without its day, so an index that is locked (REINDEX) or damaged is passed over: its questions stay
some milliseconds slower. A second is waited for each, before the table is made: ATTACH locks `log_default`."""
OF_OWNER = ("audit_count", "make_log_day", "detach_log_day", "drop_log_day", "drop_log_strays")
"""Functions that run as the record's owner."""
THEIRS = """SELECT oid::regprocedure::text FROM pg_proc
WHERE prosecdef AND proname = ANY (:names) AND pronamespace = current_schema()::regnamespace ORDER BY 1"""


def upgrade() -> None:
    """Build the new index, then take the old ones away: no question ever lacks both."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    # The lock that DROP INDEX needs, at once: taken later, it waits in a circle with a batch or the making of a day.
    op.execute("LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
    op.execute(f"CREATE INDEX log_who ON ONLY log {GIN}")
    connection = op.get_bind()
    for part in connection.execute(sa.text(PARTS)).scalars().all():  # each by itself: no statement takes as long as all
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
    """Put the function in place, and keep temporary tables out of it and of its like."""
    op.execute(sa.text(words.replace(":", r"\:")))
    connection = op.get_bind()
    path = connection.execute(sa.text("SELECT current_setting('search_path')")).scalar_one()
    looked = sa.text("SELECT set_config('search_path', :path, true)")
    connection.execute(looked, {"path": f"{path}, pg_temp"})
    for function in connection.execute(sa.text(THEIRS), {"names": list(OF_OWNER)}).scalars().all():
        op.execute(f"ALTER FUNCTION {function} SET search_path FROM CURRENT")
    connection.execute(looked, {"path": path})
