"""The daily retention of a gateway: what it cleans, when it runs, what it tells the metrics.

Settings in; a job for the shipper, and the cleaners that `schoolgate db prune` uses too, out. The rule: every place of
the data folder that holds people's browsing has its cleaner in `cleaners`, so that no run forgets one.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from logstore.copies import copy_cleaner
from logstore.daily import DailyJob
from logstore.db import StoreError
from logstore.exportbook import export_cleaner
from logstore.holds import holds
from logstore.prunereport import Cleaner, PruneReport
from logstore.quarantine import spool_cleaners
from logstore.retention import last_run, prune
from logstore.rolling import rollup_cleaner
from proxy.factdesk import request_cleaner
from proxy.holding import tell_holds
from proxy.settings import Settings

PRUNE_AT = time(3, 20)
"""Local time of the daily retention: nobody is at school."""
TOLD = "retention.json"
"""File of the run folder that says how the latest run went."""


def cleaners(settings: Settings) -> tuple[Cleaner, ...]:
    """A cleaner for every place outside the store that holds what people did."""
    store = settings.data / "store"
    return (
        *spool_cleaners(settings.data / "spool"),
        request_cleaner(store, settings.data / "overlay"),
        export_cleaner(store, settings.data, lambda: {one.case for one in holds(store)}),
        rollup_cleaner(store),
        copy_cleaner(store),
    )


def daily_retention(settings: Settings, zone: ZoneInfo) -> DailyJob:
    """Removes what is older than it may be, everywhere; at once when that was missed."""
    store = settings.data / "store"

    def work(now: datetime) -> None:
        tell_holds(settings)  # first: that a review is due is known although retention fails
        tell(settings, prune(store, now, zone, settings.record.months, cleaners=cleaners(settings)))

    def last() -> datetime | None:
        try:
            return last_run(store)
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
    }
    path = settings.data / "run" / TOLD
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    aside.write_text(json.dumps(told) + "\n", encoding="utf-8")
    aside.replace(path)


def told_of(data: Path) -> dict[str, Any]:
    """What the latest run said; nothing when there was none."""
    try:
        said = json.loads((data / "run" / TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
