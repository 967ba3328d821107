"""Records that were left behind when the record moved: what still lies there, and what somebody has to do about it.

Settings in; one `Left` for each place out, with words and what to do. The rules: files in the data folder go by date
with the nightly retention, a database nobody names does not, so its rows are an alarm once they are older than they may
be; what was shipped to a place after its move is in no search, which is an alarm wherever it is. A place that does not
answer is told as long as rows in it could be young enough to be kept, and never called empty. It only reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from logstore.calendar import cutoff, is_due
from logstore.db import catalog_path, reading
from logstore.holds import holds
from logstore.place import Beside, Database, StoreError, is_database
from logstore.schema import audit, day_file, log_cursor
from proxy.settings import Settings

MOVED = "moved a record in"
"""How the audit trail calls a move; its line's subject is the place that was left."""
_HERE = ("open", "sealed", "dropping")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Left:
    """A place that was left, and is not empty as far as can be seen."""

    where: str
    """The place."""
    wrong: bool
    """Whether somebody has to do something."""
    found: str
    """What lies there."""
    advice: str = ""
    """What to do."""


@dataclass(frozen=True, slots=True)
class _Seen:
    rows: int
    first: date
    last: date
    shipped: datetime | None


def left_behind(settings: Settings, now: datetime) -> Iterator[Left]:
    """Every place that was left; `now` is aware. Raises what keeps the settings' own record from being read."""
    moves = _moves(settings)
    files = settings.data / "store"
    databases = [(place, move) for place, move in moves.items() if isinstance(place, Database)]
    if settings.store != files and (files in moves or catalog_path(files).is_file()):
        yield from _left(settings, files, moves.get(files, {}), now, from_elsewhere=bool(databases))
    for place, move in databases:
        yield from _left(settings, place, move, now)


def _moves(settings: Settings) -> dict[Beside, dict[str, Any]]:
    """The latest move from each place that is another than the record's: its facts, and when it began.

    A database is the same however its address was written. A folder is another gateway's, though called the same, when
    its line says so: theirs to look at.
    """
    with reading(settings.store) as catalog:
        lines = catalog.execute(
            select(audit.c.subject, audit.c.at_us, audit.c.after).where(audit.c.what == MOVED).order_by(audit.c.id)
        ).all()
    here, mine = settings.catalog, settings.gateway.number
    databases: dict[tuple[str, str, str], tuple[Database, dict[str, Any]]] = {}
    folders: dict[Beside, dict[str, Any]] = {}
    for subject, at_us, after in lines:
        move = {"begun_us": at_us} | json.loads(after or "{}")
        if is_database(subject):
            file = move.get("password_file")
            place = Database(subject, Path(file) if file else None)
            databases[place.spot] = place, move
        elif move.get("gateway", mine) == mine:
            folders[Path(subject)] = move
    if isinstance(here, Database):
        databases.pop(here.spot, None)
    return folders | dict(databases.values())


def _left(
    settings: Settings, place: Beside, move: Mapping[str, Any], now: datetime, *, from_elsewhere: bool = False
) -> Iterator[Left]:
    """What is to be told of a place. `from_elsewhere`: what moved there before is in a trail that is not asked."""
    months = settings.record.months
    limit = cutoff(now, ZoneInfo(settings.record.timezone), months)
    where = str(place)
    try:
        seen = _seen(place)
    except (SQLAlchemyError, StoreError, OSError) as error:
        if move and _EPOCH + timedelta(microseconds=move["begun_us"]) > limit:
            what = f"the record was moved from here, and it does not answer ({type(error).__name__})"
            advice = _keep(place, move.get("holds", ())) or "when it and its copies are gone, all is well"
            yield Left(where, wrong=False, found=what, advice=advice)
        return
    held = _held(place, move)
    if seen is None:
        if held:
            yield Left(where, wrong=False, found="no rows but those that are held", advice=held)
        return
    rows = f"{seen.rows:,} rows of {seen.first} to {seen.last}"
    again = "schoolgate db move" + (f" --from {where}" if isinstance(place, Database) else "") + ' --why "…"'
    if not move and from_elsewhere:
        what = f"{rows} were left here, and may not have been moved: the record moved again since"
        yield Left(where, wrong=False, found=what, advice=f"if nobody knows, `{again}`: what is there comes once")
    elif not move:
        what = f"{rows} were left here, and no move of them is known: nobody finds them"
        yield Left(where, wrong=True, found=what, advice=f"`{again}`")
    elif seen.shipped is not None and seen.shipped > _EPOCH + timedelta(microseconds=move["begun_us"]):
        what = f"{rows}; some came on {seen.shipped:%Y-%m-%d} at {seen.shipped:%H:%M} UTC, after the record had moved"
        advice = f"see that no gateway's record.store names it any more, then `{again}`: else nobody finds those rows"
        yield Left(where, wrong=True, found=what, advice=advice)
    elif isinstance(place, Database) and is_due(seen.first, limit):
        what = f"{rows}; those older than {months} months should have gone, and nobody removes them here any more"
        drop = "drop that database and its copies; the rows were moved"
        yield Left(where, wrong=True, found=what, advice=held or drop)
    else:
        goes = "nobody removes them: drop it, and its copies, before the first is due"
        by_date = "they go by date with the nightly retention; then remove the folder, unless holds are in force there"
        advice = held or goes if isinstance(place, Database) else by_date
        yield Left(where, wrong=False, found=f"{rows}, which were moved", advice=advice)


def _held(place: Beside, move: Mapping[str, Any]) -> str:
    """What to do about holds that are in force in a place: as they are, or as the move left them."""
    try:
        return _keep(place, [one.case for one in holds(place)])
    except (SQLAlchemyError, StoreError, OSError):
        return _keep(place, move.get("holds", ()))


def _keep(place: Beside, cases: Sequence[str]) -> str:
    """What to do before a database with holds may go; nothing without one, and of files, which say it anyway."""
    if not (cases and isinstance(place, Database)):
        return ""
    released = "until two people have released them there, keep it, and prune it with settings that name it"
    return f"{len(cases)} hold(s) stayed there: {', '.join(cases)}; {released}"


def _seen(place: Beside) -> _Seen | None:
    """What is there; None for no rows."""
    there = day_file.c.state.in_(_HERE), day_file.c.rows > 0
    with reading(place) as catalog:
        rows, first, last = catalog.execute(
            select(func.sum(day_file.c.rows), func.min(day_file.c.day), func.max(day_file.c.day)).where(*there)
        ).one()
        shipped_us = catalog.execute(select(func.max(log_cursor.c.changed_us))).scalar()
    if not rows:
        return None
    shipped = None if shipped_us is None else _EPOCH + timedelta(microseconds=shipped_us)
    return _Seen(int(rows), date.fromisoformat(first), date.fromisoformat(last), shipped)
