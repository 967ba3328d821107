"""What runs of retention said of themselves: a catalog in, its newest runs out. Numbers and names of files.

Nothing here removes anything; `logstore.retention` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from logstore.schema import retention_run

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """One run."""

    id: int
    """Its number."""
    started_at: datetime
    """When; UTC."""
    finished: bool
    """Whether it came to its end with nothing left that should have gone."""
    kept_from: str
    """First UTC day kept."""
    months: int
    """Calendar months rows lived."""
    report: Mapping[str, Any]
    """All it said (`logstore.prunereport.PruneReport.as_json`); empty for one that was cut short."""

    @property
    def rows(self) -> int:
        """Rows that went."""
        return int(self.report.get("rows", 0))

    @property
    def days(self) -> int:
        """Days that went."""
        return len(self.report.get("days", ()))

    @property
    def elsewhere(self) -> Mapping[str, int]:
        """Things that went in other places, by place."""
        return {str(one["place"]): int(one["removed"]) for one in self.report.get("elsewhere", ())}

    @property
    def left(self) -> tuple[str, ...]:
        """What is left that should have gone, and why."""
        everything = [*self.report.get("stayed", ())]
        for place in self.report.get("elsewhere", ()):
            everything += place.get("stayed", ())
        return tuple(f"{one['what']}: {one['why']}" for one in everything if one.get("wrong"))


def runs(catalog: Connection, *, before: int | None = None, limit: int = 30) -> tuple[Run, ...]:
    """The newest runs, newest first, or the newest before a number."""
    query = select(retention_run).order_by(retention_run.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(retention_run.c.id < before)
    found = []
    for row in catalog.execute(query).mappings():
        report = json.loads(row["report"]) if row["report"] else {}
        at = _EPOCH + timedelta(microseconds=row["started_us"])
        ended = row["finished_us"] is not None
        found.append(Run(row["id"], at, ended, row["kept_from"], row["months"], report))
    return tuple(found)
