"""The store's files: opening, locking and bringing them to the newest schema.

In comes the store's folder; out go SQLAlchemy engines for its catalog and its day files. The rules: whoever writes
holds the folder's lock, begins with `BEGIN IMMEDIATE` and waits for the disk (`synchronous=FULL`); a reader opens
read-only and cannot write by mistake; every file is made by its migration, never by hand. Where the record is a
database, `open_catalog`, `reading` and `upgrade` hand on to `logstore.postgres.db`, which keeps the same rules.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import os
import sqlite3
import stat
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError

from logstore.place import ClickHouse, Database, StoreError, Where

__all__ = ["StoreError", "Where"]

type Tree = Literal["catalog", "day", "clickhouse", "holds"]

BUSY_SECONDS = 60.0
"""How long a writer waits for another one."""
DAY_SUFFIX = ".db"
"""Ending of a day file's name."""
HOLDS = "holds.db"
"""The file of holds, beside the catalog; there is none before the first hold."""

SEALING = ".seal-"
"""Beginning of the name of a day file's copy while it is being sealed."""

_alembic = threading.Lock()
_opening: ContextVar[Path] = ContextVar("path of the file that is being opened")


class Hinting(SQLiteCompiler):
    """Writes the hints of a SELECT (`INDEXED BY …`, `NOT INDEXED`), which SQLAlchemy's SQLite dialect leaves out."""

    def get_from_hint_text(self, table: object, text: str | None) -> str | None:
        """The hint behind the table's name, as given."""
        return text


def catalog_path(folder: Path) -> Path:
    """The catalog of the store in `folder`."""
    return folder / "catalog.db"


def days_folder(folder: Path) -> Path:
    """Where the day files of the store in `folder` are."""
    return folder / "days"


def open_catalog(where: Where) -> Engine:
    """A writing engine on the catalog. It has to be there: `upgrade` makes it."""
    if isinstance(where, ClickHouse):
        where = where.catalog
    if isinstance(where, Database):
        from logstore.postgres import db

        return db.open_catalog(where)
    return open_writer(_present(catalog_path(where)))


def open_writer(path: Path) -> Engine:
    """A writing engine on one file: each transaction begins with the write lock and ends on the disk."""

    def connect() -> sqlite3.Connection:
        connection = _connect(path, "rw")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "cache_size=-65536",
            "journal_size_limit=67108864",
            "wal_autocheckpoint=4000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


@contextlib.contextmanager
def reading(where: Where) -> Iterator[Connection]:
    """A read-only connection on the catalog; day files are attached to it with `attached`."""
    if isinstance(where, ClickHouse):
        where = where.catalog
    if isinstance(where, Database):
        from logstore.postgres import db

        with db.reading(where) as connection:
            yield connection
        return
    with reading_file(_present(catalog_path(where))) as connection:
        yield connection


@contextlib.contextmanager
def reading_file(path: Path) -> Iterator[Connection]:
    """A read-only connection on one file."""
    opening = _opening.set(_present(path))
    try:
        connection = _reader().execution_options().connect()  # an engine of its own for whoever listens to it
    finally:
        _opening.reset(opening)
    # AUTOCOMMIT: a day file can only be attached and let go outside a transaction.
    with connection.execution_options(isolation_level="AUTOCOMMIT"):
        yield connection


@functools.cache
def _reader() -> Engine:
    """One engine for every file that is read, so that a statement is compiled once and not at each opening."""
    engine = create_engine(
        "sqlite+pysqlite://", creator=lambda: _connect(_opening.get(), "ro"), poolclass=NullPool, hide_parameters=True
    )
    engine.dialect.statement_compiler = Hinting
    return engine


@contextlib.contextmanager
def attached(connection: Connection, path: Path) -> Iterator[None]:
    """Attach the day file at `path` to a reading connection, read-only, under the name `day`."""
    # By the driver itself: a page may need a hundred files, and SQLAlchemy's way costs as much again as the file.
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("ATTACH DATABASE ? AS day", (_uri(path, "ro"),))
    except sqlite3.Error as error:
        raise _as_sqlalchemy("ATTACH", error) from error
    try:
        yield
    finally:
        driver.execute("DETACH DATABASE day")


@contextlib.contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing rows or removing days; a batch and one day's removal take it in turn."""
    handle = os.open(folder / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def upgrade(where: Where) -> tuple[str, ...]:
    """Make the store, or bring its files (a database: its trees) to the newest schema; says which it changed.

    Sealed day files stay as they are: readers supply NULL for the columns they lack.
    """
    if isinstance(where, ClickHouse):
        from logstore.clickhouse import db as rows

        return upgrade(where.catalog) + (("clickhouse",) if rows.upgrade(where) else ())
    if isinstance(where, Database):
        from logstore.postgres import db

        return db.upgrade(where)
    folder = where
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    days_folder(folder).mkdir(exist_ok=True, mode=0o700)
    with write_lock(folder):
        catalog = catalog_path(folder)
        changed = [catalog.name] if _upgrade_file(catalog, "catalog") else []
        if (folder / HOLDS).exists() and make_holds(folder):
            changed.append(HOLDS)
        sealed = _sealed(folder)
        for path in sorted(days_folder(folder).glob(f"[0-9]*{DAY_SUFFIX}")):
            if path.name not in sealed and _upgrade_file(path, "day"):
                changed.append(path.name)
    return tuple(changed)


def revision_of(path: Path) -> str | None:
    """The schema revision of one file; None when it has none. Raises `StoreError` when it is no database."""
    try:
        with contextlib.closing(_connect(path, "ro")) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise StoreError(f"cannot be read: {error}", path, "Check the disk and who may read it.") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"is damaged: {error}", path, "Restore it: schoolgate db restore.") from error
    return None if found is None else str(found[0])


