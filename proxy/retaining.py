"""The daily retention of a gateway: what it cleans, when it runs, what it tells the metrics.

Settings in; a job for the shipper, and the cleaners that `schoolgate db prune` uses too, out. The rule: every place of
the data folder that holds people's browsing has its cleaner in `cleaners`, so that no run forgets one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from logstore.copies import copy_cleaner
from logstore.daily import DailyJob
from logstore.db import StoreError, catalog_path
from logstore.drill import drill_cleaner
from logstore.exportbook import export_cleaner
from logstore.gateways import identity_in
from logstore.holds import holds
from logstore.place import Database, Where, catalog_of
from logstore.prunereport import Cleaner, PruneReport
from logstore.quarantine import spool_cleaners
from logstore.retention import last_run, prune
from logstore.rolling import rollup_cleaner
from proxy.factdesk import refusal_cleaner, request_cleaner, session_cleaner, view_cleaner
from proxy.holding import tell_holds
from proxy.leftbehind import left_behind
from proxy.settings import Settings

PRUNE_AT = time(3, 20)
"""Local time of the daily retention: nobody is at school."""
TOLD = "retention.json"
"""File of the run folder that says how the latest run went."""


def cleaners(settings: Settings, record: Where | None = None) -> tuple[Cleaner, ...]:
    """A cleaner for every place outside the days that holds what people did.

    `record`: one from before the settings' own, which has its books, but neither spool nor overlay any more.
    """
    store = settings.store if record is None else record
    own = store == settings.store
    return (
        *(spool_cleaners(settings.data / "spool") if own else ()),
        request_cleaner(catalog_of(store), settings.data / "overlay" if own else None),
        refusal_cleaner(catalog_of(store), timedelta(days=settings.bypass.suggest_days)),
        session_cleaner(catalog_of(store)),
        view_cleaner(catalog_of(store)),
        export_cleaner(
            store, settings.data, lambda: {one.case for one in holds(store)}, gateway=identity_in(settings.data)
        ),
        rollup_cleaner(store),
        *((drill_cleaner(store), copy_cleaner(store)) if isinstance(store, Path) else ()),
        *((database_drills(store), copy_cleaner(store)) if isinstance(store, Database) else ()),
    )


def database_drills(store: Database) -> Cleaner:
    """As `logstore.drill.drill_cleaner`, of a database; loaded only where there is one."""
    from logstore.postgres.drill import drill_cleaner as cleaner

    return cleaner(store)


def records(settings: Settings) -> tuple[Where, ...]:
    """Every record whose rows go by date: that of the settings, and the files from before the record moved away."""
    before = settings.data / "store"
    if settings.store != before and catalog_path(before).is_file():
        return settings.store, before
    return (settings.store,)


def prune_all(settings: Settings, now: datetime, zone: ZoneInfo, **how: Any) -> PruneReport:
    """Remove what is too old from every record and every place beside; how it went, the record of the settings last.

    `how` goes to `logstore.retention.prune`. Raises what that raises, after every record was tried.
    """
    failed: list[Exception] = []
    reports: list[PruneReport] = []
    for record in reversed(records(settings)):
        try:
            beside = cleaners(settings, record)
            reports.append(prune(record, now, zone, settings.record.months, cleaners=beside, **how))
        except Exception as error:  # told below; what is beside it goes all the same
            failed.append(error)
    if failed:
        raise failed[-1]
    told = reports[-1]
    for older in reports[:-1]:
        told = dataclasses.replace(
            told,
            days=(*older.days, *told.days),
            stayed=(*older.stayed, *told.stayed),
            elsewhere=(*older.elsewhere, *told.elsewhere),
        )
    return told


def daily_retention(settings: Settings, zone: ZoneInfo) -> DailyJob:
    """Removes what is older than it may be, everywhere; at once when that was missed."""
    store = settings.store

    def work(now: datetime) -> None:
        tell_holds(settings)  # first: that a review is due is known although retention fails
        tell(settings, prune_all(settings, now, zone))

    def last() -> datetime | None:
        if not isinstance(store, Path):  # that another gateway ran says nothing of the spool and the files of this one
            told = told_of(settings.data)
            return datetime.fromtimestamp(told["at"], UTC) if told.get("ok") else None
        try:
            return last_run(store, datetime.now(UTC))
        except StoreError:  # no store yet
            return None

    return DailyJob("retention", at=PRUNE_AT, zone=zone, work=work, last=last)


def tell(settings: Settings, report: PruneReport) -> None:
    """Say for the metrics how a run went: numbers only, nobody's name. Raises `OSError`."""
    told: dict[str, Any] = {
        "at": report.at.timestamp(),
        "ok": report.ok,
        "rows": report.rows,
        "days": len(report.days),
        "overdue": report.overdue,
        "left_behind": _left_behind(settings, report.at),
    }
    path = settings.data / "run" / TOLD
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.write_text(json.dumps(told) + "\n", encoding="utf-8")
    aside.replace(path)


def _left_behind(settings: Settings, now: datetime) -> int:
    """Places the record moved from that somebody has to see to; as many as before where that cannot be asked."""
    try:
        return sum(one.wrong for one in left_behind(settings, now))
    except (SQLAlchemyError, StoreError):
        return int(told_of(settings.data).get("left_behind", 0))


def told_of(data: Path) -> dict[str, Any]:
    """What the latest run said; nothing when there was none."""
    try:
        said = json.loads((data / "run" / TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
