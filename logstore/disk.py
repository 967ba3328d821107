"""The disk under the spool: how much it may fill, when to warn, and a ballast to throw out when it is full.

In come a folder and limits; out go measurements and levels. A spool that grows is a store that is away: people are
told at 70 and 85 %, and when nothing more fits, the ballast buys the minutes in which somebody can act (A-13).
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

type Level = Literal["ok", "warn", "alert", "full"]

NOTHING = 128 * 1024
"""Bytes left below which the spool counts as full: SQLite needs some to begin a segment."""
BALLAST = "ballast"
"""Name of the ballast file, shared by all workers of a spool folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much disk the spool may fill."""

    max_bytes: int = 20 * 1024**3
    """Bytes of all workers' segments together, ballast included."""
    warn: float = 0.7
    """Share of `max_bytes` from which the level is `warn`."""
    alert: float = 0.85
    """Share from which it is `alert`."""
    ballast_bytes: int = 64 * 1024**2
    """Size of the ballast; never more than a tenth of `max_bytes`, 0 for none."""

    @property
    def ballast(self) -> int:
        """Size of the ballast that is really kept."""
        return min(self.ballast_bytes, self.max_bytes // 10)

    def level(self, use: DiskUse) -> Level:
        """How full the spool is, of its limit or of what the file system leaves it, whichever is less."""
        room = self.left(use) + use.ballast
        if not use.writable or room < NOTHING:
            return "full"
        share = use.used / (use.used + room)
        return "alert" if share >= self.alert else "warn" if share >= self.warn else "ok"

    def left(self, use: DiskUse) -> int:
        """Bytes that may still be written before the ballast is thrown out."""
        return max(0, min(self.max_bytes - use.used - use.ballast, use.free))


@dataclass(frozen=True, slots=True)
class DiskUse:
    """One measurement of the spool folder."""

    used: int
    """Bytes of files in the spool folder, ballast left out."""
    free: int
    """Bytes the file system has left for us."""
    ballast: int
    """Bytes of the ballast; 0 when it is spent."""
    writable: bool = True
    """False when the file system is read-only, as the kernel does after an error of the disk."""


def measure(folder: Path, *, probe: bool = False) -> DiskUse:
    """How full the spool folder is; `probe` also tries whether it can be written. Raises `OSError`."""
    used = ballast = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.name == BALLAST:
                    ballast = entry.stat().st_size
                elif entry.is_file():
                    used += entry.stat().st_size
    disk = os.statvfs(folder)
    writable = not disk.f_flag & os.ST_RDONLY and (not probe or _takes(folder))
    return DiskUse(used, disk.f_bavail * disk.f_frsize, ballast, writable)


def _takes(folder: Path) -> bool:
    """Whether a file can be made: after an error of the disk the kernel refuses, and does not say so beforehand."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno not in (errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT)
    return True


def lay_ballast(folder: Path, size: int) -> bool:
    """Put the ballast in place, really taking its room; False when there is no room for it or it lies there already."""
    path = folder / BALLAST
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(file)
    return True


def spend_ballast(folder: Path) -> bool:
    """Throw the ballast out; False when there was none."""
    try:
        (folder / BALLAST).unlink()
    except OSError:
        return False
    return True
