"""Whether the holds are as the audit trail says, and making them so.

In comes where the record is; out go sentences about what is not so. The rules: a hold the trail has in force keeps
every day until it is among the holds again, and is put back from its line; a release that was killed is finished; what
was copied and is there no more cannot be made again, and is told until the hold is released.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy.exc
from sqlalchemy import insert, select, update

from logstore.canonical import digest
from logstore.chaincheck import Problem
from logstore.db import StoreError, reading
from logstore.errorwords import without_rows
from logstore.holdrelease import let_go
from logstore.holds import ACTIVE, Hold, holds, in_turn, note_hold, packed, reading_holds, ready, writing_holds
from logstore.holdschema import held_row, hold
from logstore.holdtrail import PUT_BACK, Told, told
from logstore.place import Where

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def settle(where: Where, *, who: str, at: datetime) -> tuple[str, ...]:
    """Make the holds what the audit trail says; what was wrong, in words. Raises what keeps them from being used."""
    ready(where)
    done = []
    with in_turn(where):
        known = _known(where)
        for case, said in _told(where).items():
            kept = known.get(case)
            if said.released is not None:
                if kept is not None and kept.state == ACTIVE:
                    let_go(where, kept, who=said.released[0], at=said.released[1])
                continue
            why = _missing(said, kept)
            if why is not None and said.filter is not None:
                _put_back(where, said, kept, why, who=who, at=at)
                done.append(f"{why}; it was put back. `schoolgate hold check {case}` says whether rows are lost")
    return tuple(done)


def missing(where: Where) -> tuple[str, ...]:
    """Holds the audit trail has in force that are not among the holds, or not on the rows they were placed on."""
    said = _told(where)
    known = _known(where) if said else {}
    found = (_missing(one, known.get(case)) for case, one in said.items() if one.released is None)
    return tuple(why for why in found if why is not None)


def unlike(where: Where, case: str) -> Iterator[tuple[str, int | None]]:
    """What is wrong with the rows a hold keeps: in words, and the record where that is known."""
    said, rows, ids = _told(where).get(case), defaultdict[int, int](int), list[int]()
    marks: dict[int, Any] = {}
    for record, content, sha256, number in _rows(where, case):
        if digest(content) != sha256:
            yield "is not what was copied", record
        marks.setdefault(number, hashlib.sha256()).update(f"{record}:{sha256}\n".encode())
        rows[number] += 1
        ids.append(record)
    lots, before = ([], []) if said is None else (said.lots, said.before)
    for lot in (*lots, *before):
        there = rows.pop(lot.number, 0)
        if there >= lot.rows and marks[lot.number].hexdigest() != lot.sha256:
            yield f"the {lot.rows:,} rows copied on {lot.at:%Y-%m-%d %H:%M} UTC are not those that were copied", None
        elif there < lot.rows and lot in before:  # some may have come again, in another lot
            there = sum(lot.first <= record <= lot.last for record in ids)
        if there < lot.rows:
            yield f"{lot.rows - there:,} of {lot.rows:,} rows copied on {lot.at:%Y-%m-%d %H:%M} UTC are gone", None
    if rows and (late := _late(where, case, set(rows))):
        words = f"{sum(rows[number] for number in late):,} rows are held that the audit trail does not know"
        yield f"{words}; after a copy that was killed, `schoolgate hold copy {case}` mends that", None


def problems(where: Where) -> Iterator[Problem]:
    """Everything that is wrong with holds and their rows."""
    try:
        said, known = _told(where), _known(where)
        for case in sorted({*said, *known}):
            yield from _problems(where, case, said.get(case), known.get(case))
    except (StoreError, sqlalchemy.exc.SQLAlchemyError) as error:
        yield Problem("holds", f"cannot be read: {without_rows(error)}")


def _problems(where: Where, case: str, said: Told | None, kept: Hold | None) -> Iterator[Problem]:
    name, active = f"hold {case}", kept is not None and kept.state == ACTIVE
    if said is None:
        yield Problem(name, "the audit trail does not know it")
    elif said.released is None and (why := _missing(said, kept)) is not None:
        yield Problem(name, why.removeprefix(f"{name} "))
    elif said.released is not None and active:
        yield Problem(name, "the audit trail says that it was released; the next run of retention finishes it")
    if active:
        yield from (Problem(name, what, record=record) for what, record in unlike(where, case))


def _missing(said: Told, kept: Hold | None) -> str | None:
    name = f"hold {said.case}"
    if kept is None:
        return f"{name} is in force by the audit trail, and not among the holds"
    if kept.state != ACTIVE:
        return f"{name} is in force by the audit trail, and {kept.state} among the holds"
    if said.filter not in (None, packed(kept.wanted)):
        return f"{name} is not on the rows it was placed on"
    return None


def _put_back(where: Where, said: Told, kept: Hold | None, why: str, *, who: str, at: datetime) -> None:
    note_hold(where, who=who, what=PUT_BACK, case=said.case, after={"found": why}, why="the audit trail has it", at=at)
    values: dict[str, Any] = {
        "reason": said.why,
        "filter": said.filter,
        "state": ACTIVE,
        "placed_by": said.by,
        "placed_us": _us(said.at),
        "review_us": _us(said.review),
    }
    gone = ("copied_us", "error", "signed_by", "signed_us", "signed_why", "released_by", "released_us", "released_rows")
    values |= dict.fromkeys(gone)
    with writing_holds(where) as engine, engine.begin() as connection:
        if kept is None:
            connection.execute(insert(hold).values(case_ref=said.case, **values))
        else:
            connection.execute(update(hold).where(hold.c.id == kept.id).values(**values))


def _rows(where: Where, case: str) -> Iterator[tuple[int, str, str, int]]:
    """Id, text, hash and lot of the rows a hold keeps, by id."""
    columns = (held_row.c.record_id, held_row.c.content, held_row.c.sha256, held_row.c.copied_us)
    query = select(*columns).join(hold).where(hold.c.case_ref == case).order_by(held_row.c.record_id).limit(2_000)
    last = -1
    with reading_holds(where) as connection:
        while connection is not None:
            found = connection.execute(query.where(held_row.c.record_id > last)).all()
            yield from (tuple(row) for row in found)
            if len(found) < 2_000:
                return
            last = found[-1].record_id


def _late(where: Where, case: str, lots: set[int]) -> set[int]:
    """Those of `lots` whose line has not come either by now: nobody copies while it is asked."""
    with in_turn(where):
        said = _told(where).get(case)
    return lots - {lot.number for lot in said.lots} if said is not None else lots


def _told(where: Where) -> dict[str, Told]:
    with reading(where) as catalog:
        return told(catalog)


def _known(where: Where) -> dict[str, Hold]:
    return {one.case: one for one in holds(where, released=True)}


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
