"""What a run of retention says of itself: values, kept in the audit trail.

Nothing here removes anything; `logstore.retention` does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Stayed:
    """Something with old content that was not removed."""

    what: str
    """What."""
    why: str
    """Why."""
    wrong: bool = False
    """True when it should have gone."""
    due: bool = False
    """True for a day file that was due: it gets a line of its own in the audit trail."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a cleaner of another place did."""

    place: str
    """Which place: spool, quarantine, exports."""
    removed: int
    """Things removed, or that would be."""
    stayed: tuple[Stayed, ...] = ()
    """What it could not remove."""


type Cleaner = Callable[[datetime, bool], Cleaned]
"""Cleans a place outside the store of what is older than a moment (aware); True only looks."""


@dataclass(frozen=True, slots=True)
class PrunedDay:
    """One day file that went, or would."""

    day: date
    """UTC day."""
    file: str
    """Name of the file."""
    rows: int | None
    """Rows in it; None when it could not be read any more."""
    min_id: int | None
    """Lowest record id."""
    max_id: int | None
    """Highest record id."""
    bytes: int
    """Size on disk."""
    sha256: str | None
    """Hash it was sealed with."""
    held: int = 0
    """Rows copied for holds before it went."""
    chains: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """In a database: for each chain of the day the number of its last batch, and that one's mark."""

    def as_json(self) -> dict[str, Any]:
        """For the audit trail; record ids as text, because JSON's numbers are too short for them."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self), default=_text))
        if not self.chains:
            del values["chains"]
        return values | {name: None if values[name] is None else str(values[name]) for name in ("min_id", "max_id")}


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """One run of retention."""

    at: datetime
    """When; UTC."""
    cutoff: datetime
    """Rows before this were due; UTC."""
    kept_from: date
    """First UTC day kept."""
    months: int
    """Calendar months rows live."""
    timezone: str
    """Zone whose midnights count."""
    dry_run: bool
    """True when nothing was touched."""
    days: tuple[PrunedDay, ...] = ()
    """What went."""
    names: dict[str, int] = field(default_factory=dict)
    """Names of users, hosts and so on that no kept day needs, by kind."""
    elsewhere: tuple[Cleaned, ...] = ()
    """What other places did."""
    stayed: tuple[Stayed, ...] = ()
    """What stayed, and why."""

    @property
    def rows(self) -> int:
        """Rows that went."""
        return sum(day.rows or 0 for day in self.days)

    @property
    def ok(self) -> bool:
        """False when something is left that should have gone."""
        return not self.overdue

    @property
    def overdue(self) -> int:
        """Things left that should have gone."""
        everything = [*self.stayed, *(stayed for place in self.elsewhere for stayed in place.stayed)]
        return sum(stayed.wrong for stayed in everything)

    def as_json(self) -> dict[str, Any]:
        """For the audit trail and `--json`."""
        values = json.loads(json.dumps(dataclasses.asdict(self), default=_text))
        values["days"] = [day.as_json() for day in self.days]
        return {"ok": self.ok, "rows": self.rows, **values}


@dataclass(frozen=True, slots=True)
class Overdue:
    """Retention is behind."""

    last_run: datetime | None
    """When it last ran to its end; UTC."""
    oldest_day: date | None
    """Oldest day that should have gone."""
    days: int
    """Days that should have gone."""

    def __str__(self) -> str:
        ran = "never" if self.last_run is None else f"last on {self.last_run:%Y-%m-%d %H:%M} UTC"
        left = f"; {self.days} day(s) too old remain, from {self.oldest_day}" if self.days else ""
        return f"retention ran {ran}{left}"


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
