"""Rows, and what belongs to them, go into a file: private, whole or not at all, with its hash and a manifest beside it.

In come lines; out go the file, `FILE.manifest.json`, and what the book of exports (`logstore.exportbook`) has to know.
The rules: nothing is written over; lines are written as they come, so that memory does not grow with them; what breaks
off leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from logstore.db import sync_folder
from logstore.exportbook import hash_file
from logstore.rows import Row


class CannotWrite(Exception):
    """The file cannot be written. Says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Written:
    """One file that was written."""

    path: Path
    """Where."""
    lines: int
    """Lines in it, its header not counted."""
    bytes: int
    """Its size."""
    sha256: str
    """Hash of it, in hexadecimal."""

    def as_json(self) -> dict[str, Any]:
        """For the manifest and the audit trail."""
        return {"file": self.path.name, "lines": self.lines, "bytes": self.bytes, "sha256": self.sha256}


class ExportFile:
    """A file being written; it has its name once it is finished. Use it in a `with`."""

    def __init__(self, path: Path) -> None:
        """Raises `CannotWrite` when there is such a file, or it cannot be made."""
        self.path = path
        self.lines = 0
        """Lines so far."""
        self.newest: datetime | None = None
        """Time of the newest row seen; see `see`."""
        self._aside = aside_of(path)
        self._hash = hashlib.sha256()
        self._bytes = 0
        try:
            self._file = os.fdopen(
                os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
            )
        except OSError as error:
            raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._file.close()
            self._aside.unlink(missing_ok=True)

    def see(self, row: Row) -> Row:
        """Take note of a row's time, on its way to a line."""
        if self.newest is None or row.at > self.newest:
            self.newest = row.at
        return row

    def write(self, line: str, *, count: bool = True) -> None:
        """Add a line, as it is."""
        data = line.encode()
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)
        self.lines += count

    def finish(self) -> Written:
        """Bring it to the disk under its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        put_in_place(self._aside, self.path)
        return Written(self.path, self.lines, self._bytes, self._hash.hexdigest())


def aside_of(path: Path) -> Path:
    """Where a file is written before it has its name. Raises `CannotWrite` when it would be written over."""
    if os.path.lexists(path):
        raise CannotWrite(f"{path} is there already; nothing is written over")
    if not path.parent.is_dir():
        raise CannotWrite(f"there is no folder {path.parent}")
    return path.with_name(f".{path.name}.part")


def put_in_place(aside: Path, path: Path) -> None:
    """Give a finished file its name. Raises `CannotWrite` when somebody took it meanwhile."""
    try:
        os.link(aside, path)
    except FileExistsError as error:
        raise CannotWrite(f"{path} is there already; nothing is written over") from error
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_manifest(path: Path, files: tuple[Written, ...], facts: Mapping[str, Any]) -> Written:
    """Write what the files are and their hashes into `FILE.manifest.json`, `path` being the first file."""
    manifest = path.with_name(f"{path.name}.manifest.json")
    told = {**facts, "files": [one.as_json() for one in files]}
    with ExportFile(manifest) as file:
        file.write(json.dumps(told, indent=1, default=str) + "\n")
        return file.finish()


def check_manifest(path: Path) -> tuple[str, ...]:
    """What is wrong with the files a manifest names; nothing when they are what was written. Raises `ValueError`."""
    told = json.loads(path.read_text(encoding="utf-8"))
    problems = []
    for one in told["files"]:
        file = path.with_name(one["file"])
        if not file.is_file():
            problems.append(f"{one['file']} is missing")
        elif hash_file(file) != one["sha256"]:
            problems.append(f"{one['file']} is not what was written")
    return tuple(problems)
