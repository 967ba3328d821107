"""Copies of a record in PostgreSQL, and their way back, by PostgreSQL's own programs.

In come a database and a folder, out go reports. A copy is the record at one moment: `pg_dump` reads what a snapshot of
ours shows, so that rows and head are counted in the very record that is copied, whatever is stored meanwhile. It lies
in a folder that says what it is before a row is in it (`logstore.backup`), so that it goes by date like a copy of
files. The rule: nothing is put back over a record.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from logstore.audit import head as audit_head
from logstore.backup import Copied, made_of, remove_copy, say_made
from logstore.db import StoreError, sync_folder
from logstore.place import Database
from logstore.postgres.db import open_engine, reading
from logstore.schema import day_file

DUMPED = "record.dump"
"""File of a copy that holds everything, as `pg_dump --format=custom` writes it."""
_DEBIAN = Path("/usr/lib/postgresql")
_LONGEST = 600
_QUOTES = "\"'`´«»‹›„“”‚‘’「」『』《》〈〉"
_VALUE = re.compile(
    r'((?:constraint|table|relation|column|schema|role|database|extension|server at|socket|user|host name) "[^"]*")'
    rf"|\s*[{_QUOTES}].*"
)
"""A name that is none of a row's; else where a quotation begins, in whatever language the server speaks."""


def back_up(database: Database, destination: Path, at: datetime) -> Copied:
    """Copy the record to `destination`, which must not be there or be empty. Raises `StoreError`.

    `at` (aware) is written into the copy, with the head of its audit trail and how many rows it has.
    """
    refuse(destination)
    destination.mkdir(parents=True, exist_ok=True, mode=0o700)
    destination.chmod(0o700)
    begun = {"made": at.isoformat(), "whole": False}
    try:
        say_made(destination, begun)
        file = destination / DUMPED
        file.touch(mode=0o600)
        with _snapshot(database) as (catalog, name):
            number, mark = audit_head(catalog)
            rows = int(catalog.execute(select(func.coalesce(func.sum(day_file.c.rows), 0))).scalar_one())
            _run("pg_dump", database, "--format=custom", f"--snapshot={name}", f"--file={file}")
        copied = Copied(1, rows, file.stat().st_size)
        sync_folder(destination)
        say_made(destination, begun | {"whole": True, "head": f"{number}:{mark}"} | asdict(copied))
    except BaseException:
        with contextlib.suppress(OSError):  # what cannot be removed now is known by what it says of itself
            remove_copy(destination)
        raise
    return copied


def refuse(destination: Path) -> None:
    """Raises `StoreError` when there is something at `destination`, or nothing to copy with."""
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise StoreError("is not empty", destination, "Name an empty folder.")
    program("pg_dump")


def restore(source: Path, database: Database) -> Copied:
    """Put the copy in `source` back into `database`, which must be empty. Raises `StoreError`.

    Who owned what, and who may what, is not put back: all is the account's of `database`.
    """
    made, file = made_of(source), source / DUMPED
    if made is None or not made.whole or not file.is_file():
        raise StoreError("is no whole copy of a record in PostgreSQL", source, "Name another copy.")
    if tables := tables_in(database):
        what = f"is not empty: it has {tables} tables"
        raise StoreError(what, database, "Name an empty database; a restore never writes over rows.")
    # Remarks on an extension are its owner's, who may be somebody else.
    _run("pg_restore", database, "--no-owner", "--no-acl", "--no-comments", "--exit-on-error", str(file))
    with reading(database) as catalog:
        rows = int(catalog.execute(select(func.coalesce(func.sum(day_file.c.rows), 0))).scalar_one())
    return Copied(1, rows, file.stat().st_size)


def tables_in(database: Database) -> int:
    """How many tables there are, of anybody's."""
    counted = (
        "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE relkind IN ('r', 'p') AND nspname != 'information_schema' AND NOT starts_with(nspname, 'pg_')"
    )
    with reading(database) as connection:
        return int(connection.exec_driver_sql(counted).scalar_one())


def program(name: str) -> Path:
    """One of PostgreSQL's programs: the one on the PATH, else the newest of Debian's. Raises `StoreError`."""
    newest = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: _version(path.parts[-3]))
    if (found := shutil.which(name)) is not None:
        return Path(found)
    if newest:
        return newest[-1]
    raise StoreError(
        "is not installed on this machine", name, "It comes with PostgreSQL's client (Debian: postgresql-client)."
    )


@contextlib.contextmanager
def _snapshot(database: Database) -> Iterator[tuple[Connection, str]]:
    """A connection that sees one moment, and the name under which another one can see the same."""
    engine = open_engine(database, read_only=True)
    try:
        with engine.connect() as connection:
            catalog = connection.execution_options(isolation_level="AUTOCOMMIT")
            catalog.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
            catalog.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield catalog, str(catalog.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())
            catalog.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


def _run(name: str, database: Database, *arguments: str) -> None:
    """Run one of the programs on the database. Raises `StoreError` with what it says of itself."""
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = os.environ | {"LC_ALL": "C"}  # the programs' own words; the server's are in its language
    if (password := database.password()) is not None:
        environment["PGPASSWORD"] = password  # seen by this account alone, and in no list of processes
    command = [str(program(name)), "--no-password", f"--dbname={address}", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    if done.returncode != 0:
        said = said_of(name, done.stderr.decode("utf-8", "replace")) or f"it ended with {done.returncode}"
        raise StoreError(f"{name} failed: {said}", database, "docs/postgresql.md, Backups, says what it needs.")


def said_of(name: str, text: str) -> str:
    """What a program says of its failure, without the rows that the server quotes: they follow in lines of their own
    (`DETAIL`, `CONTEXT`), and behind the words that say what is wrong with a value."""
    lines = [line for line in text.splitlines() if line.startswith(f"{name}: ")]
    return "; ".join(_VALUE.sub(r"\1", line) for line in lines)[:_LONGEST]


def _version(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found.group()) if found else 0
