"""What the store would not take, or nobody can read: set aside with its reason, so that it stops nobody.

In come events, rows and segments with a reason; out go files in `<spool>/quarantine/`: one JSON line for each event or
row (the bytes as base64, to be read again by a later version) and each damaged segment with a `.reason.txt` beside it.
A line may be there twice when the shipper was killed right after writing it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from logstore.aside import is_same
from logstore.encoding import EventKind, encode_write, event_time_us
from logstore.prunereport import Cleaned, Cleaner, Stayed
from logstore.reading import SpoolEvent
from logstore.segments import COMPANIONS, list_segments, sync_folder
from logstore.unread import Row, pair_of

FOLDER = "quarantine"
"""Name of the folder within the spool."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The quarantine of one spool folder."""

    spool: Path
    """The spool folder."""

    @property
    def folder(self) -> Path:
        """Where things are set aside."""
        return self.spool / FOLDER

    def add_event(self, event: SpoolEvent, reason: str, at: datetime) -> None:
        """Set aside an event that cannot be read. On the disk when this returns. Raises `OSError`."""
        kind: object = event.kind  # a damaged segment may hold anything
        self._add(event.producer, event.seq, int(kind) if isinstance(kind, int) else 0, event.payload, reason, at)

    def add_row(self, producer: str, row: Row, reason: str, at: datetime) -> None:
        """Set aside a row the store refuses. On the disk when this returns. Raises `OSError`."""
        self._add(producer, row[0].id, EventKind.WRITE, encode_write(*pair_of(row)), reason, at)

    def add_segment(self, path: Path, reason: str) -> None:
        """Move a damaged segment here. Raises `OSError`."""
        self.folder.mkdir(exist_ok=True, mode=0o750)
        (self.folder / f"{path.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8")
        for companion in (*COMPANIONS, ""):
            source = Path(f"{path}{companion}")
            if source.exists():
                source.rename(self.folder / source.name)

    def count(self) -> int:
        """Things set aside: lines and segments."""
        if not self.folder.is_dir():
            return 0
        segments = sum(1 for _ in self.folder.glob("*.reason.txt"))
        return segments + sum(len(path.read_bytes().splitlines()) for path in self.folder.glob("*.jsonl"))

    def clean(self, limit: datetime, dry_run: bool) -> Cleaned:
        """Delete what happened, or was set aside, before `limit`: a cleaner for `prune`. Raises `OSError`."""
        old: list[Path] = []
        lines = 0
        if self.folder.is_dir():
            old = [path for path in self.folder.iterdir() if path.stat().st_mtime < limit.timestamp()]
            for path in sorted(set(self.folder.glob("*.jsonl")) - set(old)):
                with _locked(path, os.O_RDONLY) as file:
                    lines += _take_out(path, os.fstat(file), limit, dry_run)
        for path in old if not dry_run else ():
            path.unlink(missing_ok=True)
        return Cleaned(FOLDER, len(old) + lines)

    def _add(self, producer: str, number: int, kind: int, payload: object, reason: str, at: datetime) -> None:
        self.folder.mkdir(exist_ok=True, mode=0o750)
        raw = payload if isinstance(payload, bytes) else repr(payload).encode()
        line = {
            "at": at.astimezone(UTC).isoformat(),
            "producer": producer,
            "number": number,
            "kind": kind,
            "reason": reason[:500],
            "payload": base64.b64encode(raw).decode("ascii"),
        }
        path = self.folder / f"{at.astimezone(UTC):%Y-%m-%d}.jsonl"
        with _locked(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
            os.write(file, json.dumps(line).encode() + b"\n")
            os.fsync(file)
        sync_folder(self.folder)


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """A file to oneself: retention takes lines out of it, and a shipper adds to it, but not at once."""
    while True:
        file = os.open(path, flags | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_same(path, file):  # or it was written anew while this waited
                yield file
                return
        finally:
            os.close(file)


def _take_out(path: Path, was: os.stat_result, limit: datetime, dry_run: bool) -> int:
    """Take lines about what happened before `limit` out of a file that is younger; how many there are."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not _is_before(line, limit)]
    aside = path.with_name(f".{path.name}.new")
    if not dry_run:
        aside.unlink(missing_ok=True)  # what a killed run left
    if len(kept) < len(lines) and not dry_run:
        aside.touch(0o600)
        aside.write_bytes(b"".join(kept))
        os.utime(aside, ns=(was.st_atime_ns, was.st_mtime_ns))  # what stays is no younger than it was
        aside.replace(path) if kept else aside.unlink()
        if not kept:
            path.unlink()
        sync_folder(path.parent)
    return len(lines) - len(kept)


def _is_before(line: bytes, limit: datetime) -> bool:
    """Whether a line tells of something before `limit`, or was set aside before; False when nobody can read when."""
    try:
        told = json.loads(line)
        set_aside = datetime.fromisoformat(told["at"])
        at_us = event_time_us(told["kind"], base64.b64decode(told["payload"]))
    except (ValueError, KeyError, TypeError):
        return False
    return set_aside < limit or (at_us is not None and at_us < limit.timestamp() * 1e6)


def clean_spool(spool: Path, limit: datetime, dry_run: bool) -> Cleaned:
    """A cleaner that removes nothing: a segment as old as that was never shipped, and only shipping makes it go."""
    del dry_run
    stayed = []
    for segments in list_segments(spool).values():
        for path in (segment.path(spool) for segment in segments):
            if path.exists() and path.stat().st_mtime < limit.timestamp():
                stayed.append(Stayed(path.name, "not shipped: see what the shipper says", wrong=True))
    return Cleaned("spool", 0, tuple(stayed))


def spool_cleaners(spool: Path) -> tuple[Cleaner, ...]:
    """What `logstore.retention.prune` has to ask about a spool folder."""
    return Quarantine(spool).clean, functools.partial(clean_spool, spool)
