"""Rows, and what belongs to them, go into a file: private, whole or not at all, with its hash and a manifest beside it.

In come lines; out go the file, `FILE.manifest.json`, and what the book of exports (`logstore.exportbook`) has to know.
The rules: nothing is written over; lines are written as they come, so that memory does not grow with them; what breaks
off leaves nothing behind, and what a killed writer leaves is known by the lock it no longer has (`logstore.aside`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from logstore.aside import aside_of, is_same, lock_aside, remove_leftover
from logstore.db import sync_folder
from logstore.exportbook import Span, hash_file
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
    """A file being written aside; `put` gives it its name. Use it in a `with`, which takes away what has none."""

    def __init__(self, path: Path) -> None:
        """Raises `CannotWrite` when there is such a file, or it cannot be made."""
        self.path = path
        self.lines = 0
        """Lines so far."""
        self.span: Span | None = None
        """Times of the oldest and the newest row seen; see `see`."""
        self._aside = aside_of(path)
        self._hash = hashlib.sha256()
        self._bytes = 0
        if os.path.lexists(path):
            raise CannotWrite(f"{path} is there already; nothing is written over")
        if not path.parent.is_dir():
            raise CannotWrite(f"there is no folder {path.parent}")
        try:
            remove_leftover(path)
            handle = os.open(self._aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(handle, "w+b")
            lock_aside(handle)
        except FileExistsError as error:
            raise CannotWrite(f"{path} is being written by somebody else") from error
        except OSError as error:
            raise CannotWrite(f"{path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.unlink(missing_ok=True)
        self._file.close()

    @property
    def raw(self) -> BinaryIO:
        """The file itself, for a format that writes it in its own way; then `lines` is the writer's to count."""
        return self._file

    def see(self, row: Row) -> Row:
        """Take note of a row's time, on its way to a line."""
        self.span = widened(self.span, row.at)
        return row

    def write(self, line: str, *, count: bool = True) -> None:
        """Add a line, as it is."""
        data = line.encode()
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)
        self.lines += count

    def finish(self) -> Written:
        """Bring it to the disk, still aside: what was written."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if (size := os.fstat(self._file.fileno()).st_size) != self._bytes:  # not only by `write`
            self._file.seek(0)
            self._hash = hashlib.file_digest(self._file, "sha256")
        return Written(self.path, self.lines, size, self._hash.hexdigest())

    def put(self) -> None:
        """Give it its name. Raises `CannotWrite` when somebody took that meanwhile."""
        try:
            os.link(self._aside, self.path)
        except FileExistsError as error:
            raise CannotWrite(f"{self.path} is there already; nothing is written over") from error
        except OSError as error:
            raise CannotWrite(f"{self.path} cannot be written: {error.strerror}") from error
        self._aside.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def take_back(self) -> None:
        """Remove it from under its name again, if it got there."""
        if is_same(self.path, self._file.fileno()):
            self.path.unlink()
            sync_folder(self.path.parent)


def widened(span: Span | None, at: datetime) -> Span:
    """A span of time that holds `at` too."""
    return (at, at) if span is None else (min(span[0], at), max(span[1], at))


def manifest_of(path: Path) -> Path:
    """Where the manifest of an export is, `path` being its first file."""
    return path.with_name(f"{path.name}.manifest.json")


def manifest_text(files: Iterable[Written], facts: Mapping[str, Any]) -> str:
    """What the files are, and their hashes."""
    return json.dumps({**facts, "files": [one.as_json() for one in files]}, indent=1, default=str) + "\n"


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
