"""How long six months are."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logstore.calendar import cutoff, is_due, kept_from, months_before

LONDON = ZoneInfo("Europe/London")


class TestTheCalendar:
    """Six months are calendar months: 181 to 184 days."""

    @pytest.mark.parametrize(
        ("day", "months", "before"),
        [
            ("2026-11-21", 6, "2026-05-21"),
            ("2026-08-31", 6, "2026-02-28"),
            ("2028-08-31", 6, "2028-02-29"),
            ("2026-08-29", 6, "2026-02-28"),
            ("2026-09-01", 6, "2026-03-01"),
            ("2026-03-31", 1, "2026-02-28"),
            ("2026-01-15", 6, "2025-07-15"),
            ("2026-06-30", 6, "2025-12-30"),
            ("2026-05-31", 120, "2016-05-31"),
        ],
    )
    def test_months_before(self, day: str, months: int, before: str) -> None:
        assert months_before(date.fromisoformat(day), months) == date.fromisoformat(before)

    @pytest.mark.parametrize(
        ("now", "limit"),
        [
            ("2026-11-21T03:20+00:00", "2026-05-20T23:00+00:00"),  # winter now, summer then
            ("2026-08-31T23:30+01:00", "2026-02-28T00:00+00:00"),
            ("2026-09-01T00:30+01:00", "2026-03-01T00:00+00:00"),  # the day before in UTC
            ("2026-09-30T12:00+01:00", "2026-03-30T00:00+01:00"),
            ("2026-09-29T12:00+01:00", "2026-03-29T00:00+00:00"),  # the day clocks went forward
            ("2027-04-25T12:00+01:00", "2026-10-25T00:00+01:00"),  # the day clocks went back
        ],
    )
    def test_the_cutoff_is_local_midnight(self, now: str, limit: str) -> None:
        assert cutoff(datetime.fromisoformat(now), LONDON, 6) == datetime.fromisoformat(limit)

    @given(
        now=st.datetimes(datetime(2025, 8, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
        zone=st.sampled_from(["Europe/London", "UTC", "Pacific/Auckland", "America/St_Johns", "Asia/Kathmandu"]),
        months=st.integers(1, 24),
        ago=st.integers(0, 800),
    )
    @example(datetime(2026, 8, 31, 12, tzinfo=UTC), "Europe/London", 6, 184)
    @example(datetime(2026, 9, 1, 12, tzinfo=UTC), "Europe/London", 6, 184)
    def test_never_early_and_at_most_a_day_late(self, now: datetime, zone: str, months: int, ago: int) -> None:
        """A day goes only when its last moment is old enough, and every day is gone one day after it was."""
        local = ZoneInfo(zone)
        limit = cutoff(now, local, months)
        day = now.date() - timedelta(days=ago)
        end = datetime.combine(day + timedelta(days=1), time(), UTC)
        if is_due(day, limit):
            assert (
                months_before(now.astimezone(local).date(), months)
                >= (end - timedelta(microseconds=1)).astimezone(local).date()
            )
            assert day < kept_from(limit)
        else:
            assert day >= kept_from(limit)
            assert end > limit
        if end <= limit - timedelta(days=1):
            assert is_due(day, limit)

    @given(day=st.dates(date(2025, 1, 1), date(2050, 1, 1)))
    def test_the_cutoff_only_moves_forward(self, day: date) -> None:
        assert months_before(day, 6) <= months_before(day + timedelta(days=1), 6)
        assert 181 <= (day - months_before(day, 6)).days <= 184

    def test_a_moment_without_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            cutoff(datetime(2026, 11, 21), LONDON, 6)
