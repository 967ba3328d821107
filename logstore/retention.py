"""Rows older than the law allows go, every day, and it can be proved.

In come the store's folder, the moment, the zone and the months; whole day files go out of the world, and with them
every name no kept day needs. The rules: a day is marked before its files go, so that a crash in between is finished by
the next run; each run, also one with nothing to do, leaves a line in the audit trail that says what was due, what went,
what stayed and why, and each day file has a line of its own (`logstore.removal`); a clock that cannot be right removes
nothing (`logstore.clockcheck`).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, Engine, func, select, update

from logstore.annual import count_closed, finish_months
from logstore.audit import entries, record_change
from logstore.calendar import cutoff, is_due, kept_from
from logstore.clockcheck import ClockDoubted, ahead_of, clock_doubt
from logstore.db import (
    StoreError,
    catalog_path,
    compact,
    days_folder,
    files_of,
    open_catalog,
    reading,
    write_lock,
)
from logstore.errorwords import without_rows
from logstore.holdcopy import copy_due
from logstore.holdproof import settle
from logstore.holdrelease import tidy_holds as tidy
from logstore.holds import Hold, holds, holds_path
from logstore.marks import forget_marks
from logstore.place import ClickHouse, Database, Where, catalog_of
from logstore.prunereport import Cleaned, Cleaner, Overdue, PrunedDay, PruneReport, Stayed
from logstore.removal import KEPT, look, remove_day
from logstore.schema import DIMENSIONS, day_file, retention_run

logger = logging.getLogger(__name__)

GRACE = timedelta(hours=26)
"""How long the daily run may be away before it is an alarm."""
REFUSED = "refused to remove rows"
"""How the audit trail calls a run that does not believe the clock."""
_UNREADABLE = (OSError, StoreError, sqlalchemy.exc.SQLAlchemyError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def prune(
    where: Where,
    now: datetime,
    timezone: tzinfo,
    months: int = 6,
    *,
    dry_run: bool = False,
    who: str = "retention",
    why: str = "daily retention",
    cleaners: Sequence[Cleaner] = (),
    clock_is_right: bool = False,
) -> PruneReport:
    """Remove every day that ended `months` calendar months before today's midnight in `timezone`, or earlier.

    Raises `ClockDoubted` when `now` cannot be right, unless somebody says it is.
    """
    limit = cutoff(now, timezone, months)
    report = PruneReport(
        at=now.astimezone(UTC),
        cutoff=limit,
        kept_from=kept_from(limit),
        months=months,
        timezone=str(timezone),
        dry_run=dry_run,
    )
    with _alone(where, dry_run):
        return _prune(where, report, now, dry_run, who, why, cleaners, clock_is_right)


def _prune(
    where: Where, report: PruneReport, now: datetime, dry_run: bool, who: str, why: str,
    cleaners: Sequence[Cleaner], clock_is_right: bool,
) -> PruneReport:  # fmt: skip
    limit = report.cutoff
    engine = open_catalog(where)
    days: list[PrunedDay] = []
    stayed: list[Stayed] = []
    if not clock_is_right and (doubt := _doubt(where, now)) is not None:
        if not dry_run:
            _refuse(engine, doubt, report, who)
            raise ClockDoubted(doubt)
        stayed.append(Stayed("everything", doubt, wrong=True))
    run = None if dry_run else _start(engine, report, shared=isinstance(catalog_of(where), Database))
    if not dry_run:
        stayed += _copy_due(where, who, report.at)
        count_closed(where, now.astimezone(UTC))
    due, went = _due(where, limit), set[str]()
    for file, day in due:
        try:
            seen = look(where, file, day) if dry_run else remove_day(where, engine, file, day, report, who=who, why=why)
            went.add(file)
            days += [] if seen is None else [seen]
        except (OSError, StoreError, sqlalchemy.exc.SQLAlchemyError) as error:
            stayed.append(Stayed(file, f"could not be removed: {without_rows(error)}", wrong=True, due=True))
    # Before names are forgotten, because that rewrites the catalog, where a cleaner may have deleted something.
    elsewhere = tuple(_clean(cleaner, limit, dry_run) for cleaner in cleaners)
    # A day that could not go keeps the names its rows need: without them a hold could not copy them later.
    keep = min([report.kept_from, *(day for file, day in due if file not in went)])
    names = _unneeded(engine, keep) if dry_run else _forget(where, engine, keep, stayed)
    by_right = tuple(_by_right(where, report))
    report = dataclasses.replace(
        report, days=tuple(days), names=names, elsewhere=elsewhere, stayed=(*stayed, *by_right)
    )
    if run is not None:
        _finish(engine, run, report, who, why)
    return report


def _alone(where: Where, dry_run: bool) -> AbstractContextManager[None]:
    """Several gateways may share a database: one removes at a time. Where files the locks of each step do."""
    beside = catalog_of(where)
    if dry_run or not isinstance(beside, Database):
        return nullcontext()
    from logstore.postgres.days import alone

    return alone(beside)


def last_run(where: Where, now: datetime | None = None) -> datetime | None:
    """When retention last ran to its end; UTC. With `now` (aware), a run that is yet to come is none."""
    query = select(func.max(retention_run.c.started_us)).where(retention_run.c.finished_us.is_not(None))
    if now is not None:
        query = query.where(retention_run.c.started_us <= _us(now))
    with reading(where) as catalog:
        newest = catalog.execute(query).scalar()
    return None if newest is None else _EPOCH + timedelta(microseconds=newest)


def oldest_day(where: Where) -> date | None:
    """The oldest UTC day there are rows of."""
    return min((day for _, day in _present(where)), default=None)


def overdue(where: Where, now: datetime, timezone: tzinfo, months: int = 6, grace: timedelta = GRACE) -> Overdue | None:
    """Whether retention is behind: it has not run for `grace`, or days remain that were due by then.

    A run at a time yet to come is none: the clock was wrong, and nothing has run since it is right again.
    """
    ran = last_run(where, now)
    late = sorted(day for _, day in _present(where) if is_due(day, cutoff(now - grace, timezone, months)))
    since = ran or _first_record(where)
    if late or (since is not None and now - since > grace):
        return Overdue(ran, late[0] if late else None, len(set(late)))
    return None


def _start(engine: Engine, report: PruneReport, *, shared: bool) -> int:
    """Note the run; from now on the store takes no rows of the days that go. `shared`: with writers side by side."""
    with engine.begin() as catalog:
        if shared:
            from logstore.postgres.days import announce

            announce(catalog)
        made: Any = catalog.execute(
            retention_run.insert().values(
                started_us=_us(report.at),
                cutoff_us=_us(report.cutoff),
                kept_from=report.kept_from.isoformat(),
                months=report.months,
                timezone=report.timezone,
            )
        )
        return int(made.inserted_primary_key[0])


def _finish(engine: Engine, run: int, report: PruneReport, who: str, why: str) -> None:
    told = report.as_json()
    with engine.begin() as catalog:
        catalog.execute(
            update(retention_run)
            .where(retention_run.c.id == run)
            .values(finished_us=_us(report.at) if report.ok else None, report=json.dumps(told))
        )
        for kept in (one for one in report.stayed if one.due):
            after = {"why": kept.why, "cutoff": report.cutoff.isoformat(), "months": report.months}
            record_change(
                catalog, who=who, what=KEPT, subject=kept.what, after=after, why=why, at=report.at, kind="retention"
            )
        record_change(
            catalog,
            who=who,
            what="removed old rows",
            subject="record",
            after=told,
            why=why,
            at=report.at,
            kind="retention",
        )


def _due(where: Where, limit: datetime) -> list[tuple[str, date]]:
    return sorted((file, day) for file, day in _present(where) if is_due(day, limit))


def _present(where: Where) -> Iterable[tuple[str, date]]:
    """Day files the catalog knows or the folder holds: one that was put back by hand is seen too."""
    with reading(where) as catalog:
        known = catalog.execute(select(day_file.c.file, day_file.c.day).where(day_file.c.state != "dropped"))
        found = {file: date.fromisoformat(day) for file, day in known}
    if isinstance(where, Database):
        from logstore.postgres.days import with_rows

        return (found | with_rows(where)).items()
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.days import present

        return (found | present(where)).items()
    for path in days_folder(where).glob("[0-9]*.db*"):
        name = path.name.partition(".db")[0] + ".db"
        try:
            found[name] = date.fromisoformat(name.partition(".")[0])
        except ValueError:
            continue
    return found.items()


def _unneeded(engine: Engine, keep: date) -> dict[str, int]:
    with engine.connect() as catalog:
        return {
            table.name.removeprefix("dim_"): int(
                catalog.execute(
                    select(func.count()).select_from(table).where(table.c.last_day < keep.isoformat())
                ).scalar_one()
            )
            for table in DIMENSIONS
        }


def _forget(where: Where, engine: Engine, keep: date, stayed: list[Stayed]) -> dict[str, int]:
    """Remove the names that only removed days used, and what is left of them in the file."""
    beside = catalog_of(where)
    if isinstance(beside, Database):
        from logstore.postgres.days import announce, sweep

        with engine.begin() as catalog:
            announce(catalog)
            finish_months(catalog, keep)
            forget_marks(catalog, keep.isoformat())
            gone = _forget_names(catalog, keep)
        sweep(beside)
        tidy(where)
        return gone
    with write_lock(beside):
        with engine.begin() as catalog:
            finish_months(catalog, keep)
            if isinstance(where, ClickHouse):  # beside files they go with the roll-ups
                forget_marks(catalog, keep.isoformat())
            gone = _forget_names(catalog, keep)
        for stray in days_folder(beside).glob(".new-*"):
            stray.unlink(missing_ok=True)
        # Always, because a run that died after its deletions left traces that only this removes.
        catalog_file = catalog_path(beside)
        for path, tidied in ((catalog_file, compact(catalog_file)), (holds_path(beside), _tidy(beside))):
            if not tidied:
                stayed.append(Stayed(files_of(path)[1].name, "is being read; emptied by the next run", wrong=True))
    return gone


def _forget_names(catalog: Connection, keep: date) -> dict[str, int]:
    return {
        table.name.removeprefix("dim_"): catalog.execute(
            table.delete().where(table.c.last_day < keep.isoformat())
        ).rowcount
        for table in DIMENSIONS
    }


def _clean(cleaner: Cleaner, limit: datetime, dry_run: bool) -> Cleaned:
    try:
        return cleaner(limit, dry_run)
    except Exception as error:  # whatever another place does, this run is finished and its failure noted
        place = getattr(cleaner, "__name__", type(cleaner).__name__)
        logger.exception("%s could not be cleaned", place)
        return Cleaned(place, 0, (Stayed(place, f"could not be cleaned: {without_rows(error)}", wrong=True),))


def _doubt(where: Where, now: datetime) -> str | None:
    with reading(where) as catalog:
        return clock_doubt(catalog, now)


def _refuse(engine: Engine, doubt: str, report: PruneReport, who: str) -> None:
    """Note a run that did nothing; once, however often it is tried."""
    with engine.begin() as catalog:
        newest = entries(catalog, kind="retention", limit=1)
        if not newest or newest[0].what != REFUSED:
            record_change(catalog, who=who, what=REFUSED, subject="record", why=doubt, at=report.at, kind="retention")


def _by_right(where: Where, report: PruneReport) -> Iterable[Stayed]:
    """What stays because it should, or because no clock says otherwise."""
    with reading(where) as catalog:
        ahead = ahead_of(catalog, report.at)
    for kept in _readable(where):
        why = f"{kept.rows:,} rows, until two people release it; to be reviewed by {kept.review_at:%Y-%m-%d}"
        yield Stayed(f"hold {kept.case}", why)
    if ahead:
        why = "dated in the future: the clock was wrong when their rows were made; they go by that date"
        yield Stayed(f"{len(ahead)} day(s) from {ahead[0]}", why)
    yield Stayed("audit trail", "says who changed, looked at and removed what; it is not browsing")
    if report.cutoff.time() != datetime.min.time():
        yield Stayed(f"{report.kept_from}", "the day ended after the cutoff; it goes with the next run")


def _copy_due(where: Where, who: str, at: datetime) -> list[Stayed]:
    """Make holds what the audit trail says, and finish their copies.

    What keeps them from being read keeps every day (`logstore.removal` asks, too).
    """
    try:
        wrong = settle(where, who=who, at=at)
        copy_due(where, who=who, at=at)
    except _UNREADABLE as error:
        return [Stayed("holds", f"cannot be read, so no day goes: {without_rows(error)}", wrong=True)]
    return [Stayed("holds", why, wrong=True) for why in wrong]


def _readable(where: Where) -> tuple[Hold, ...]:
    """The holds in force; none when they cannot be read, which the run has said then."""
    try:
        return holds(where)
    except _UNREADABLE:
        return ()


def _tidy(folder: Path) -> bool:
    try:
        return tidy(folder)
    except (sqlite3.DatabaseError, *_UNREADABLE):  # damaged, which the run has said
        return True


def _first_record(where: Where) -> datetime | None:
    with reading(where) as catalog:
        first = catalog.execute(select(func.min(day_file.c.changed_us))).scalar()
    return None if first is None else _EPOCH + timedelta(microseconds=first)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
