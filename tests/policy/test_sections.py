"""Calendar, schedules, groups and sites: what is taken, and what is refused with its line."""

from __future__ import annotations

import pytest

from policy.schedule import Period
from policy.sections import day_range, time_range
from tests.policy.school import refusal, school_policy


@pytest.mark.parametrize(
    ("part", "said", "line"),
    [
        ("timezone: Europe/Lundon", "unknown time zone 'Europe/Lundon' | did you mean 'Europe/London'?", 2),
        ("calender: {}", "unknown key in the policy: 'calender' | did you mean 'calendar'?", 2),
        ("schedules: {lesson: {times: [8.50-10.30]}}", "'8.50-10.30' is not a time span", 2),
        ("schedules: {lesson: {times: ['10:30-10:30']}}", "is not a time span", 2),
        ("schedules: {lesson: {days: mon-fir}}", "unknown day 'mon-fir' | did you mean 'mon-fri'?", 2),
        ("schedules: {lesson: {in: trem}}", "unknown kind of day 'trem' | did you mean 'term'?", 2),
        ("schedules: {lesson: {in: term}}", "asks for term, but a calendar has no terms", 2),
        ("schedules: {weekdays: {}}", "schedule 'weekdays' is called like days that rules name without a schedule", 2),
        ("schedules: {weekend: {}}", "choose another name, such as `school-weekend`", 2),
        ("schedules: {mon-fri: {}}", "schedule 'mon-fri' is called like days", 2),
        ("schedules: {daily: {}}", "schedule 'daily' is called like days", 2),
        ("schedules: {always: {}}", "schedule 'always' is built in", 2),
        ("calendar: {closed: [2026-02-30]}", "'2026-02-30' is not a date", 2),
        ("calendar: {terms: [{from: 2026-12-01, to: 2026-11-01}]}", "ends on 2026-11-01 before it begins", 2),
        ("groups: {Year 4: {band: ks2}}", "'Year 4' in groups is not a name", 2),
        ("groups: {year-4: {band: ks7}}", "unknown band 'ks7' | did you mean 'ks", 2),
        ("sites: {oakwood: {schedules: {lnch: {}}}}", "unknown schedule to override 'lnch'", 2),
        ("groups: {a: {}}\ngroups: {b: {}}", "'groups' is written twice", 3),
        ("policies: {tier: trust}", "policies must be a list", 2),
    ],
)
def test_a_wrong_part_is_refused_with_its_line(part: str, said: str, line: int) -> None:
    """Everything around the rules is checked too."""
    found = refusal(f"schoolgate: 1\n{part}\n")
    assert any(said in f"{p.what} | {p.instead}" and p.line == line for p in found), found


def test_a_site_overrides_only_what_it_names() -> None:
    """Oakwood's lunch is at another time, on the same days and in the same terms."""
    policy = school_policy()
    ours, theirs = policy.timetable_of("oakwood").schedule("lunch"), policy.timetable_of("riverside").schedule("lunch")
    assert ours.periods != theirs.periods
    assert (ours.days, ours.within) == (theirs.days, theirs.within)
    assert policy.timetable_of("nowhere") is policy.timetable


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat-mon", {5, 6, 0}),
        ("wed", {2}),
        ("wednesday", {2}),
        ("weekend", {5, 6}),
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
        ("wedn", {2}),
        ("mo", None),
        ("mon-", None),
        ("monkey", None),
        ("", None),
    ],
)
def test_days_as_people_write_them(text: str, days: set[int] | None) -> None:
    """Ranges go over the week's end; what is no day is none."""
    assert day_range(text) == days


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("08:50-10:30", Period(530, 630)),
        ("8:50 - 10:30", Period(530, 630)),
        ("22:00-06:00", Period(1320, 360)),
        ("00:00-24:00", Period(0, 1440)),
        ("24:00-06:00", None),
        ("10:30-10:30", None),
        ("10:60-11:00", None),
        ("10-11", None),
    ],
)
def test_periods_as_people_write_them(text: str, period: Period | None) -> None:
    """Midnight may be crossed; an empty period is a mistake."""
    assert time_range(text) == period
