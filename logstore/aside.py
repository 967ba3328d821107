"""A file while it is being written: beside its place, under a lock that ends with its writer.

In comes the place a file will have; out goes whether somebody is writing it, or what a writer that died left behind.
The rule: what lies aside without a lock belongs to nobody, and may be removed by whoever finds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from logstore.db import sync_folder


def aside_of(path: Path) -> Path:
    """Where a file is written before it has its name."""
    return path.with_name(f".{path.name}.part")


def lock_aside(handle: int) -> None:
    """Say that somebody writes to an open file, until it is closed or its process ends."""
    fcntl.flock(handle, fcntl.LOCK_EX)


def leftover_of(path: Path) -> Path | None:
    """What a writer of `path` that died left behind; None when nothing lies there, or it is being written.

    Raises `OSError` when that cannot be seen.
    """
    aside = aside_of(path)
    if aside.is_symlink() or not aside.is_file():
        return None
    handle = os.open(aside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return aside if is_same(aside, handle) else None
    except BlockingIOError:
        return None
    finally:
        os.close(handle)


def remove_leftover(path: Path) -> bool:
    """Remove what a writer of `path` that died left behind; whether there was such a thing. Raises `OSError`."""
    if (aside := leftover_of(path)) is None:
        return False
    aside.unlink(missing_ok=True)
    sync_folder(aside.parent)
    return True


def is_being_written(path: Path) -> bool:
    """Whether somebody is writing what will be `path`. Raises `OSError` when that cannot be seen."""
    return os.path.lexists(aside_of(path)) and leftover_of(path) is None


def is_same(path: Path, handle: int) -> bool:
    """Whether an open file is the one that has this name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False
