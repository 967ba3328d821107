"""Closed days are sealed: packed, hashed, made read-only, and written into the books.

In comes the store's folder and the moment; out goes what was sealed and what stayed open, with the reason. The rule: a
kill after any step loses nothing, and the next run finishes. The steps: a packed copy is made beside the day and
checked (rows still come in meanwhile); then, while nobody writes, the day's log is emptied into its file, the copy's
hash goes into the catalog and the audit trail in one transaction, and the copy takes the day's name. Until that last
rename the old file holds the very same rows. Rows that come later go into a part of their own (`logstore.store`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Engine, select, update

from logstore import filecheck
from logstore.batches import End, adopt, end_of, has_chain
from logstore.db import (
    SEALING,
    StoreError,
    days_folder,
    files_of,
    open_catalog,
    open_writer,
    reading,
    reading_file,
    sync_folder,
    write_lock,
)
from logstore.errorwords import without_rows
from logstore.evidence import SEALED, note, told
from logstore.packing import pack
from logstore.schema import day_file

AFTER = timedelta(hours=3)
"""How long after its end a UTC day is sealed: by then what a gateway still had to say has mostly come."""
ROOM = 1.2
"""Free disk a copy needs, as a multiple of the file."""
MOST_TOLD = 20
"""Problems of one day that the audit trail repeats."""
WAIT_MS = 2_000
"""How long a day's readers are waited for while nobody can write."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A day file that was sealed."""

    file: str
    """Its name."""
    rows: int
    """Rows in it."""
    min_id: int | None
    """Lowest record id."""
    max_id: int | None
    """Highest record id."""
    bytes: int
    """Its size."""
    was: int
    """Its size before."""
    sha256: str
    """Its hash."""
    batches: int
    """Batches of its chain."""
    mark: str
    """Mark of the last of them."""
    problems: tuple[str, ...] = ()
    """What was found wrong with it; it is sealed all the same, as it is."""

    def as_json(self) -> dict[str, Any]:
        """For the audit trail and `--json`; record ids as text, because JSON's numbers are too short for them."""
        ids = {name: None if value is None else str(value) for name, value in self._ids().items()}
        return asdict(self) | ids | {"problems": list(self.problems)}

    def _ids(self) -> dict[str, int | None]:
        return {"min_id": self.min_id, "max_id": self.max_id}


@dataclass(frozen=True, slots=True)
class SealRun:
    """One run."""

    sealed: tuple[Sealed, ...]
    """What was sealed."""
    stayed: dict[str, str]
    """What should have been and was not, by file, and why."""

    @property
    def ok(self) -> bool:
        """Whether every closed day is sealed, and was whole."""
        return not self.stayed and not any(one.problems for one in self.sealed)


def seal(folder: Path, now: datetime, *, after: timedelta = AFTER, who: str = "sealing", why: str = "daily") -> SealRun:
    """Finish what a kill left, then seal every UTC day that ended `after` ago or earlier. `now` is aware."""
    finish(folder)
    engine = open_catalog(folder)
    done: list[Sealed] = []
    stayed: dict[str, str] = {}
    for file in due(folder, now, after):
        try:
            done.append(_seal_file(folder, engine, file, now, who, why))
        except (OSError, StoreError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError) as error:
            copy = days_folder(folder) / f"{SEALING}{file}"
            if not _in_books(folder, file):
                copy.unlink(missing_ok=True)
            stayed[file] = without_rows(error)
    return SealRun(tuple(done), stayed)


def due(folder: Path, now: datetime, after: timedelta = AFTER) -> list[str]:
    """Day files that should be sealed by now."""
    with reading(folder) as catalog:
        found = catalog.execute(
            select(day_file.c.file, day_file.c.day).where(day_file.c.state == "open").order_by(day_file.c.file)
        ).all()
    return [file for file, day in found if _ended(day) + after <= now and (days_folder(folder) / file).is_file()]


def finish(folder: Path) -> tuple[str, ...]:
    """Put sealed copies in place whose rename a kill prevented, and remove copies that never got into the books."""
    put = []
    with write_lock(folder):
        for copy in sorted(days_folder(folder).glob(f"{SEALING}*")):
            file = copy.name.removeprefix(SEALING)
            if (sha256 := _in_books(folder, file)) is not None and filecheck.sha256_of(copy) == sha256:
                _put_in_place(copy, days_folder(folder) / file)
                put.append(file)
            else:
                copy.unlink()
    return tuple(put)


