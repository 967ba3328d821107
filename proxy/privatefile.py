"""Files that only their owner may read: a path in, bytes in or out, nothing half written, nothing readable by others.

The room's rule here: permissions are set and checked on the open descriptor, never on a name that may change under us.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

LARGEST = 1 << 20
"""Bytes read at most; keys and secrets are far smaller."""


class NotPrivate(Exception):
    """Somebody besides the owner may read or replace the file, or it is not a file."""

    def __init__(self, what: str, path: Path, do: str) -> None:
        super().__init__(f"{path}: {what}. {do}")
        self.what = what
        self.path = path
        self.do = do


def read_private(file: Path) -> bytes:
    """Read `file` only if nobody but its owner could have read or replaced it.

    Raises `NotPrivate` for loose permissions or a strange owner (root and this account are not), `OSError` otherwise.
    """
    with _open_folder(file.parent) as parent:
        _check(file.parent, os.fstat(parent), 0o022)
        descriptor = os.open(file.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivate("is not a file", file, "Put the file itself there.")
        _check(file, status, 0o077)
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def write_private(file: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `file` whole or not at all, with exactly `mode` whatever the umask says, and on disk before it is seen."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    with _open_folder(file.parent) as parent:
        os.fsync(parent)


@contextlib.contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Make `folder` (0700) when it is missing, and keep every other holder out until done."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _open_folder(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _check(path: Path, status: os.stat_result, forbidden: int) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        raise NotPrivate(f"others may use it (mode {mode:04o})", path, f"Run: chmod {mode & ~forbidden:04o} '{path}'")
    if status.st_uid not in (0, os.geteuid()):
        what = f"belongs to user {status.st_uid}, not to {os.geteuid()}"
        raise NotPrivate(what, path, f"Run: chown {os.geteuid()} '{path}'")


@contextlib.contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
