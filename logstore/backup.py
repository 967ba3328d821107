"""Copies of the store, made while it is in use; and the check of a store or a copy.

In come folders, out go reports. A copy is the store at one moment (`logstore.moment`): its catalog knows the names, the
batches and the places in the spool of the rows that are in its days, and no later ones. What may still change is copied
by SQLite's own backup; a sealed day byte for byte, so that its hash still fits. The rule: a copy says what it is before
a row is in it and until the last one is out of it, so that one left half made or half removed is known.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from logstore.audit import head as audit_head
from logstore.db import (
    StoreError,
    catalog_path,
    days_folder,
    head,
    is_sealed,
    reading,
    revision_of,
    sync_folder,
    write_whole,
)
from logstore.dimensions import FOLDED
from logstore.errorwords import in_words
from logstore.holds import holds_path
from logstore.moment import moment_of
from logstore.rollups import rollups_folder
from logstore.schema import day_file
from logstore.seal import finish

MADE = "backup.json"
"""File of a copy that says when it was made, whether it is whole, and the head of its audit trail."""
_OURS = ("catalog.db*", "holds.db*", "days/[0-9]*.db*", "days/.seal-*", "days/.new-*", "rollups/[0-9]*.db*",
         "rollups/.*", "store.lock", "holds.lock", "rollups.lock", ".new-*", "record.dump")  # fmt: skip
"""What a copy consists of, and what looking into it leaves in it."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    files: int
    """Files."""
    rows: int
    """Rows in them, as the catalog counts."""
    bytes: int
    """Bytes written."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a copy says of itself."""

    at: datetime
    """When it was begun; aware."""
    whole: bool
    """Whether everything is in it."""
    head: str
    """Number and hash of the last line of its audit trail."""
    rows: int
    """Rows in it."""


def back_up(folder: Path, destination: Path, at: datetime) -> Copied:
    """Copy the store in `folder` to `destination`, which must not be there or be empty. Raises `StoreError`.

    `at` (aware) is written into the copy, with the head of its audit trail.
    """
    refuse(folder, destination)
    finish(folder)
    destination.mkdir(parents=True, exist_ok=True, mode=0o700)
    destination.chmod(0o700)
    begun = {"made": at.isoformat(), "whole": False}
    try:
        say_made(destination, begun)
        copied = _copy(folder, destination, in_use=True)
        with reading(destination) as catalog:
            number, mark = audit_head(catalog)
        say_made(destination, begun | {"whole": True, "head": f"{number}:{mark}"} | asdict(copied))
    except BaseException:
        with contextlib.suppress(OSError):  # what cannot be removed now is known by what it says of itself
            remove_copy(destination)
        raise
    return copied


def refuse(folder: Path, destination: Path) -> None:
    """Raises `StoreError` when the store in `folder` cannot be copied to `destination`."""
    _refuse(folder, destination, "Name an empty folder.")


