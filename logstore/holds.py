"""Holds: an order that some rows may not die, until two people say otherwise.

In come where the record is, a case, a filter and who decides; out go `Hold`s. The rules: a hold is in force from the
moment its line is written, whether its rows are copied yet or not, because retention asks before it drops a day
(`logstore.holdcopy`); every change is in the audit trail before it is done; one person places a hold, two release it.
Where day files, holds have a file of their own; in PostgreSQL, a schema of their own (`logstore.postgres.holds`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select, update

from logstore.audit import record_change
from logstore.db import (
    HOLDS,
    head,
    make_holds,
    open_catalog,
    open_writer,
    reading,
    reading_file,
    revision_of,
    write_lock,
)
from logstore.filter import LogFilter
from logstore.holdschema import held_row, hold
from logstore.holdtrail import PLACED, REVIEWED, Told, told
from logstore.place import Database, Where, catalog_of

ACTIVE = "active"
"""State of a hold that keeps its rows."""
RELEASED = "released"
"""State of one whose rows went."""
LONGEST_CASE = 64
"""Characters of a case reference."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("since", "until")


class HoldRefused(Exception):
    """It cannot be done. Says why, and what could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold."""

    id: int
    """Its number."""
    case: str
    """Case reference; what people call it by."""
    reason: str
    """Why; empty once it is released."""
    wanted: LogFilter
    """Which rows; everything (an empty filter) once it is released."""
    state: str
    """`active` or `released`."""
    placed_by: str
    """Who placed it."""
    placed_at: datetime
    """When."""
    review_at: datetime
    """When somebody has to look whether it is still needed."""
    copied_at: datetime | None
    """When every row there was had been copied; None when that was never finished."""
    error: str | None
    """Why the latest copy was not finished."""
    rows: int
    """Rows it keeps; once it is released, rows it kept."""
    signed_by: str | None
    """Who signed its release first."""
    signed_at: datetime | None
    """When."""
    released_by: str | None
    """Who signed second."""
    released_at: datetime | None
    """When its rows went."""

    def review_due(self, at: datetime) -> bool:
        """Whether somebody should have looked by now."""
        return self.state == ACTIVE and self.review_at <= at


def holds_path(folder: Path) -> Path:
    """The file of holds of the store in a folder; there is none before the first hold."""
    return folder / HOLDS


@contextmanager
def writing_holds(where: Where) -> Iterator[Engine]:
    """A writing engine on the holds, made or brought to the newest schema first."""
    engine = _open(where)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reading_holds(where: Where) -> Iterator[Connection | None]:
    """A read-only connection on the holds; None when there are none."""
    beside = catalog_of(where)
    if isinstance(beside, Database):
        from logstore.postgres.holds import reading

        with reading(beside) as connection:
            yield connection
        return
    folder = beside
    if not holds_path(folder).is_file():
        yield None
        return
    with reading_file(holds_path(folder)) as connection:
        yield connection


def ready(where: Where) -> None:
    """Bring the holds there are to the newest schema. Raises `StoreError` when they cannot be used."""
    beside = catalog_of(where)
    if isinstance(beside, Path) and holds_path(beside).exists() and revision_of(holds_path(beside)) != head("holds"):
        make_holds(beside)


def place(
    where: Where, case: str, reason: str, wanted: LogFilter, review_at: datetime, *, who: str, at: datetime
) -> Hold:
    """Put a hold in force; its rows are copied by `logstore.holdcopy`. Raises `HoldRefused`."""
    _check(case, reason, wanted, review_at, at)
    ready(where)
    values: dict[str, Any] = {
        "case_ref": case,
        "reason": reason,
        "filter": packed(wanted),
        "state": ACTIVE,
        "placed_by": who,
        "placed_us": _us(at),
        "review_us": _us(review_at),
    }
    with in_turn(where):
        said = _said(where, case)
        if any(one.case == case for one in holds(where, released=True)) or _is_another(said, values["filter"]):
            raise HoldRefused(f"there is a hold {case!r} already, or was; a case is used once: {case}-2?")
        if said is None:  # else whoever placed it was killed before it was done
            after = {"asked": wanted.sentence(), "filter": values["filter"], "review": review_at.isoformat()}
            _note(where, who, PLACED, case, after, reason, at)
        with writing_holds(where) as engine, engine.begin() as connection:
            connection.execute(hold.insert().values(**values))
    return find(where, case)


def holds(where: Where, *, released: bool = False) -> tuple[Hold, ...]:
    """Holds in force, oldest first; with `released`, all there ever were."""
    with reading_holds(where) as connection:
        return () if connection is None else _holds(connection, released)