def _seal_file(folder: Path, engine: Engine, file: str, now: datetime, who: str, why: str) -> Sealed:
    path = days_folder(folder) / file
    copy = path.with_name(SEALING + file)
    _take_under_chain(folder, engine, file, now)
    _copy(path, copy)
    seen = _look(folder, path, copy)
    with write_lock(folder):
        if _end(path, file) != _end(copy, file):  # rows came in meanwhile; now none can
            _copy(path, copy)
            seen = _look(folder, path, copy)
        _empty_log(path)
        _enter(engine, seen, now, who, why)
        _put_in_place(copy, path)
    return seen


def _take_under_chain(folder: Path, engine: Engine, file: str, now: datetime) -> None:
    """Rows from before there was a chain come under it, or sealing would be the end of that."""
    path = days_folder(folder) / file
    with reading_file(path) as day:
        if not has_chain(day):
            raise StoreError("has the schema of an older release", path, "Run `schoolgate db upgrade`.")
        if end_of(day, file).number:
            return
    writer = open_writer(path)
    with write_lock(folder), engine.begin() as catalog, writer.begin() as day:
        if adopt(day, catalog, file, _us(now)):
            end = end_of(day, file)
            known = update(day_file).where(day_file.c.file == file)
            catalog.execute(known.values(batches=end.number, mark=end.mark.hex()))
    writer.dispose()


def _copy(path: Path, copy: Path) -> None:
    """The day, packed, on the disk."""
    copy.unlink(missing_ok=True)
    size = sum(part.stat().st_size for part in files_of(path)[:2] if part.exists())
    free = shutil.disk_usage(path.parent).free
    if free < size * ROOM:
        needs = f"needs {size * ROOM / 1e9:.1f} GB to be sealed, {free / 1e9:.1f} GB are free"
        raise StoreError(needs, path, "Make room.")
    pack(path, copy)
    copy.chmod(0o400)
    handle = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _look(folder: Path, path: Path, copy: Path) -> Sealed:
    """What the copy holds, and whether it is what was written."""
    with reading(folder) as catalog:
        batches, mark = catalog.execute(
            select(day_file.c.batches, day_file.c.mark).where(day_file.c.file == path.name)
        ).one()
        ends = told(catalog).ends.get(path.name, ())
        marks = [(number, seen, f"line {line} of the audit trail") for number, seen, line in ends]
        if batches is not None:
            marks.append((batches, mark, "the catalog"))
        wrong = [str(problem) for problem in islice(filecheck.problems(copy, catalog, known=marks), MOST_TOLD)]
    with reading_file(copy) as day:
        rows, first, last = day.exec_driver_sql("SELECT count(*), min(id), max(id) FROM log").one()
        end = end_of(day, path.name)
    return Sealed(
        file=path.name,
        rows=rows,
        min_id=first,
        max_id=last,
        bytes=copy.stat().st_size,
        was=path.stat().st_size,
        sha256=filecheck.sha256_of(copy),
        batches=end.number,
        mark=end.mark.hex(),
        problems=tuple(wrong),
    )


def _end(path: Path, file: str) -> End:
    with reading_file(path) as day:
        return end_of(day, file)


def _empty_log(path: Path) -> None:
    """Bring everything in the write-ahead log into the file: beside the sealed file it would be read into that."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as day:
        day.execute(f"PRAGMA busy_timeout={WAIT_MS}")
        busy, *_ = day.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError("is being read", path, "It is sealed when nobody reads it.")


def _enter(engine: Engine, seen: Sealed, now: datetime, who: str, why: str) -> None:
    """Into the books: from here on the day is sealed, and late rows go elsewhere."""
    facts = {name: getattr(seen, name) for name in ("rows", "min_id", "max_id", "bytes", "sha256", "batches", "mark")}
    with engine.begin() as catalog:
        open_one = update(day_file).where(day_file.c.file == seen.file, day_file.c.state == "open")
        if not catalog.execute(open_one.values(state="sealed", changed_us=_us(now), **facts)).rowcount:
            raise StoreError("is not open any more", Path(seen.file), "Nothing is to be done.")
        note(catalog, SEALED, seen.file, seen.as_json(), who=who, why=why, at=now)


def _put_in_place(copy: Path, path: Path) -> None:
    copy.replace(path)
    for beside in files_of(path)[1:3]:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _in_books(folder: Path, file: str) -> str | None:
    """The hash a file is sealed with; None when it is not sealed."""
    with reading(folder) as catalog:
        sealed = select(day_file.c.sha256).where(day_file.c.file == file, day_file.c.state == "sealed")
        return catalog.execute(sealed).scalar()


def _ended(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
