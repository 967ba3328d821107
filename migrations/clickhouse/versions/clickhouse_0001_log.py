"""The rows: the table `log`, a partition a UTC day, ordered by site, user and time."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "clickhouse_0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

IDS = ("user", "device", "address", "client", "manner", "host", "verdict", "engine", "entry", "media")
TEXTS = ("note", "error", "title", "terms", "path", "query")
DAY = "toDate(fromUnixTimestamp64Milli(1735689600000 + bitShiftRight(id, 22), 'UTC'), 'UTC')"
"""The UTC day of a record, from the time in its id."""


def upgrade() -> None:
    """Make the table. An id of 0 stands for none: a key of the order may not be NULL."""
    columns = [
        "site LowCardinality(String)",
        "id Int64 CODEC(Delta(8), ZSTD(1))",
        "offset_us Int64 CODEC(ZSTD(1))",
        *(f"{name}_id UInt32 CODEC(ZSTD(1))" for name in IDS),
        "blocked Bool",
        "status Nullable(Int64) CODEC(ZSTD(1))",
        *(f"{name} Int64 CODEC(ZSTD(1))" for name in ("bytes_up", "bytes_down", "duration_us")),
        *(f"{name} Nullable(String) CODEC(ZSTD(3))" for name in TEXTS),
        "at DateTime64(6, 'UTC') ALIAS "
        "fromUnixTimestamp64Micro((1735689600000 + bitShiftRight(id, 22)) * 1000 + offset_us, 'UTC')",
        "INDEX host_id host_id TYPE bloom_filter(0.01) GRANULARITY 1",
    ]
    # In a database that replicates itself the table has to say so too; tokens are then kept beside the replicas.
    kind = op.get_bind().execute(text("SELECT engine FROM system.databases WHERE name = currentDatabase()")).scalar()
    engine, window = "MergeTree", "non_replicated_deduplication_window"
    if kind == "Replicated":
        engine, window = "ReplicatedMergeTree", "replicated_deduplication_window"
    op.execute(
        f"CREATE TABLE IF NOT EXISTS log ({', '.join(columns)}) ENGINE = {engine} "
        f"PARTITION BY {DAY} ORDER BY (site, user_id, id) SETTINGS {window} = 10000"
    )


def downgrade() -> None:
    """Remove every row."""
    op.execute("DROP TABLE IF EXISTS log SYNC")
