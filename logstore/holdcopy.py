"""Rows of a hold are copied to a place of their own, names and all.

In come where the record is and a hold, or a day that retention is about to drop; out goes how many rows are new. The
rules: copying again adds what is missing and changes nothing; rows are read and written a few thousand at a time; what
cannot be copied keeps its day from being dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from logstore.canonical import canonical, digest, row_of
from logstore.db import StoreError
from logstore.filter import LogFilter
from logstore.holds import Hold, change, find, holds, holds_path, note_hold, reading_holds, ready, writing_holds
from logstore.holdschema import held_row
from logstore.ids import id_range
from logstore.matching import matches
from logstore.place import Beside
from logstore.query import Archive
from logstore.rows import Row

ROWS = 2_000
"""Rows read, and written, at a time."""
PATIENCE = 24 * 3600.0
"""Longest time one copy may take, seconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (1 << 63) - 1
_INSERT = "INSERT INTO held_row (hold_id, record_id, content, sha256, copied_us) VALUES ({}) ON CONFLICT DO NOTHING"


class NotCopied(StoreError):
    """Rows of a hold could not be copied; the day they are in stays."""


def copy_hold(where: Beside, kept: Hold, *, who: str, at: datetime) -> int:
    """Copy every row the hold wants that is in the store and not copied yet; how many were new.

    Raises what keeps it from being finished; that is noted with the hold, which is in force all the same.
    """
    try:
        with Archive(where, seconds=PATIENCE) as archive, writing_holds(where) as engine:
            new = _copy(engine, kept, archive.walk(kept.wanted, rising=True, limit=ROWS), at)
    except Exception as error:
        change(where, kept.id, error=_in_words(error))
        raise
    change(where, kept.id, copied_us=_us(at), error=None)
    if new:
        total = find(where, kept.case).rows
        note_hold(
            where, who=who, what="copied rows", case=kept.case, after={"new": new, "rows": total}, why="hold", at=at
        )
    return new


def copy_due(where: Beside, *, who: str, at: datetime) -> tuple[str, ...]:
    """Finish copies that were not; the cases that could not be. Retention asks first thing."""
    failed = []
    ready(where)
    for kept in holds(where):
        if kept.copied_at is None or kept.error is not None:
            try:
                copy_hold(where, kept, who=who, at=at)
            except Exception:  # noted with the hold; the day stays, and the alarm is on
                failed.append(kept.case)
    return tuple(failed)


def copy_day(where: Beside, day: date, at: datetime) -> int:
    """Copy what holds want of one UTC day, which is about to be dropped; how many rows were new.

    Raises `NotCopied` when one of them could not be: then the day must stay.
    """
    start = int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000
    first, past = id_range(start, start + 86_400_000_000)
    new = 0
    if isinstance(where, Path) and not holds_path(where).is_file():
        return 0
    try:
        for kept in holds(where):
            with Archive(where, seconds=PATIENCE) as archive, writing_holds(where) as engine:
                new += _copy(engine, kept, archive.walk(kept.wanted, first, past, rising=True, limit=ROWS), at)
    except Exception as error:
        why = f"rows of a hold cannot be copied: {_in_words(error)}"
        raise NotCopied(
            why, holds_path(where) if isinstance(where, Path) else where, "The day stays until they can be."
        ) from error
    return new


def held_rows(
    where: Beside, kept: Hold, wanted: LogFilter | None = None, *, before: int = _LAST, after: int = -1,
    rising: bool = False,
) -> Iterator[Row]:  # fmt: skip
    """Rows a hold keeps with `after` < id < `before`, newest first; only those `wanted`, too, when it is given."""
    for _, content, _ in held_contents(where, kept, before=before, after=after, rising=rising):
        row = row_of(content)
        if wanted is None or matches(wanted, row):
            yield row


def held_contents(
    where: Beside, kept: Hold, *, before: int = _LAST, after: int = -1, rising: bool = False
) -> Iterator[tuple[int, str, str]]:
    """Id, canonical text and hash of rows a hold keeps, a few thousand read at a time."""
    columns = (held_row.c.record_id, held_row.c.content, held_row.c.sha256)
    query = select(*columns).where(held_row.c.hold_id == kept.id).limit(ROWS)
    query = query.order_by(held_row.c.record_id.asc() if rising else held_row.c.record_id.desc())
    with reading_holds(where) as connection:
        # By key, each part a statement of its own: whoever reads slowly keeps no transaction of a database open.
        while connection is not None:
            part = query.where(held_row.c.record_id > after, held_row.c.record_id < before)
            found = connection.execute(part).all()
            yield from ((row.record_id, row.content, row.sha256) for row in found)
            if len(found) < ROWS:
                return
            before, after = (before, found[-1].record_id) if rising else (found[-1].record_id, after)


def altered(where: Beside, kept: Hold) -> tuple[int, ...]:
    """Records whose copy is not what was copied any more."""
    return tuple(number for number, content, mark in held_contents(where, kept, rising=True) if digest(content) != mark)


def _copy(engine: Engine, kept: Hold, rows: Iterable[Row], at: datetime) -> int:
    new, mark = 0, "?" if engine.dialect.name == "sqlite" else "%s"
    insert = _INSERT.format(", ".join([mark] * 5))
    for part in itertools.batched(rows, ROWS, strict=False):
        values = []
        for row in part:
            content = canonical(row)
            values.append((kept.id, row.id, content, digest(content), _us(at)))
        with engine.begin() as connection:
            new += connection.exec_driver_sql(insert, values).rowcount
    return new


def _in_words(error: Exception) -> str:
    """What went wrong, without the rows a database error shows."""
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"[:500]


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
