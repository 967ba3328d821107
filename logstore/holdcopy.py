"""Rows of a hold are copied to a place of their own, names and all.

In come where the record is and a hold, or a day that retention is about to drop; out goes how many rows are new. The
rules: copying again adds what is missing and changes nothing; rows are read a few thousand at a time, and written in
lots, each with its line in the audit trail; what cannot be copied keeps its day from being dropped, and so does a hold
the trail has and the holds have not; a hold that is released meanwhile takes no more rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from logstore.canonical import canonical, digest, row_of
from logstore.db import StoreError, reading
from logstore.errorwords import without_rows
from logstore.filter import LogFilter
from logstore.holdproof import missing
from logstore.holds import (
    ACTIVE,
    Hold,
    HoldRefused,
    change,
    find,
    find_active,
    holds,
    holds_path,
    in_turn,
    note_hold,
    reading_holds,
    ready,
    writing_holds,
)
from logstore.holdschema import held_row, hold
from logstore.holdtrail import COPIED, mark_of, told
from logstore.ids import id_range
from logstore.matching import matches
from logstore.place import Where, catalog_of
from logstore.query import Archive
from logstore.rows import Row

ROWS = 2_000
"""Rows read, and written, at a time."""
PATIENCE = 24 * 3600.0
"""Longest time one copy may take, seconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (1 << 63) - 1
LOT = 10_000
"""Rows in a lot at most; others wait for about a second while one is written."""
_INSERT = "INSERT INTO held_row (hold_id, record_id, content, sha256, copied_us) VALUES ({}) ON CONFLICT "
_AGAIN = (
    "(hold_id, record_id) DO UPDATE SET content = excluded.content, sha256 = excluded.sha256, "
    "copied_us = excluded.copied_us WHERE held_row.copied_us IN ({})"
)
"""A lot without a line is of a copy that was killed: its rows are copied anew."""


class NotCopied(StoreError):
    """Rows of a hold could not be copied; the day they are in stays."""


def copy_hold(where: Where, kept: Hold, *, who: str, at: datetime) -> int:
    """Copy every row the hold wants that is in the store and not copied yet; how many were new.

    Raises what keeps it from being finished; that is noted with the hold, which is in force all the same. Raises
    `HoldRefused` when the hold is released meanwhile.
    """
    change(where, kept.id, copied_us=None)  # until it is done; who is killed meanwhile leaves it to retention
    try:
        with Archive(where, seconds=PATIENCE) as archive, writing_holds(where) as engine:
            found = archive.walk(kept.wanted, rising=True, limit=ROWS)
            new = sum(_lots(where, engine, kept, found, (-1, _LAST), who, at, lambda: in_turn(where)))
    except Exception as error:
        change(where, kept.id, error=without_rows(error))
        raise
    find_active(where, kept.case)
    change(where, kept.id, copied_us=_us(at), error=None)
    return new


def copy_due(where: Where, *, who: str, at: datetime) -> tuple[str, ...]:
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


def copy_day(where: Where, day: date, at: datetime, *, who: str = "retention") -> int:
    """Copy what holds want of one UTC day, which is about to be dropped; how many rows were new.

    Of a folder (or a catalog that is one) its lock is the caller's. Raises `NotCopied` when a row could not be: then
    the day must stay.
    """
    start = int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000
    first, past = id_range(start, start + 86_400_000_000)
    new = 0
    turn = nullcontext if isinstance(catalog_of(where), Path) else (lambda: in_turn(where))
    try:
        if lost := missing(where):
            raise HoldRefused(lost[0])
        for kept in holds(where):
            with Archive(where, seconds=PATIENCE) as archive, writing_holds(where) as engine:
                found = archive.walk(kept.wanted, first, past, rising=True, limit=ROWS)
                new += sum(_lots(where, engine, kept, found, (first, past), who, at, turn))
    except Exception as error:
        why = f"rows of a hold cannot be copied: {without_rows(error)}"
        raise NotCopied(
            why, holds_path(where) if isinstance(where, Path) else where, "The day stays until they can be."
        ) from error
    return new


