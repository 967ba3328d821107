"""The roll-ups: sums of rows by hour and by day, a file a day beside the day files.

Nothing comes in; tables and their files go out. A roll-up speaks the numbers of the catalog's `dim_*` tables, as rows
do, so that whatever is asked of rows is asked of it in the same words. The rules: a roll-up holds nothing that its rows
do not say, so it is thrown away and made anew when in doubt, and needs no migration; it names people, so it goes with
its day; it lies in a file of its own, so that making it never keeps the writer waiting.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    NullPool,
    Table,
    Text,
    create_engine,
    select,
)
from sqlalchemy.exc import DatabaseError

from logstore.db import BUSY_SECONDS, Hinting, files_of, reading_file

type Grain = Literal["hour", "day"]

SHAPE = 1
"""Number of this shape of the tables. A file of another shape is made anew."""
rollup_metadata = MetaData()
"""Tables of one day's file."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Sums by hour, and the same by day, of rows that are alike in some columns."""

    name: str
    """What it is about."""
    columns: tuple[str, ...]
    """The columns of `log` it knows; 0 stands for none. Rows alike in them are one line."""
    hours: Table
    """By hour."""
    days: Table
    """By day: made when the day is over."""
    names_people: bool
    """Whether a line is somebody's."""


def _rollup(name: str, columns: tuple[str, ...], lead: tuple[str, ...] = (), *, names_people: bool = False) -> Rollup:
    """`lead`: columns that come before the time in the order on disk, because they are asked for most."""
    tables = []
    for grain in ("hour", "day"):
        order = [*lead, grain, *(column for column in columns if column not in lead)]
        tables.append(
            Table(
                f"{grain}_{name}",
                rollup_metadata,
                *(Column(key, Integer, primary_key=True, autoincrement=False) for key in order),
                Column("blocked", Boolean, primary_key=True),
                Column("rows", BigInteger, nullable=False),
                Column("bytes_up", BigInteger, nullable=False),
                Column("bytes_down", BigInteger, nullable=False),
                sqlite_with_rowid=False,
            )
        )
    return Rollup(name, columns, tables[0], tables[1], names_people)


ROLLUPS: tuple[Rollup, ...] = (
    _rollup("kind", ("client_id", "verdict_id")),
    _rollup("host", ("host_id", "verdict_id", "scope_id"), ("host_id",)),
    _rollup(
        "person", ("user_id", "device_id", "address_id", "client_id", "verdict_id"), ("user_id",), names_people=True
    ),
)
"""Every roll-up, the smallest first. Site, category, band, rule, action, reason stand behind `client_id` and
`verdict_id`; `scope_id` is site and band alone, because groups would make a line of a host for every class."""

scope = Table(
    "scope",
    rollup_metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text),
    Column("band", Text),
)
"""Sites with bands, as `scope_id` means them in this file."""

bucket = Table(
    "bucket",
    rollup_metadata,
    Column("grain", Text, primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("marks", BigInteger, nullable=False),
    Column("computed_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What is summed: hours (since the epoch) with the mark they had, days (since the epoch) with the sum of the marks."""


def rollups_folder(folder: Path) -> Path:
    """Where the roll-ups of the store in `folder` are."""
    return folder / "rollups"


def rollup_path(folder: Path, day: str) -> Path:
    """The roll-ups of one UTC day."""
    return rollups_folder(folder) / f"{day}.db"


@contextlib.contextmanager
def rolling_lock(folder: Path) -> Iterator[None]:
    """Whoever makes or removes roll-ups holds it, so that none is made again behind the back of its removal."""
    rollups_folder(folder).mkdir(exist_ok=True, mode=0o700)
    handle = os.open(folder / "rollups.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(folder: Path, day: str) -> Iterator[Connection]:
    """The roll-ups of a day for writing, made when they are not there, damaged or of another shape."""
    path = rollup_path(folder, day)
    if not usable(path):
        remove(path)
    engine = _engine(path)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY", "cache_size=-65536"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            with transaction(connection):
                rollup_metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version={SHAPE}")
            yield connection
    finally:
        engine.dispose()


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All of it or nothing, on a connection that must be able to attach files before."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def usable(path: Path) -> bool:
    """Whether there are roll-ups of this shape at `path`."""
    if not path.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] == SHAPE)
    except sqlite3.DatabaseError:
        return False


def remove(path: Path) -> None:
    """Remove one day's roll-ups, and what SQLite keeps beside them."""
    for part in files_of(path):
        part.unlink(missing_ok=True)


def buckets(path: Path, grain: Grain) -> dict[int, int]:
    """The hours or days that are summed in a file, with the mark they had then; none when it is not usable."""
    if not usable(path):
        return {}
    try:
        with reading_file(path) as connection:
            found = connection.execute(select(bucket.c.start, bucket.c.marks).where(bucket.c.grain == grain))
            return {row.start: row.marks for row in found}
    except DatabaseError:
        return {}


def _engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        path.touch(mode=0o600)
        place = f"{path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    engine.dialect.statement_compiler = Hinting
    return engine
