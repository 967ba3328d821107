"""Days that are not there and should be, or are there and should not; and days that went before their time.

In come what the catalog and the audit trail say of day files, and the folder they lie in; out come problems. The rule:
only the trail, the clock and the files themselves are believed. What the catalog says of a run of retention is in no
chain, so it excuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from logstore import evidence
from logstore.calendar import months_before
from logstore.chaincheck import Problem
from logstore.db import days_folder
from logstore.schema import day_file

GOING = ("dropping", "dropped")
"""States of a day that retention has begun to remove."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog says of a day file; fields are those of `logstore.schema.day_file`."""

    file: str
    """Its name, which begins with its UTC day."""
    day: str
    """The day searches look for it by."""
    state: str
    """open, sealed, dropping or dropped."""
    rows: int
    """Rows in it."""
    sha256: str | None
    """Hash it was sealed with."""
    batches: int | None
    """End of its chain, as far as the catalog heard."""
    mark: str | None
    """Mark of that end."""
    verified_us: int | None
    """When it was last found whole; microseconds since 1970."""
    min_id: int | None
    """Lowest record id."""
    max_id: int | None
    """Highest record id."""


def gaps(
    folder: Path, catalog: Connection, known: Sequence[Known], told: evidence.Told, *,
    day: str | None, months: int, now: datetime | None,
) -> Iterator[Problem]:  # fmt: skip
    """What is wrong; `known` and `told` are of one moment.

    `day`: only that UTC day's files. `months`: how long rows live at least. `now` is aware; without it no
    day is due, and the time of every line is taken as it is.
    """
    by_file = {one.file: one for one in known}
    for file in sorted({*by_file, *told.files()}):
        if day not in (None, file[:10]):
            continue
        if (one := by_file.get(file)) is None:
            yield Problem(file, "the audit trail knows it, the catalog does not")
            continue
        if one.day != file[:10]:
            yield Problem(file, f"the catalog says it is of {one.day}; searches by time miss it")
        there = (days_folder(folder) / file).is_file()
        if one.state not in GOING and not there:
            if not _began(catalog, file):
                yield Problem(file, "the file is missing, and nothing says that retention removed it")
        elif one.state == "dropped" and there:
            yield Problem(file, "retention removed it, and it is there again")
        elif one.state == "dropping" and (now is None or not may_go(file[:10], now, months)):
            yield Problem(file, "the catalog says that retention removes it, but it is not due")
        elif one.state == "dropped" and (one.batches or file in told.files()) and file not in told.removed:
            yield Problem(file, "the catalog says that retention removed it, but the audit trail does not")
        yield from too_early(file, file[:10], told, months, now)
        if file in told.removed and file in told.sealed:
            was, gone = told.sealed[file]["sha256"], told.removed[file].get("sha256")
            if was != gone:
                yield Problem(file, f"was sealed with {was}, and removed with {gone}")
    for path in sorted(days_folder(folder).glob("[0-9]*.db")):
        if path.name not in by_file and day in (None, path.name[:10]):
            yield Problem(path.name, "is not in the catalog: it was put there behind the record's back")


def _began(catalog: Connection, file: str) -> bool:
    """Whether retention has begun to remove it since; the next look sees what it says of it."""
    state = catalog.execute(select(day_file.c.state).where(day_file.c.file == file)).scalar()
    return state in GOING


def too_early(file: str, day: str, told: evidence.Told, months: int, now: datetime | None) -> Iterator[Problem]:
    """Whether the trail says that a file of `day` was removed before its time, or at one that is yet to come."""
    at = told.removed_at.get(file)
    if at is None:
        return
    if not may_go(day, at, months):
        yield Problem(file, f"was removed on {at:%Y-%m-%d}, before it was {months} months old")
    elif now is not None and at > now + timedelta(days=1):
        yield Problem(file, f"was removed on {at:%Y-%m-%d}, which is yet to come: the clock was wrong, or the line is")


def may_go(day: str, at: datetime, months: int) -> bool:
    """Whether a day was old enough to go, in any time zone: a day's difference is none."""
    ended = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)
    limit = months_before(at.astimezone(UTC).date() + timedelta(days=1), months)
    return ended <= datetime.combine(limit, time(), UTC)
