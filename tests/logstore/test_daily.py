"""The daily job: once a day at its local time, at once when it was missed, again after a failure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from logstore.daily import AFTER_FAILURE, DailyJob, latest_due

LONDON = ZoneInfo("Europe/London")


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-21 03:20", "2026-11-21 03:20"),
        ("2026-11-21 03:19", "2026-11-20 03:20"),
        ("2026-11-21 23:59", "2026-11-21 03:20"),
        ("2026-03-29 12:00", "2026-03-29 03:20"),
        ("2026-10-25 02:00", "2026-10-24 03:20"),
        ("2026-01-01 00:00", "2025-12-31 03:20"),
    ],
)
def test_when_it_was_due_last(now: str, due: str) -> None:
    """By the clock on the wall, days of 23 and 25 hours included."""
    assert latest_due(london(now), time(3, 20), LONDON) == london(due)


class Day:
    """A job, its clock and its runs."""

    def __init__(self, now: str, last: str | None) -> None:
        self.now = london(now).astimezone(UTC)
        self.runs: list[datetime] = []
        self.broken = False
        known = None if last is None else london(last)
        self.job = DailyJob("retention", time(3, 20), LONDON, self.work, lambda: known, lambda: self.now)

    def work(self, now: datetime) -> None:
        if self.broken:
            raise OSError("read-only file system")
        self.runs.append(now)


@pytest.mark.parametrize(
    ("last", "runs"), [(None, 1), ("2026-11-18 03:20", 1), ("2026-11-21 03:21", 0), ("2027-01-01 00:00", 1)]
)
def test_at_the_start_it_runs_when_it_was_missed(last: str | None, runs: int) -> None:
    """Never, days ago, this morning; or, by a clock that had run wild, in the future."""
    day = Day("2026-11-21 09:00", last)
    assert day.job.run_if_due() == bool(runs)
    assert len(day.runs) == runs
    assert not day.job.run_if_due()


def test_it_runs_once_a_day_for_a_year() -> None:
    """Asked every ten minutes, both clock changes included."""
    day = Day("2026-01-01 00:00", "2025-12-31 03:20")
    for _ in range(6 * 24 * 365):
        day.job.run_if_due()
        day.now += timedelta(minutes=10)
    assert [run.astimezone(LONDON).date() for run in day.runs] == [
        datetime(2026, 1, 1).date() + timedelta(days=number) for number in range(365)
    ]
    assert {run.astimezone(LONDON).strftime("%H:%M") for run in day.runs} == {"03:20"}


def test_a_failure_is_told_and_tried_again() -> None:
    """Not at every look, and not only tomorrow."""
    day = Day("2026-11-21 03:20", "2026-11-20 03:20")
    day.broken = True
    assert not day.job.run_if_due()
    assert day.job.error == "OSError: read-only file system"
    day.broken = False
    assert not day.job.run_if_due()
    day.now += AFTER_FAILURE
    assert day.job.run_if_due()
    assert day.job.error == ""
    assert day.job.done == day.now