@functools.cache
def head(tree: Tree) -> str:
    """The newest revision of a tree."""
    from alembic.script import ScriptDirectory  # here, because it is slow to load and a search needs none

    newest = ScriptDirectory(str(_tree_folder(tree))).get_current_head()
    if newest is None:
        raise LookupError(f"the migrations of the {tree} have no revision")
    return newest


def migrate(path: Path, tree: Tree, revision: str = "head", *, down: bool = False) -> None:
    """Bring one file to `revision`, all of it or nothing."""
    engine = open_writer(path)
    migrate_with(engine, tree, revision, down=down)
    engine.dispose()


def migrate_with(engine: Engine, tree: Tree, revision: str = "head", *, down: bool = False) -> None:
    """Bring what a writing engine opens to `revision`, all of it or nothing."""
    with engine.connect() as connection, connection.begin():
        migrate_on(connection, tree, revision, down=down)


def migrate_on(connection: Connection, tree: Tree, revision: str = "head", *, down: bool = False) -> None:
    """Bring one tree to `revision`, within the transaction at hand."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_tree_folder(tree)).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic:
        (command.downgrade if down else command.upgrade)(config, revision)


def create_day(path: Path) -> None:
    """Make an empty day file, whole or not at all."""
    write_whole(path, _empty("day"))


def make_holds(folder: Path) -> bool:
    """Make the file of holds, whole or not at all, or bring it to the newest schema; False when it is there and new.

    It has a lock of its own: whoever drops a day has the store's, and asks for the holds.
    """
    path = folder / HOLDS
    handle = os.open(folder / "holds.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not path.exists():
            write_whole(path, _empty("holds"))
            return True
        return _upgrade_file(path, "holds")
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that after a power cut it is there whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
    sync_folder(path.parent)


def compact(path: Path, *, seconds: float = BUSY_SECONDS) -> bool:
    """Write a database anew, so that nothing deleted is left in it or beside it.

    False when somebody was still reading: then the old content stays in the file beside it until they are done.
    """
    with contextlib.closing(_connect(path, "rw")) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")  # the copy made on the way names people too
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def sync_folder(folder: Path) -> None:
    """Bring names made or removed in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_sealed(path: Path) -> bool:
    """Whether nobody may write to a file: that is how sealing leaves it."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 · a page may need a hundred files, and a Path costs more than the look
    except OSError:
        return False
    return stat.S_ISREG(mode) and not mode & 0o222


def files_of(path: Path) -> tuple[Path, ...]:
    """A database, what SQLite keeps beside it, and the copy that sealing makes of it."""
    beside = (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
    return (path, *beside, path.with_name(SEALING + path.name))


@functools.cache
def _empty(tree: Tree) -> bytes:
    """A file as its migrations make it; kept, because a migration costs a hundred times what a copy does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{tree}.db"
        path.touch()
        migrate(path, tree)
        with contextlib.closing(_connect(path, "rw")) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        return path.read_bytes()


def _upgrade_file(path: Path, tree: Tree) -> bool:
    if not path.exists():
        path.touch(mode=0o600)
    elif revision_of(path) == head(tree):
        return False
    migrate(path, tree)
    return True


def _sealed(folder: Path) -> frozenset[str]:
    with contextlib.closing(_connect(catalog_path(folder), "ro")) as connection:
        return frozenset(name for (name,) in connection.execute("SELECT file FROM day_file WHERE state = 'sealed'"))


def _tree_folder(tree: Tree) -> Path:
    # The tree is found, not imported: `migrations` stands above this room.
    spec = importlib.util.find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package 'migrations' is not installed beside 'logstore'")
    return Path(next(iter(spec.submodule_search_locations))).resolve() / tree


def _as_sqlalchemy(statement: str, error: sqlite3.Error) -> DBAPIError:
    """An error of the driver's as SQLAlchemy would have raised it."""
    raised: DBAPIError = DBAPIError.instance(statement, None, error, sqlite3.Error)  # type: ignore[assignment]
    return raised


def _present(path: Path) -> Path:
    if not path.is_file():
        raise StoreError("there is no record yet", path, "`schoolgate run` makes it; so does `schoolgate db upgrade`.")
    return path


def _uri(path: Path, mode: str) -> str:
    uri = f"file:{urllib.parse.quote(str(path if path.is_absolute() else path.absolute()))}?mode={mode}"
    # A sealed file never changes: no locks, no look for a log beside it.
    return f"{uri}&immutable=1" if mode == "ro" and is_sealed(path) else uri


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    options: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
    connection: sqlite3.Connection = sqlite3.connect(_uri(path, mode), uri=True, **options)
    return connection
