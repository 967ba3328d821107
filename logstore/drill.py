"""A restore, practised: the newest copy is put back aside, and looked at as if lessons depended on it.

In come a copy and an empty place; out goes a report, and a cleaner for the daily retention. The rule: nothing of the
store in use is touched, and the place is empty again afterwards, because what is in it names people; a killed drill
leaves a place without a lock, which the next drill and the next night clear. A copy that was never restored is a hope.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from logstore.backup import Made, made_of, restore
from logstore.copies import lines_of
from logstore.db import StoreError, reading
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.prunereport import Cleaned, Cleaner, Stayed
from logstore.query import Archive
from logstore.verify import verify

BEGAN = "began to practise a restore"
"""How the audit trail calls a drill that is about to be; its line says where."""
AT_WORK = "drill.lock"
"""File of a drill's place that is locked as long as it lasts."""
STORE = "store"
"""Folder of a drill's place that the copy is put back into."""


@dataclass(frozen=True, slots=True)
class Drill:
    """One restore that was practised."""

    copy: str
    """Which copy."""
    made: str
    """When it was made; ISO 8601, empty when it does not say."""
    rows: int
    """Rows that were put back and found whole."""
    seconds: float
    """How long it took until they could be searched."""
    problems: tuple[str, ...]
    """What went wrong; nothing when a restore would have worked."""

    @property
    def ok(self) -> bool:
        """Whether a restore would have worked."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For the audit trail and `--json`."""
        return {"ok": self.ok, **asdict(self), "problems": list(self.problems)}


def drill(copy: Path, aside: Path) -> Drill:
    """Restore `copy` into `aside`, check it, and clear it away again.

    `aside` must not be there, or be empty, or be what a drill left that was killed.
    """
    begin, made = time.monotonic(), made_of(copy)
    told = "" if made is None else made.at.isoformat()
    if why := _taken(aside):
        return Drill(str(copy), told, 0, 0.0, (why,))
    rows, problems = 0, []
    try:
        with _at_work(aside):
            rows = restore(copy, aside / STORE).rows
            problems += [str(problem) for problem in verify(aside / STORE, kept=kept_by(made), deep=True).problems]
            if made is not None and made.rows != rows:
                problems.append(f"{rows} rows came back, {made.rows} were copied")
            problems += searched(aside / STORE, rows)
    except (StoreError, OSError) as error:
        problems.append(str(error))
    seconds = time.monotonic() - begin
    return Drill(str(copy), told, rows, seconds, tuple(problems))


def left_in(aside: Path) -> bool:
    """Whether a drill that was killed left something in its place. Raises `OSError`."""
    try:
        with (aside / AT_WORK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except (FileNotFoundError, NotADirectoryError, BlockingIOError):
        return False


def drill_cleaner(store: Path) -> Cleaner:
    """A cleaner for `logstore.retention.prune`: clears the places that killed drills left."""

    def drills(limit: datetime, dry_run: bool) -> Cleaned:
        del limit  # a drill never keeps anything
        with reading(store) as catalog:
            places = {str(line.after["aside"]) for line in lines_of(catalog, BEGAN) if isinstance(line.after, dict)}
        left, stayed = 0, []
        for place in sorted(places):
            try:
                if left_in(Path(place)):
                    left += 1
                    if not dry_run:
                        _clear(Path(place))
            except OSError as error:
                stayed.append(Stayed(place, f"a drill's copy could not be removed: {error.strerror}", wrong=True))
        return Cleaned("drills", left - len(stayed), tuple(stayed))

    return drills


def _taken(aside: Path) -> str | None:
    """Why `aside` cannot be used, after what a killed drill left in it was cleared away; None when it can."""
    try:
        if left_in(aside):
            _clear(aside)
    except OSError as error:
        return f"{aside} could not be cleared away: {error.strerror}"
    if aside.exists() and (not aside.is_dir() or any(aside.iterdir())):
        return f"{aside} is there already; name a place that is not"
    return None


@contextlib.contextmanager
def _at_work(aside: Path) -> Iterator[None]:
    """Have `aside` to oneself; empty and gone afterwards, whatever happens."""
    aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside.chmod(0o700)
    with (aside / AT_WORK).open("xb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            _clear(aside)


def _clear(aside: Path) -> None:
    if (aside / STORE).exists():
        shutil.rmtree(aside / STORE)
    (aside / AT_WORK).unlink()
    aside.rmdir()


def kept_by(made: Made | None) -> tuple[int, str] | None:
    """The head that a copy says its audit trail had."""
    number, _, mark = ("" if made is None else made.head).partition(":")
    return (int(number), mark) if number.isdigit() and int(number) else None


def searched(where: Path | Database, rows: int) -> Iterator[str]:
    """What people would do first: look at the newest rows, then for those of one person."""
    with Archive(where, seconds=600) as archive:
        page = archive.search(LogFilter(), 50).rows
        if bool(page) != bool(rows):
            yield f"the log page shows {len(page)} rows of {rows}"
        for row in page[:1]:
            if archive.show(row.id) != row:
                yield f"record {row.id} is not found by its id"
            if row.record.user and row.id not in [
                one.id for one in archive.search(LogFilter(user=row.record.user), 50).rows
            ]:
                yield f"record {row.id} is not found by its user"