def made_of(copy: Path) -> Made | None:
    """What `back_up` wrote into a copy; None when there is no such thing."""
    try:
        told = json.loads((copy / MADE).read_text(encoding="utf-8"))
        made = datetime.fromisoformat(told["made"])
        return Made(made, bool(told.get("whole", True)), str(told.get("head", "")), int(told.get("rows", 0)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove_copy(copy: Path) -> None:
    """Remove a copy that `back_up` made, and nothing else that lies there. Raises `OSError`.

    As long as something stays, the copy says of itself that it is one.
    """
    for path in [path for pattern in _OURS for path in copy.glob(pattern)]:
        path.unlink(missing_ok=True)
    for folder in (days_folder(copy), rollups_folder(copy)):
        if folder.is_dir():
            folder.rmdir()
    if others := sorted(path.name for path in copy.iterdir() if path.name != MADE):
        raise OSError(errno.ENOTEMPTY, f"what it consists of is gone; {others[0]} is not ours", str(copy))
    (copy / MADE).unlink(missing_ok=True)
    copy.rmdir()


def restore(source: Path, folder: Path) -> Copied:
    """Put the copy in `source` back as the store in `folder`, which must be empty. Raises `StoreError`."""
    if (source / "record.dump").is_file():
        raise StoreError("is of a record in PostgreSQL", source, "Set record.store to an empty database for it.")
    if problems := tuple(check(source)):
        raise StoreError(f"is no whole copy: {problems[0]}", source, "Name another copy.")
    _refuse(source, folder, "Move the old store away first; a restore never writes over rows.")
    return _copy(source, folder, in_use=False)


def check(folder: Path) -> Iterator[str]:
    """What is wrong with the store, or the copy, in `folder`: one sentence each; nothing when it is whole."""
    catalog = catalog_path(folder)
    if not catalog.is_file():
        yield f"{catalog} is missing"
        return
    if (problem := _damage(catalog)) is not None:
        yield problem
        return
    if revision_of(catalog) != head("catalog"):
        yield f"{catalog} has the schema {revision_of(catalog)}, not {head('catalog')}: schoolgate db upgrade"
        return
    yield from _check_holds(holds_path(folder))
    with contextlib.closing(sqlite3.connect(catalog)) as connection:
        known = connection.execute(f"SELECT file, state, rows FROM {day_file.name} WHERE state != 'dropped'").fetchall()
    names = {str(file) for file, _, _ in known}
    for file, state, rows in sorted(known):
        if state != "dropping":  # retention was ended in the midst of it, and finishes it at its next run
            yield from _check_day(folder, file, rows)
    for path in sorted(days_folder(folder).glob("[0-9]*.db")):
        if path.name not in names:
            yield f"{path} is not in the catalog: its rows are not found"


def _check_holds(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    if (problem := _damage(path)) is not None:
        yield problem
    elif revision_of(path) != head("holds"):
        yield f"{path} has the schema {revision_of(path)}, not {head('holds')}: schoolgate db upgrade"


def _check_day(folder: Path, file: str, rows: int) -> Iterator[str]:
    path = days_folder(folder) / file
    if not path.is_file():
        yield f"{path} is missing"
        return
    if (problem := _damage(path)) is not None:
        yield problem
        return
    with contextlib.closing(sqlite3.connect(catalog_path(folder))) as connection:
        connection.execute("ATTACH DATABASE ? AS day", (str(path),))
        # There may be more: rows are stored before they are counted, and the shipper sends those again.
        if (found := connection.execute("SELECT count(*) FROM day.log").fetchone()[0]) < rows:
            yield f"{path} has {found:,} rows, the catalog counts {rows:,}"
        for dimension in FOLDED:
            lost = connection.execute(
                f"SELECT count(*) FROM (SELECT DISTINCT {dimension.column} AS id FROM day.log) AS used "
                f"WHERE used.id IS NOT NULL AND used.id NOT IN (SELECT id FROM main.{dimension.table.name})"
            ).fetchone()[0]
            if lost:
                yield f"{path} uses {lost} {dimension.column} that the catalog does not know"


def _damage(path: Path) -> str | None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = in_words(error)
    return None if found == "ok" else f"{path} is damaged: {found}"


def say_made(copy: Path, told: Mapping[str, object]) -> None:
    """Write into a copy what it is: what `made_of` gives again."""
    write_whole(copy / MADE, (json.dumps(told) + "\n").encode())


def _refuse(source: Path, destination: Path, do: str) -> None:
    catalog = catalog_path(source)
    if not catalog.is_file():
        raise StoreError("there is no record", catalog, "Name a folder that holds a catalog.db.")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise StoreError("is not empty", destination, do)


def _copy(source: Path, destination: Path, *, in_use: bool) -> Copied:
    days_folder(destination).mkdir(parents=True, mode=0o700)
    destination.chmod(0o700)
    rows = _copy_moment(source, destination, in_use=in_use)
    sync_folder(days_folder(destination))
    sync_folder(destination)
    written = list(destination.rglob("*.db"))
    files = len(written) - holds_path(destination).is_file()
    return Copied(files, rows, sum(path.stat().st_size for path in written))


def _copy_moment(source: Path, destination: Path, *, in_use: bool) -> int:
    """Copy one moment of the store; how many rows the copied catalog counts."""
    while True:
        with moment_of(source, in_use=in_use) as taken:
            for path, database in taken.databases.items():
                _copy_database(database, destination / path)
        # When retention took one of them meanwhile, another moment is copied.
        if all(
            is_sealed(destination / path) or _copy_sealed(source / path, destination / path) for path in taken.sealed
        ):
            break
    wanted = {*taken.databases, *taken.sealed}
    for path in list(days_folder(destination).iterdir()):
        if path.relative_to(destination) not in wanted:
            path.unlink()
    return taken.rows


def _copy_database(database: sqlite3.Connection, destination: Path) -> None:
    destination.unlink(missing_ok=True)
    destination.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(destination)) as new:
        database.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")


def _copy_sealed(source: Path, destination: Path) -> bool:
    """Copy a day that never changes; False when retention has removed it."""
    destination.unlink(missing_ok=True)
    try:
        shutil.copyfile(source, destination)
    except FileNotFoundError:
        destination.unlink(missing_ok=True)
        return False
    destination.chmod(0o400)
    handle = os.open(destination, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return True
