"""A job that is due once a day at a local time, and at once when it was missed.

In come a zone, a time of day and the last run; out goes whether it is due. Days are those of the zone: a clock change
makes a day longer or shorter and skips no run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo

from logstore.errorwords import in_words

logger = logging.getLogger(__name__)

AFTER_FAILURE = timedelta(minutes=15)
"""Pause before a failed run is tried again."""


def latest_due(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The latest moment, not after `now`, at which the job was due. `now` is aware."""
    today = datetime.combine(now.astimezone(zone).date(), at, zone)
    due = today.astimezone(UTC)
    if due > now:
        due = datetime.combine(today.date() - timedelta(days=1), at, zone).astimezone(UTC)
    return due


@dataclass(slots=True)
class DailyJob:
    """Runs `work` when it is due; asked often, does little."""

    name: str
    """Its name, for the log."""
    at: time
    """Time of day it is due."""
    zone: tzinfo
    """Zone of that time."""
    work: Callable[[datetime], object]
    """Does it. Whatever it raises is logged and tried again after `AFTER_FAILURE`."""
    last: Callable[[], datetime | None]
    """When it last succeeded, aware; asked until it has succeeded once here."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """The clock, aware."""
    error: str = ""
    """How the latest run failed; empty when it did not."""
    done: datetime | None = None
    """When it last succeeded, as far as known."""
    _not_before: datetime | None = None

    def run_if_due(self) -> bool:
        """Run when due; True when it ran and succeeded."""
        now = self.now()
        if self._not_before is not None and self._not_before - AFTER_FAILURE <= now < self._not_before:
            return False
        try:
            if self.done is None:
                self.done = self.last()
            if self.done is not None and latest_due(now, self.at, self.zone) <= self.done <= now:
                return False
            self.work(now)
        except Exception as error:
            self.error = in_words(error)
            self._not_before = now + AFTER_FAILURE
            logger.exception("%s failed; next try in %s", self.name, AFTER_FAILURE)
            return False
        self.done, self._not_before, self.error = now, None, ""
        return True
