"""A clock that jumped far ahead removes nothing, and a school that was closed for the summer is not taken for one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.audit import entries
from logstore.clockcheck import FAR, ClockDoubted, ahead_of, clock_doubt
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.retention import last_run, overdue, prune
from logstore.store import Store

from .rows import ended, ids_from, request

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)


def record(folder: Path, *days: date) -> None:
    """One row at noon of each day."""
    with Store(folder) as store:
        for day in days:
            noon = int(datetime.combine(day, time(12), UTC).timestamp()) * 1_000_000
            store.append([(request(ids_from(noon).next()), ended())])


def doubt(folder: Path, now: datetime) -> str | None:
    with reading(folder) as catalog:
        return clock_doubt(catalog, now)


def count(folder: Path) -> int:
    with Archive(folder) as archive:
        return archive.count(LogFilter()).rows


def fortnight(folder: Path) -> None:
    """Two weeks of school up to yesterday, retention run each night."""
    for ago in range(14, 0, -1):
        record(folder, (NOW - timedelta(days=ago)).date())
        prune(folder, NOW - timedelta(days=ago - 1), LONDON)


@pytest.mark.parametrize("years", [1, 2, 10, 70])
def test_a_jump_ahead_removes_nothing(tmp_path: Path, years: int) -> None:
    """Though rows are already being recorded with the wrong date, so that the newest row agrees with the clock."""
    fortnight(tmp_path)
    wrong = NOW.replace(year=NOW.year + years) + timedelta(days=1)
    record(tmp_path, wrong.date() - timedelta(days=1))
    before = count(tmp_path)
    with pytest.raises(ClockDoubted, match="--clock-is-right"):
        prune(tmp_path, wrong, LONDON)
    assert count(tmp_path) == before == 15
    assert last_run(tmp_path) == NOW


def test_the_refusal_is_in_the_trail_once_and_the_alarm_comes(tmp_path: Path) -> None:
    fortnight(tmp_path)
    wrong = NOW + timedelta(days=400)
    for _ in range(3):
        with pytest.raises(ClockDoubted):
            prune(tmp_path, wrong, LONDON)
    with reading(tmp_path) as catalog:
        refused = [line for line in entries(catalog, kind="retention") if line.what == "refused to remove rows"]
    assert len(refused) == 1
    assert "no row and no run of retention" in refused[0].why
    assert overdue(tmp_path, wrong, LONDON) is not None


def test_somebody_may_say_that_the_clock_is_right(tmp_path: Path) -> None:
    """After a year with the gateway in a cupboard."""
    fortnight(tmp_path)
    later = NOW + timedelta(days=400)
    assert prune(tmp_path, later, LONDON, clock_is_right=True).rows == 14
    assert doubt(tmp_path, later + timedelta(days=1)) is None


def test_a_dry_run_says_the_doubt_and_what_would_go(tmp_path: Path) -> None:
    fortnight(tmp_path)
    told = prune(tmp_path, NOW + timedelta(days=400), LONDON, dry_run=True)
    assert told.rows == 14
    assert not told.ok
    assert "no row and no run" in told.stayed[0].why


def test_a_summer_with_the_gateway_off_is_believed(tmp_path: Path) -> None:
    fortnight(tmp_path)
    assert doubt(tmp_path, NOW + FAR - timedelta(days=1)) is None
    assert doubt(tmp_path, NOW + FAR + timedelta(days=1)) is not None


def test_rows_or_runs_every_now_and_then_are_enough(tmp_path: Path) -> None:
    """A gateway whose retention hangs is not one whose clock jumped."""
    fortnight(tmp_path)
    days = [NOW.date() + timedelta(days=40 * n) for n in range(1, 6)]
    record(tmp_path, *days)
    assert doubt(tmp_path, NOW + timedelta(days=40 * 6)) is None


def test_a_clock_set_back_removes_less_and_is_let_pass(tmp_path: Path) -> None:
    fortnight(tmp_path)
    assert prune(tmp_path, NOW - timedelta(days=300), LONDON).rows == 0


def test_an_old_record_brought_in_is_asked_about(tmp_path: Path) -> None:
    """A store restored from a year-old copy: its rows are due, and somebody should know before they go."""
    record(tmp_path, date(2025, 9, 1), date(2025, 9, 2))
    with pytest.raises(ClockDoubted):
        prune(tmp_path, NOW, LONDON)
    record(tmp_path, date(2026, 11, 20))
    assert prune(tmp_path, NOW, LONDON).rows == 2


def test_a_new_store_has_nothing_to_doubt(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    assert doubt(tmp_path, NOW) is None


def test_days_to_come_are_told(tmp_path: Path) -> None:
    """Rows made while the clock was wrong would otherwise stay unnoticed for longer than they may."""
    record(tmp_path, date(2026, 11, 20), date(2027, 5, 1), date(2027, 5, 2))
    with reading(tmp_path) as catalog:
        assert ahead_of(catalog, NOW) == (date(2027, 5, 1), date(2027, 5, 2))
    report = prune(tmp_path, NOW, LONDON)
    assert report.ok
    assert any("2 day(s) from 2027-05-01" in stayed.what and "clock" in stayed.why for stayed in report.stayed)


def test_a_moment_without_zone_is_refused(tmp_path: Path) -> None:
    record(tmp_path, date(2026, 11, 20))
    with pytest.raises(ValueError, match="time zone"):
        doubt(tmp_path, datetime(2026, 11, 21))