def find(where: Where, case: str) -> Hold:
    """The hold of a case. Raises `HoldRefused`, with the nearest case, when there is none."""
    known = {one.case: one for one in holds(where, released=True)}
    if case not in known:
        close = difflib.get_close_matches(case, known, n=1)
        raise HoldRefused(f"there is no hold {case!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return known[case]


def find_active(where: Where, case: str) -> Hold:
    """The hold of a case, when it is in force. Raises `HoldRefused`."""
    found = find(where, case)
    if found.state != ACTIVE:
        raise HoldRefused(f"{case!r} was released on {found.released_at:%d %B %Y} by {found.released_by}")
    return found


def set_review(where: Where, case: str, review_at: datetime, *, who: str, why: str, at: datetime) -> Hold:
    """Somebody looked, and the hold is still needed: look again at `review_at`. Raises `HoldRefused`."""
    found = find_active(where, case)
    if review_at <= at:
        raise HoldRefused(f"{review_at:%Y-%m-%d} is not in the future; a review date is")
    if not why.strip():
        raise HoldRefused("say why it is still needed")
    after = {"review": review_at.isoformat(), "was": found.review_at.isoformat()}
    _note(where, who, REVIEWED, case, after, why, at)
    change(where, found.id, review_us=_us(review_at))
    return find(where, case)


def change(where: Where, number: int, **values: object) -> None:
    """Write columns of one hold."""
    with writing_holds(where) as engine, engine.begin() as connection:
        connection.execute(update(hold).where(hold.c.id == number).values(**values))


def note_hold(where: Where, *, who: str, what: str, case: str, after: object, why: str, at: datetime) -> None:
    """A line in the audit trail about a hold. Raises what keeps it from being written."""
    _note(where, who, what, case, after, why, at)


def _open(where: Where) -> Engine:
    beside = catalog_of(where)
    if isinstance(beside, Database):
        from logstore.postgres.holds import open_holds

        return open_holds(beside)
    path = holds_path(beside)
    if not path.exists() or revision_of(path) != head("holds"):
        make_holds(beside)
    return open_writer(path)


def in_turn(where: Where) -> AbstractContextManager[None]:
    """Let a line of the audit trail and what it says be one: nobody else changes holds or drops a day meanwhile."""
    beside = catalog_of(where)
    if isinstance(beside, Database):
        from logstore.postgres.holds import one_at_a_time

        return one_at_a_time(beside)
    return write_lock(beside)


def _said(where: Where, case: str) -> Told | None:
    with reading(where) as catalog:
        return told(catalog, case).get(case)


def _is_another(said: Told | None, wanted: str) -> bool:
    """Whether the trail has a hold of the case that was released, or is on other rows."""
    return said is not None and (said.released is not None or said.filter != wanted)


def _check(case: str, reason: str, wanted: LogFilter, review_at: datetime, at: datetime) -> None:
    if not case.strip() or len(case) > LONGEST_CASE or not case.isprintable() or case != case.strip():
        raise HoldRefused(f"{case!r} is no case reference; it would be like CASE-2026-014, at most {LONGEST_CASE} long")
    if not reason.strip():
        raise HoldRefused("a hold needs a reason")
    if review_at <= at:
        raise HoldRefused(f"{review_at:%Y-%m-%d} is not in the future; a review date is")
    named = [field.name for field in fields(wanted) if field.name not in {*_TIMES, "without"}]
    if not any(value.strip() if isinstance(value := getattr(wanted, name), str) else value for name in named):
        raise HoldRefused("that would keep everybody's rows; say whose, or which: --user, --device, --host, --text …")


def _note(where: Where, who: str, what: str, case: str, after: object, why: str, at: datetime) -> None:
    engine = open_catalog(where)
    try:
        with engine.begin() as catalog:
            record_change(catalog, who=who, what=what, subject=case, after=after, why=why, at=at, kind="hold")
    finally:
        engine.dispose()


def _holds(connection: Connection, released: bool) -> tuple[Hold, ...]:
    counted = connection.execute(select(held_row.c.hold_id, func.count()).group_by(held_row.c.hold_id))
    kept: dict[int, int] = {number: rows for number, rows in counted}  # noqa: C416
    query = select(hold).order_by(hold.c.id)
    if not released:
        query = query.where(hold.c.state == ACTIVE)
    return tuple(
        Hold(
            id=row["id"],
            case=row["case_ref"],
            reason=row["reason"],
            wanted=_unpacked(row["filter"]),
            state=row["state"],
            placed_by=row["placed_by"],
            placed_at=_time(row["placed_us"]),
            review_at=_time(row["review_us"]),
            copied_at=None if row["copied_us"] is None else _time(row["copied_us"]),
            error=row["error"],
            rows=kept.get(row["id"], 0) if row["released_rows"] is None else row["released_rows"],
            signed_by=row["signed_by"],
            signed_at=None if row["signed_us"] is None else _time(row["signed_us"]),
            released_by=row["released_by"],
            released_at=None if row["released_us"] is None else _time(row["released_us"]),
        )
        for row in connection.execute(query).mappings()
    )


def packed(wanted: LogFilter) -> str:
    """A filter as text, always the same."""
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    # What is left out is only said where something is: filters packed before it was known stay what they were.
    said = {name: value for name, value in values.items() if value is not None and value != ()}
    return json.dumps(said, default=lambda moment: moment.isoformat(), sort_keys=True)


def _unpacked(text: str) -> LogFilter:
    said: dict[str, Any] = json.loads(text)
    known = {field.name for field in fields(LogFilter)}
    values: dict[str, Any] = {name: value for name, value in said.items() if name in known}
    for name in _TIMES:
        if values.get(name) is not None:
            values[name] = datetime.fromisoformat(values[name])
    values["without"] = tuple((name, value) for name, value in values.get("without", ()))
    return LogFilter(**values)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