def held_rows(
    where: Where, kept: Hold, wanted: LogFilter | None = None, *, before: int = _LAST, after: int = -1,
    rising: bool = False,
) -> Iterator[Row]:  # fmt: skip
    """Rows a hold keeps with `after` < id < `before`, newest first; only those `wanted`, too, when it is given."""
    for _, content, _ in held_contents(where, kept, before=before, after=after, rising=rising):
        row = row_of(content)
        if wanted is None or matches(wanted, row):
            yield row


def held_contents(
    where: Where, kept: Hold, *, before: int = _LAST, after: int = -1, rising: bool = False
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


def altered(where: Where, kept: Hold) -> tuple[int, ...]:
    """Records whose copy is not what was copied any more."""
    return tuple(number for number, content, mark in held_contents(where, kept, rising=True) if digest(content) != mark)


def _lots(
    where: Where,
    engine: Engine,
    kept: Hold,
    rows: Iterable[Row],
    ids: tuple[int, int],
    who: str,
    at: datetime,
    turn: Callable[[], AbstractContextManager[None]],
) -> Iterator[int]:
    """Copy `rows`, whose ids lie between `ids`, lot by lot; how many were new in each. Ends when the hold is released.

    A lot and its line are written while nobody else writes one (`turn`), so a lot without a line is of one who died.
    """
    killed: frozenset[int] | None = None
    for part in itertools.batched(rows, LOT, strict=False):
        values = [(row.id, content := canonical(row), digest(content)) for row in part]
        with turn():
            with reading(where) as catalog:
                said = told(catalog, kept.case).get(kept.case)
            lots = {lot.number for lot in (*said.lots, *said.before)} if said is not None else set()
            if killed is None:
                killed = frozenset(_numbers(engine, kept, ids) - lots)
            number = max((_us(at), *(one + 1 for one in (*lots, *killed))))
            written = _write(engine, kept, values, number, killed)
            if written is None:
                return
            if written:
                after = {"lot": number, "new": len(written), "rows": find(where, kept.case).rows} | {
                    "first": str(written[0][0]),
                    "last": str(written[-1][0]),
                    "sha256": mark_of(written),
                }
                note_hold(where, who=who, what=COPIED, case=kept.case, after=after, why="hold", at=at)
        yield len(written)


def _numbers(engine: Engine, kept: Hold, ids: tuple[int, int]) -> set[int]:
    """The lots a hold has rows of."""
    query = select(held_row.c.copied_us).distinct().where(held_row.c.hold_id == kept.id)
    with engine.connect() as connection:
        return set(connection.execute(query.where(held_row.c.record_id.between(*ids))).scalars())


def _write(
    engine: Engine, kept: Hold, values: Sequence[tuple[int, str, str]], number: int, killed: Iterable[int]
) -> list[tuple[int, str]] | None:
    """Write rows that are not there yet as one lot; their ids and hashes. None when the hold is released."""
    again = _AGAIN.format(", ".join(map(str, sorted(killed)))) if killed else "DO NOTHING"
    insert = _INSERT.format(", ".join(["?" if engine.dialect.name == "sqlite" else "%s"] * 5)) + again
    lot = select(held_row.c.record_id, held_row.c.sha256).order_by(held_row.c.record_id).where(
        held_row.c.hold_id == kept.id,
        held_row.c.record_id.between(values[0][0], values[-1][0]),
        held_row.c.copied_us == number,
    )  # fmt: skip
    with engine.begin() as connection:
        if connection.execute(select(hold.c.state).where(hold.c.id == kept.id)).scalar() != ACTIVE:
            return None
        connection.exec_driver_sql(insert, [(kept.id, *value, number) for value in values])
        return [(row.record_id, row.sha256) for row in connection.execute(lot)]


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
