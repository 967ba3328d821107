"""Schedules: days, terms, midnight, and the two nights a year when the clock on the wall is not to be trusted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.schedule import EVERY_DAY, Calendar, DayKind, Period, Schedule, Span, Timetable
from tests.policy.school import LONDON, at

CALENDAR = Calendar(
    terms=(Span(date(2026, 9, 2), date(2026, 10, 23)), Span(date(2026, 11, 2), date(2026, 12, 18))),
    closed=(Span(date(2026, 11, 27), date(2026, 11, 27), "INSET"),),
)
WEEKDAYS = frozenset(range(5))
TERM = frozenset({DayKind.TERM})
SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Schedule("lesson", WEEKDAYS, TERM, (Period(530, 630), Period(650, 730))),
        Schedule("night", frozenset({4}), frozenset(), (Period(1320, 360),)),
        Schedule("early", EVERY_DAY, frozenset(), (Period(75, 105),)),
        Schedule("late-early", EVERY_DAY, frozenset(), (Period(90, 150),)),
        Schedule("evening", EVERY_DAY, frozenset(), (Period(1080, 1440),)),
        Schedule("saturday", frozenset({5})),
        Schedule("off", EVERY_DAY, frozenset({DayKind.HOLIDAY})),
    )
}
TABLE = Timetable(LONDON, CALENDAR, SCHEDULES)


@pytest.mark.parametrize(
    ("name", "moment", "holds"),
    [
        ("lesson", "2026-11-24 08:49", False),
        ("lesson", "2026-11-24 08:50", True),
        ("lesson", "2026-11-24 10:29", True),
        ("lesson", "2026-11-24 10:30", False),  # half-open: break begins
        ("lesson", "2026-11-28 09:00", False),  # Saturday
        ("lesson", "2026-11-27 09:00", False),  # INSET day inside term
        ("lesson", "2026-10-28 09:00", False),  # half term
        ("lesson", "2026-10-23 09:00", True),  # last day of a half term is in it
        ("off", "2026-10-28 09:00", True),
        ("off", "2026-11-27 09:00", True),
        ("closed", "2026-11-27 09:00", True),
        ("closed", "2026-11-26 23:59", False),
        ("term", "2026-11-26 23:59", True),
        ("holiday", "2026-08-01 12:00", True),
        ("night", "2026-11-27 22:00", True),  # Friday night …
        ("night", "2026-11-28 05:59", True),  # … belongs to Friday until Saturday morning
        ("night", "2026-11-28 06:00", False),
        ("night", "2026-11-28 23:00", False),  # Saturday night is not Friday's
        ("night", "2026-11-27 03:00", False),  # nor is Thursday's
        ("evening", "2026-11-24 23:59", True),
        ("evening", "2026-11-25 00:00", False),
        ("saturday", "2026-11-28 00:00", True),
        ("always", "2026-11-28 00:00", True),
    ],
)
def test_a_schedule_holds_when_the_school_says_so(name: str, moment: str, holds: bool) -> None:
    """Borders are half-open, closed days win over terms, and a night belongs to the day it starts on."""
    assert TABLE.holds(name, at(moment)) is holds
    assert (name in TABLE.holding(at(moment))) is holds


@pytest.mark.parametrize(
    ("name", "utc", "holds"),
    [
        # 29 March 2026, 01:00 UTC: the wall goes from 01:00 to 02:00, so 01:15-01:45 never comes.
        ("early", "2026-03-29T00:59", False),
        ("early", "2026-03-29T01:00", False),
        ("early", "2026-03-29T01:20", False),
        ("late-early", "2026-03-29T01:00", True),  # 02:00 on the wall: the rest of 01:30-02:30
        ("late-early", "2026-03-29T01:30", False),
        # 25 October 2026, 01:00 UTC: the wall goes from 02:00 back to 01:00, so 01:15-01:45 comes twice.
        ("early", "2026-10-25T00:20", True),
        ("early", "2026-10-25T00:50", False),
        ("early", "2026-10-25T01:20", True),
        ("early", "2026-10-25T01:50", False),
    ],
)
def test_the_wall_clock_decides_when_clocks_change(name: str, utc: str, holds: bool) -> None:
    """What falls into the skipped hour is cut out; what falls into the repeated hour comes twice."""
    assert TABLE.holds(name, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    ("name", "moment", "then"),
    [
        ("lesson", "2026-11-24 10:20", "2026-11-24 10:30"),
        ("lesson", "2026-11-24 10:30", "2026-11-24 10:50"),
        ("lesson", "2026-11-26 12:30", "2026-11-30 08:50"),  # over an INSET Friday and the weekend
        ("lesson", "2026-10-23 12:30", "2026-11-02 08:50"),  # over half term
        ("night", "2026-11-27 23:00", "2026-11-28 06:00"),
        ("night", "2026-11-28 06:00", "2026-12-04 22:00"),
        ("saturday", "2026-11-28 12:00", "2026-11-29 00:00"),
    ],
)
def test_the_next_change_is_told(name: str, moment: str, then: str) -> None:
    """Whoever is blocked now can be told from when it is open."""
    assert TABLE.next_change((name,), at(moment)) == at(then)


def test_what_never_changes_has_no_next_change() -> None:
    """Always is always, and after the last term no lesson is known."""
    assert TABLE.next_change(("always",), at("2026-11-24 10:20")) is None
    assert TABLE.next_change(("lesson",), at("2027-01-05 10:20")) is None


def test_clock_changes_are_changes() -> None:
    """On the night the clocks go back, 01:30-02:30 stops at the change and starts again half an hour later."""
    start = datetime(2026, 10, 25, 0, 40, tzinfo=UTC)
    first = TABLE.next_change(("late-early",), start)
    assert first == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert TABLE.next_change(("late-early",), first) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


ZONES = [ZoneInfo(name) for name in ("Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu")]
_periods = (
    st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda p: p[0] != p[1]).map(lambda p: Period(*p))
)
_schedules = st.builds(
    Schedule,
    st.just("any"),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.frozensets(st.sampled_from(DayKind), max_size=2),
    st.lists(_periods, min_size=1, max_size=3).map(tuple),
)
_around_clock_changes = st.sampled_from(
    [datetime(2026, m, d, tzinfo=UTC) for m, d in ((3, 28), (4, 4), (10, 24), (11, 1))]
)


@settings(deadline=None, max_examples=60)
@given(_schedules, st.sampled_from(ZONES), _around_clock_changes, st.integers(0, 2880))
def test_between_now_and_the_next_change_nothing_changes(
    schedule: Schedule, zone: ZoneInfo, day: datetime, minutes: int
) -> None:
    """In any zone, around any change of the clocks, the next change is the first minute that differs."""
    table = Timetable(zone, CALENDAR, {"any": schedule})
    now = day + timedelta(minutes=minutes)
    holds = table.holds("any", now)
    change = table.next_change(("any",), now)
    last = min(change, now + timedelta(days=2)) if change is not None else now + timedelta(days=2)
    moment = now
    while moment < last:
        assert table.holds("any", moment) is holds, moment
        moment += timedelta(minutes=1)
    if change is not None:
        assert table.holds("any", change) is not holds
