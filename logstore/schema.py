"""The tables of the record: what the catalog holds, and what a day file holds.

Nothing comes in; `catalog_metadata` and `day_metadata` go out. A row of `log` is small numbers that point into the
catalog's `dim_*` tables, and the few texts that hardly repeat. The rule: what is written here is what the migrations
make (a test compares them), and a day file only ever gains columns that may be NULL, so that old files stay readable.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql

from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS

NAMING = {"ix": "%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
"""How constraints without a name of their own are called, so that a migration can find them again."""
ROW_ID = BigInteger().with_variant(Integer, "sqlite")
"""A record id. In SQLite the column must say INTEGER to be the row id itself."""

BYTEWISE = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""A text that is looked for by ranges, or often: in the order of its bytes, whatever language the database sorts in."""

catalog_metadata = MetaData(naming_convention=NAMING)
"""Tables of `catalog.db`."""
day_metadata = MetaData(naming_convention=NAMING)
"""Tables of one day file."""


def _dimension(name: str, *columns: Column[object]) -> Table:
    """A table of values that repeat: an id that is never given twice, and the days that use it."""
    return Table(
        f"dim_{name}",
        catalog_metadata,
        Column("id", Integer, primary_key=True),
        Column("key", BYTEWISE, nullable=False),
        *columns,
        Column("first_day", BYTEWISE, nullable=False),
        Column("last_day", BYTEWISE, nullable=False),
        UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )


dim_user = _dimension("user")
"""Account names."""
dim_device = _dimension("device")
"""Device names."""
dim_address = _dimension("address")
"""Client addresses."""
dim_entry = _dimension("entry")
"""List entries that matched."""
dim_media = _dimension("media")
"""Media types of answers."""
dim_host = _dimension(
    "host",
    Column("name", BYTEWISE, nullable=False),
    Column("rev", BYTEWISE, nullable=False, index=True),
    Column("domain", BYTEWISE, index=True),
)
"""Hosts. `rev` is the name with its labels turned round and a dot behind, so that a domain is one range."""
dim_client = _dimension(
    "client",
    Column("site", Text),
    Column("band", Text),
    Column("groups", Text, nullable=False),
    Column("user_source", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
)
"""Who asked, apart from the name: `groups` is a JSON list."""
dim_manner = _dimension(
    "manner",
    Column("method", Text, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("port", Integer, nullable=False),
)
"""How it was asked for."""
dim_engine = _dimension("engine", Column("worker", Text, nullable=False), Column("revision", Text, nullable=False))
"""Which worker decided, by which revision."""
dim_verdict = _dimension(
    "verdict",
    Column("action", Text, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("tier", Text),
    Column("rule", Text),
    Column("category", Text),
    Column("categories", Text, nullable=False),
    Column("list", Text),
    Column("stage", Text, nullable=False),
    Column("page", Boolean, nullable=False),
    Column("ending", Text, nullable=False),
)
"""What was decided and how it ended. The columns hold the last word (the ending's, where it tightened the verdict);
`key` holds both. `categories` is a JSON list."""

DIMENSIONS: tuple[Table, ...] = (
    dim_user,
    dim_device,
    dim_address,
    dim_host,
    dim_client,
    dim_manner,
    dim_engine,
    dim_verdict,
    dim_entry,
    dim_media,
)
"""Every dimension."""

day_file = Table(
    "day_file",
    catalog_metadata,
    Column("file", BYTEWISE, primary_key=True),
    Column("day", BYTEWISE, nullable=False, index=True),
    Column("part", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("rows", BigInteger, nullable=False, server_default=text("0")),
    Column("min_id", BigInteger),
    Column("max_id", BigInteger),
    Column("early_us", BigInteger, nullable=False, server_default=text("0")),
    Column("late_us", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger),
    Column("sha256", Text),
    Column("changed_us", BigInteger),
    Column("batches", BigInteger),
    Column("mark", Text),
    Column("verified_us", BigInteger),
    Column("unvouched", Text),
)
"""The day files; in PostgreSQL, the day partitions. `state` is open, sealed, dropping or dropped. A row's time lies at
most `early_us` before and `late_us` after the time in its id. `refused` counts rows that came after the day was
dropped. `batches` and `mark` are the end of the file's chain as far as the catalog heard; `verified_us` is when the
file was last found whole. `unvouched`: names that wait for their batch (`logstore.vouching`)."""

log_cursor = Table(
    "log_cursor",
    catalog_metadata,
    Column("producer", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)
"""How far each producer's spool has been stored."""

gateway = Table(
    "gateway",
    catalog_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
)
"""The gateways that ship to this store: whose number is whose, since when, and when it last said so."""

log_hour = Table(
    "log_hour",
    catalog_metadata,
    Column("day", Text, primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("marks", BigInteger, nullable=False),
)
"""The hours (since the Unix epoch) that have rows, by the UTC day of their ids. `marks` grows with every batch."""

log_sent = Table(
    "log_sent",
    catalog_metadata,
    Column("producer", Text, primary_key=True),
    Column("max_id", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)
"""The greatest id each producer was about to send to a store without unique keys (ClickHouse): rows up to it may be
there, greater ones cannot."""

retention_run = Table(
    "retention_run",
    catalog_metadata,
    Column("id", Integer, primary_key=True),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Column("cutoff_us", BigInteger, nullable=False),
    Column("kept_from", Text, nullable=False),
    Column("months", Integer, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("report", Text),
    sqlite_autoincrement=True,
)
"""Runs of the retention job. Rows of days before `kept_from` are no longer taken in."""

audit = Table(
    "audit",
    catalog_metadata,
    Column("id", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("why", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("prev"),
    sqlite_autoincrement=True,
)
"""The audit trail, a chain of hashes; triggers made by the migration refuse every change and deletion."""

export_file = Table(
    "export_file",
    catalog_metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("newest_us", BigInteger),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("gateway", Text),
    Column("oldest_us", BigInteger),
    sqlite_autoincrement=True,
)
"""Files with rows in them that we wrote and that are still about. `what` is subject, hold, search or case; `newest_us`
and `oldest_us` are the times of the newest and the oldest row. A line goes with its file: it names a person."""

tally_file = Table(
    "tally_file",
    catalog_metadata,
    Column("file", Text, primary_key=True),
    Column("rows", BigInteger, nullable=False),
)
"""Day files whose requests are counted in `tally_day`, and how many rows they had then."""


def _tally(name: str, of: str) -> Table:
    """Counts of requests that are alike; texts that are not known are empty."""
    return Table(
        name,
        catalog_metadata,
        Column(of, Text, primary_key=True),
        *(Column(key, Text, primary_key=True) for key in ("site", "band", "category", "action")),
        *(Column(number, BigInteger, nullable=False) for number in ("rows", "blocked", "people")),
    )


tally_day = _tally("tally_day", "file")
"""Counts of a day file, as long as it is there."""
tally_month = _tally("tally_month", "month")
"""Counts of months whose files went. They name nobody, and stay."""

log = Table(
    "log",
    day_metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=False),
    Column("offset_us", BigInteger, nullable=False),
    Column("user_id", Integer),
    Column("device_id", Integer),
    Column("address_id", Integer),
    Column("client_id", Integer),
    Column("manner_id", Integer),
    Column("host_id", Integer),
    Column("verdict_id", Integer),
    Column("engine_id", Integer),
    Column("entry_id", Integer),
    Column("media_id", Integer),
    Column("blocked", Boolean, nullable=False),
    Column("status", SmallInteger),
    Column("bytes_up", BigInteger, nullable=False),
    Column("bytes_down", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("note", Text),
    Column("error", Text),
    Column("title", BYTEWISE),
    Column("terms", BYTEWISE),
    Column("path", BYTEWISE),
    Column("query", BYTEWISE),
    Column("repeats", Integer),
    postgresql_partition_by="RANGE (id)",
)
"""One row a request. `offset_us` is its time less the time in its id; `terms` is a JSON list; `repeats` says how many
more requests just like it the row stands for, NULL for none. In PostgreSQL its
partitions are the days: an id says its UTC day, so ranges of ids are both pages and spans of time."""


def _index(name: str, *columns: Column[object], where: tuple[object, object] = (None, None)) -> None:
    """An index of both engines; `where` is its condition in SQLite's words and in PostgreSQL's."""
    Index(f"log_{name}", *columns, sqlite_where=where[0], postgresql_where=where[1])


for _who, _known in ((log.c.user_id, True), (log.c.device_id, True), (log.c.address_id, False)):
    # PostgreSQL finds the three by one inverted index, `log_who`, that the migration makes: a row costs it less.
    Index(f"log_{_who.name}", _who, sqlite_where=_who.is_not(None) if _known else None).ddl_if(dialect="sqlite")
_index("host_id", log.c.host_id)
_index("verdict_id", log.c.verdict_id)
_index("blocked", log.c.id, where=(log.c.blocked == text("1"), log.c.blocked))
_index("blocked_user", log.c.user_id, where=(log.c.blocked == text("1"), log.c.blocked))
for _text in (log.c.terms, log.c.title):
    # SQLite reads them in the order of ids; PostgreSQL finds parts of them by trigrams, in indexes of the same names
    # that the migration makes.
    Index(f"log_{_text.name}", log.c.id, _text, sqlite_where=_text.is_not(None)).ddl_if(dialect="sqlite")

log_batch = Table(
    "log_batch",
    day_metadata,
    Column("number", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("hints", LargeBinary, nullable=False),
    Column("names", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("names_root", LargeBinary, nullable=False),
    Column("mark", LargeBinary, nullable=False),
)
"""The chain of a day file: one line a batch, written with its rows (`logstore.chain.Batch`)."""

attached_log = log.to_metadata(MetaData(schema="day"))
"""`log` of the day file that a reader has attached under the name `day`."""


def time_us(table: Table) -> ColumnElement[int]:
    """A row's time, microseconds since the Unix epoch: what its id says plus its offset."""
    milliseconds = table.c.id.bitwise_rshift(literal(NODE_BITS + COUNTER_BITS, Integer))
    return milliseconds * 1000 + EPOCH_US + table.c.offset_us
