"""One day file goes: looked at, copied for holds, marked, unlinked, proved.

In come the store's folder and the name of a day file; out goes what was in it. The rules: a day is marked before its
files go, so that a crash in between is finished by the next run; its line of proof is written in the transaction that
says it is gone; a day whose held rows cannot be copied stays.
"""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, func, select, update

from logstore.annual import count_file, fold_day, is_counted
from logstore.audit import record_change
from logstore.db import StoreError, days_folder, files_of, reading, reading_file, sync_folder, write_lock
from logstore.holdcopy import copy_day
from logstore.holds import holds
from logstore.place import ClickHouse, Database, Where, catalog_of
from logstore.prunereport import PrunedDay, PruneReport
from logstore.schema import day_file, log

REMOVED = "removed a day"
"""How the audit trail calls a day that went."""
KEPT = "kept a day that was due"
"""How it calls one that could not go."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def look(where: Where, file: str, day: date) -> PrunedDay:
    """What a day file holds: counted when it is there and can be read, else what the catalog noted of it."""
    if isinstance(where, Database):
        from logstore.postgres import days

        return days.look(where, file, day)
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.days import look as look_there

        return look_there(where, file, day)
    folder = where
    path = days_folder(folder) / file
    size = sum(part.stat().st_size for part in files_of(path)[:2] if part.exists())
    with reading(folder) as catalog:
        noted = catalog.execute(
            select(day_file.c.rows, day_file.c.min_id, day_file.c.max_id, day_file.c.sha256, day_file.c.bytes).where(
                day_file.c.file == file
            )
        ).first()
    rows, first, last, sealed = (None, None, None, None) if noted is None else tuple(noted[:4])
    if path.exists():
        try:
            with reading_file(path) as connection:
                # Each by itself: then SQLite adds up pages of its smallest index, and looks at both ends of the rows.
                numbers = (func.count(), func.min(log.c.id), func.max(log.c.id))
                rows, first, last = connection.execute(
                    select(*(select(one).select_from(log).scalar_subquery() for one in numbers))
                ).one()
        except sqlalchemy.exc.DatabaseError:  # damaged: it goes all the same
            rows = first = last = None
    elif noted is not None:  # unlinked by a run that died before it could say so
        size = noted.bytes or 0
    return PrunedDay(day, file, rows, first, last, size, sealed)


def remove_day(
    where: Where, engine: Engine, file: str, day: date, report: PruneReport, *, who: str, why: str
) -> PrunedDay | None:
    """Remove one day file and what lies beside it; None when another run has. Raises what keeps it from going."""
    beside = catalog_of(where)
    _count(where, engine, file, look(where, file, day).rows)  # before the lock, because it reads every row
    with write_lock(beside) if isinstance(beside, Path) else contextlib.nullcontext():
        if isinstance(where, Path) and _is_gone(where, file):
            return None
        known = {one.id for one in holds(where)}
        held = copy_day(where, day, report.at)
        seen = dataclasses.replace(look(where, file, day), held=held)
        facts: dict[str, Any] = {"bytes": seen.bytes, "changed_us": _us(report.at), "unvouched": None}
        if seen.rows is not None:
            facts |= {"rows": seen.rows, "min_id": seen.min_id, "max_id": seen.max_id}
        _count(where, engine, file, seen.rows)
        with engine.begin() as catalog:
            _refuse_new_holds(where, known)
            if _is_kept(catalog, file):
                fold_day(catalog, file, day)
            _mark(catalog, seen, "dropping", facts)
        _take_out(where, engine, file, day)
        with engine.begin() as catalog:
            if isinstance(where, Database):
                from logstore.postgres import days

                days.delete(catalog, day)
            _mark(catalog, seen, "dropped", {"changed_us": _us(report.at)})
            record_change(
                catalog,
                who=who,
                what=REMOVED,
                subject=file,
                after=seen.as_json() | {"cutoff": report.cutoff.isoformat(), "months": report.months},
                why=why,
                at=report.at,
                kind="retention",
            )
    return seen


def _take_out(where: Where, engine: Engine, file: str, day: date) -> None:
    """Remove the rows of a day that is marked as going. Raises what keeps them."""
    if isinstance(where, Database):
        from logstore.postgres import days

        days.take_out(engine, day)
    elif isinstance(where, ClickHouse):
        from logstore.clickhouse.days import take_out

        take_out(where, day)
    else:
        for part in files_of(days_folder(where) / file):
            part.unlink(missing_ok=True)
        sync_folder(days_folder(where))


def _is_gone(folder: Path, file: str) -> bool:
    """Whether a run that went on beside this one has removed it, proof and all."""
    with reading(folder) as catalog:
        state = catalog.execute(select(day_file.c.state).where(day_file.c.file == file)).scalar()
    return state == "dropped" and not any(part.exists() for part in files_of(days_folder(folder) / file))


def _refuse_new_holds(where: Where, known: set[int]) -> None:
    """A day stays when a hold came after its rows were copied: beside a database nothing keeps one from coming.

    Within the transaction that marks the day; a hold that comes after it finds no such day.
    """
    if any(one.id not in known for one in holds(where)):
        raise StoreError("a hold was placed while the day was being removed", where, "The next run copies its rows.")


def _count(where: Where, engine: Engine, file: str, rows: int | None) -> None:
    """See that what the annual report says of a file is what is in it."""
    with engine.connect() as catalog:
        kept = _is_kept(catalog, file)
    if kept and rows is not None and not is_counted(where, file, rows):
        count_file(where, file)


def _is_kept(catalog: Connection, file: str) -> bool:
    """Whether a file was not marked yet: what was, or was put back by hand after, has been counted for good."""
    return catalog.execute(select(day_file.c.state).where(day_file.c.file == file)).scalar() in ("open", "sealed")


def _mark(catalog: Connection, seen: PrunedDay, state: str, facts: dict[str, Any]) -> None:
    known = update(day_file).where(day_file.c.file == seen.file).values(state=state, **facts)
    if not catalog.execute(known).rowcount:
        new = {"file": seen.file, "day": seen.day.isoformat(), "part": 0, "state": state}
        catalog.execute(day_file.insert().values(**new, **facts))


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
