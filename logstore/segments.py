"""Segment files of the spool: their names, how one is made, who still writes, how one goes.

    <folder>/<producer>.<number>.seg      SQLite, WAL: q(seq INTEGER PRIMARY KEY, kind INTEGER, payload BLOB)
    <folder>/<producer>.lock              held with flock for the producer's life

A producer is one life of one worker: `<worker>-<pid>-<start, microseconds in hex>`. Only it writes its files. `seq`
runs on from segment to segment without a hole. There is no ledger: how far a producer was shipped stands in the store.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".seg"
"""Ending of a segment's file name."""
COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""
INSERT = "INSERT INTO q(seq, kind, payload) VALUES (?, ?, ?)"
"""Appends one event."""
INSERTS = ("", *(f"{INSERT}{', (?, ?, ?)' * more}" for more in range(8)))
"""The same for so many rows at once, all of them or none."""
TOGETHER = len(INSERTS) - 2
"""Endings that wait for an event to be written with, at most."""

_NAME = re.compile(r"(?P<producer>[A-Za-z0-9_]+-\d+-[0-9a-f]+)\.(?P<number>\d+)\.seg")
_BUSY_MS = 250
_CHECKPOINT_PAGES = 1000


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One segment file."""

    producer: str
    """Who writes it."""
    number: int
    """Its place in the producer's series, from 1."""

    def path(self, folder: Path) -> Path:
        """Its file."""
        return folder / f"{self.producer}.{self.number:08d}{SUFFIX}"


def is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room on the disk."""
    return bool(getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL)


def producer_name(worker: str, pid: int, started_us: int) -> str:
    """Name of one life of a worker; safe as a file name."""
    return f"{re.sub('[^A-Za-z0-9_]', '_', worker) or 'worker'}-{pid}-{started_us:x}"


def parse_segment(name: str) -> Segment | None:
    """The segment a file name stands for; None for any other file."""
    found = _NAME.fullmatch(name)
    return Segment(found["producer"], int(found["number"])) if found else None


def list_segments(folder: Path) -> dict[str, list[Segment]]:
    """Every producer's segments in order. A missing folder holds none."""
    found: dict[str, list[Segment]] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if (segment := parse_segment(entry.name)) is not None:
                found.setdefault(segment.producer, []).append(segment)
    return {producer: sorted(found[producer]) for producer in sorted(found)}


def create_segment(path: Path) -> sqlite3.Connection:
    """Make a segment on disk, its directory entry included, and open it for appending.

    Appending does not wait for the disk: `sync_segment` does. Raises `sqlite3.Error` or `OSError`.
    """
    path.touch(0o600)  # names who asked for what: nobody else's, whatever the umask
    connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        # A process killed right here would leave a rollback journal, which a reader may not touch.
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("CREATE TABLE q(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, payload BLOB NOT NULL)")
        sync_segment(path)
        sync_folder(path.parent)
    except BaseException:
        connection.close()
        remove_segment(path)
        raise
    return connection


def sync_segment(path: Path) -> None:
    """Bring every event appended so far to the disk. Raises `OSError`.

    Only the write-ahead log is touched: opening the database file by hand and closing it would drop SQLite's locks.
    A checkpoint, SQLite's own affair, syncs before it overwrites.
    """
    try:
        file = os.open(f"{path}-wal", os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Bring file names to the disk. Raises `OSError`."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove_segment(path: Path) -> None:
    """Delete a segment. Killed half-way, it leaves companions only, which `remove_strays` finds."""
    path.unlink(missing_ok=True)
    for companion in COMPANIONS:
        Path(f"{path}{companion}").unlink(missing_ok=True)


def remove_strays(folder: Path) -> int:
    """Delete companions whose segment is gone; how many."""
    gone = 0
    for companion in COMPANIONS:
        for stray in folder.glob(f"*{SUFFIX}{companion}"):
            if not Path(str(stray).removesuffix(companion)).exists():
                stray.unlink(missing_ok=True)
                gone += 1
    return gone


def lock_path(folder: Path, producer: str) -> Path:
    """The file a producer keeps locked while it lives."""
    return folder / f"{producer}.lock"


def take_lock(path: Path) -> int | None:
    """Take a lock that lasts until the file descriptor is closed or the process ends; None when another has it.

    The file may be tidied away between opening and locking; then it is made again. Raises `OSError`.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def is_alive(folder: Path, producer: str) -> bool:
    """Whether the producer still holds its lock."""
    try:
        file = os.open(lock_path(folder, producer), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def list_locks(folder: Path) -> tuple[str, ...]:
    """Producers that have a lock file, whether they live or not."""
    names = (path.name.removesuffix(".lock") for path in folder.glob("*.lock"))
    return tuple(sorted(name for name in names if parse_segment(f"{name}.1{SUFFIX}") is not None))


def remove_lock(folder: Path, producer: str) -> None:
    """Tidy away a dead producer's lock file; one that is alive after all keeps it."""
    path = lock_path(folder, producer)
    if not path.exists():
        return
    file = take_lock(path)
    if file is not None:
        path.unlink(missing_ok=True)
        os.close(file)
