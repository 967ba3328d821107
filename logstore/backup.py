"""Copies of the store, made while it is in use; and the check of a store or a copy.

In come folders, out go reports. An open file is copied by SQLite's own backup, so that each copy is whole; a sealed one
byte for byte, so that its hash still fits. Day files come
first and the catalog last: names are stored before the rows that use them, so the copied catalog knows every name the
copied rows use, and places in the spool that lie behind the copied rows only make the shipper send rows again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
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
from logstore.holds import holds_path
from logstore.schema import day_file
from logstore.seal import finish

MADE = "backup.json"
"""File of a copy that says when it was made, and the head of its audit trail."""


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
    """When it was made; aware."""
    head: str
    """Number and hash of the last line of its audit trail."""
    rows: int
    """Rows in it."""


def back_up(folder: Path, destination: Path, at: datetime) -> Copied:
    """Copy the store in `folder` to `destination`, which must not be there or be empty. Raises `StoreError`.

    `at` (aware) is written into the copy, with the head of its audit trail.
    """
    if catalog_path(folder).is_file():
        finish(folder)
    copied = _copy(folder, destination, "name an empty folder")
    with reading(destination) as catalog:
        number, mark = audit_head(catalog)
    told = {"made": at.isoformat(), "head": f"{number}:{mark}", **asdict(copied)}
    write_whole(destination / MADE, (json.dumps(told) + "\n").encode())
    return copied


def made_of(copy: Path) -> Made | None:
    """What `back_up` wrote into a copy; None when there is no such thing."""
    try:
        told = json.loads((copy / MADE).read_text(encoding="utf-8"))
        return Made(datetime.fromisoformat(told["made"]), str(told["head"]), int(told["rows"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_copy(copy: Path) -> None:
    """Remove a copy that `back_up` made, and nothing else that lies there. Raises `OSError`."""
    ours = [*days_folder(copy).glob("[0-9]*.db"), catalog_path(copy), holds_path(copy), copy / MADE]
    for path in ours:
        path.unlink(missing_ok=True)
    days_folder(copy).rmdir()
    copy.rmdir()


def restore(source: Path, folder: Path) -> Copied:
    """Put the copy in `source` back as the store in `folder`, which must be empty. Raises `StoreError`."""
    if problems := tuple(check(source)):
        raise StoreError(f"is no whole copy: {problems[0]}", source, "Name another copy.")
    return _copy(source, folder, "move the old store away first; a restore never writes over rows")


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
        known = connection.execute(f"SELECT file, state FROM {day_file.name} WHERE state != 'dropped'").fetchall()
    names = {str(file) for file, _ in known}
    for file in sorted(names):
        yield from _check_day(folder, file)
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


def _check_day(folder: Path, file: str) -> Iterator[str]:
    path = days_folder(folder) / file
    if not path.is_file():
        yield f"{path} is missing"
        return
    if (problem := _damage(path)) is not None:
        yield problem
        return
    with contextlib.closing(sqlite3.connect(catalog_path(folder))) as connection:
        connection.execute("ATTACH DATABASE ? AS day", (str(path),))
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
        found = str(error)
    return None if found == "ok" else f"{path} is damaged: {found}"


def _copy(source: Path, destination: Path, do: str) -> Copied:
    catalog = catalog_path(source)
    if not catalog.is_file():
        raise StoreError("there is no record", catalog, "Name a folder that holds a catalog.db.")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise StoreError("is not empty", destination, f"{do[0].upper()}{do[1:]}.")
    days_folder(destination).mkdir(parents=True, mode=0o700)
    destination.chmod(0o700)
    files = _copy_days(source, destination)
    if holds_path(source).is_file():
        _copy_file(holds_path(source), holds_path(destination))
    sync_folder(days_folder(destination))
    sync_folder(destination)
    with contextlib.closing(sqlite3.connect(catalog_path(destination))) as connection:
        rows = connection.execute(
            f"SELECT ifnull(sum(rows), 0) FROM {day_file.name} WHERE state != 'dropped'"
        ).fetchone()
    size = sum(path.stat().st_size for path in destination.rglob("*.db"))
    return Copied(len(files) + 1, int(rows[0]), size)


def _copy_days(source: Path, destination: Path) -> tuple[str, ...]:
    """Copy day files, then the catalog, until the catalog knows no day that was not copied."""
    copied: set[str] = set()
    while True:
        # A day that was sealed after it was copied is copied again: its hash is that of the sealed file.
        copied -= {
            file for file in copied if _sealed_since(days_folder(source) / file, days_folder(destination) / file)
        }
        for path in sorted(days_folder(source).glob("[0-9]*.db")):
            if path.name not in copied and _copy_file(path, days_folder(destination) / path.name):
                copied.add(path.name)
        _copy_file(catalog_path(source), catalog_path(destination))
        with contextlib.closing(sqlite3.connect(catalog_path(destination))) as connection:
            known = connection.execute(f"SELECT file FROM {day_file.name} WHERE state IN ('open', 'sealed')").fetchall()
        wanted = {str(file) for (file,) in known}
        again = {file for file in copied if _sealed_since(days_folder(source) / file, days_folder(destination) / file)}
        if not any((days_folder(source) / file).exists() for file in (wanted - copied) | again):
            break
    for file in copied - wanted:  # retention removed it meanwhile
        (days_folder(destination) / file).unlink()
    return tuple(sorted(copied & wanted))


def _sealed_since(source: Path, copy: Path) -> bool:
    return is_sealed(source) and not is_sealed(copy)


def _copy_sealed(source: Path, destination: Path) -> bool:
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


def _copy_file(source: Path, destination: Path) -> bool:
    """Copy one database as it is at one moment; False when it is not there any more."""
    destination.unlink(missing_ok=True)
    if is_sealed(source):
        return _copy_sealed(source, destination)
    destination.touch(mode=0o600)
    try:
        old = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        if source.exists():
            raise
        destination.unlink()
        return False
    with contextlib.closing(old), contextlib.closing(sqlite3.connect(destination)) as new:
        # In one step: one of several begins anew whenever a row is stored in between.
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
    return True
