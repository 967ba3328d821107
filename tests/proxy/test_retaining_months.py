"""Months of nights, one after another, through 31 August → 28 February and both changes of the clock.

Shows: `proxy.retaining`, with holds and rows that come late.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.calendar import cutoff, kept_from
from logstore.filter import LogFilter
from logstore.holdcopy import copy_hold, held_rows
from logstore.holds import find, place
from logstore.query import Archive
from logstore.store import Store
from proxy.retaining import daily_retention, told_of
from proxy.settings import Settings
from tests.logstore.rows import ended, ids_from, request

from .test_retaining import traces

LONDON = ZoneInfo("Europe/London")
FIRST, LAST = date(2026, 2, 24), date(2026, 5, 2)
"""Days of rows: clocks go forward on 29 March; the nights go through 25 October, when they go back."""
NIGHTS = [date(2026, 8, 27) + timedelta(days=n) for n in (*range(8), *range(8, 68, 3), 68, 69)]


def us(day: date, hour: int = 12) -> int:
    return int(datetime.combine(day, time(hour), UTC).timestamp()) * 1_000_000


def bird(day: date) -> str:
    """The name of who was busy that day."""
    return f"bird{day:%m%d}x"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_at_no_time_a_name_too_old_or_a_row_too_few(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    store = tmp_path / "store"
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    with Store(store) as writer:
        for day in days:
            ids = ids_from(us(day), 1_000)
            of_day = [(request(ids.next(), user=bird(day), host=f"{bird(day)}.example"), ended(title=bird(day)))]
            held = day.day % 10 == 1
            writer.append(of_day + [(request(ids.next(), user="the-held", path=f"/{day}"), ended())] * held)
        for week in range(16):  # the school goes on
            day = NIGHTS[0] - timedelta(days=3) + timedelta(weeks=week)
            writer.append([(request(ids_from(us(day)).next(), user="today"), ended())])
    placed = place(
        store, "CASE-1", "x", LogFilter(user="the-held"), datetime(2027, 1, 1, tzinfo=UTC),
        who="cli:head", at=datetime(2026, 8, 1, tzinfo=UTC),
    )  # fmt: skip
    copy_hold(store, placed, who="cli:head", at=datetime(2026, 8, 1, tzinfo=UTC))
    late = 0
    for night in NIGHTS:
        now = datetime.combine(night, time(3, 20), LONDON).astimezone(UTC)
        job = daily_retention(settings, LONDON)
        job.now = lambda now=now: now  # type: ignore[misc]
        assert job.run_if_due(), job.error
        assert told_of(tmp_path)["ok"]
        limit = cutoff(now, LONDON, 6)
        with Archive(store) as archive:
            kept = {row.record.user for row in archive.walk(LogFilter(until=datetime(2026, 6, 1, tzinfo=UTC)))}
        due = {bird(day) for day in days if day < kept_from(limit)}
        assert kept.isdisjoint(due)
        assert {bird(day) for day in days} - due <= kept
        if night in NIGHTS[::5]:
            assert traces(tmp_path, bird(kept_from(limit) - timedelta(days=1))) == []
        oldest = kept_from(limit)
        if oldest <= LAST:
            with Store(store) as writer:  # a spool that was away for months, on the last day there is
                rows = [(request(ids_from(us(oldest, 18)).next(), user="the-held", path="/late"), ended())]
                late += writer.append(rows)
    assert traces(tmp_path, bird(LAST)) == []
    paths = [row.record.path for row in held_rows(store, find(store, "CASE-1"), rising=True)]
    assert [path for path in paths if path != "/late"] == [f"/{day}" for day in days if day.day % 10 == 1]
    assert paths.count("/late") == late > 20
