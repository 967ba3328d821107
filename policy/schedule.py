"""Named sets of time: lessons, lunch, terms, holidays, nights.

In comes an aware time; out comes which schedules hold then, and when that changes next. Everything is judged by the
clock on the school's wall: what falls in the hour the clocks skip is cut out, what falls in the hour they repeat comes
twice. Periods are half-open, `[start, end)`; one that crosses midnight belongs to the day on which it starts. Pure:
`at` is an argument.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60
HORIZON_DAYS = 400
"""How far ahead a change is looked for: a school year and a bit."""
_DAY = timedelta(days=1)


class DayKind(enum.StrEnum):
    """What the calendar says of a day."""

    TERM = "term"
    """Inside a term and not closed."""
    HOLIDAY = "holiday"
    """Every day that is not a term day."""
    CLOSED = "closed"
    """Named as closed: INSET days, half terms, bank holidays."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from first to last, both included."""

    first: date
    last: date
    name: str = ""

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Calendar:
    """A school's year."""

    terms: tuple[Span, ...] = ()
    """When the school is in session."""
    closed: tuple[Span, ...] = ()
    """Days without school, inside or outside terms."""

    def is_closed(self, day: date) -> bool:
        """Whether the day is named as closed."""
        return any(day in span for span in self.closed)

    def is_term(self, day: date) -> bool:
        """Whether the day lies in a term and is not closed."""
        return any(day in span for span in self.terms) and not self.is_closed(day)

    def has(self, kind: DayKind, day: date) -> bool:
        """Whether the day is of that kind."""
        if kind is DayKind.CLOSED:
            return self.is_closed(day)
        return self.is_term(day) is (kind is DayKind.TERM)


@dataclass(frozen=True, slots=True)
class Period:
    """A part of a day by the wall clock, half-open, in minutes after midnight. `end <= start` crosses midnight."""

    start: int
    end: int


ALL_DAY = Period(0, MINUTES_A_DAY)
EVERY_DAY: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named set of time."""

    name: str
    """Its name in the policy."""
    days: frozenset[int] = EVERY_DAY
    """Weekdays on which its periods start, Monday is 0."""
    within: frozenset[DayKind] = frozenset()
    """Kinds of day on which they start; empty means any."""
    periods: tuple[Period, ...] = (ALL_DAY,)
    """Parts of the day."""
    title: str = ""
    """Words for people: `lessons`."""

    def starts_on(self, day: date, calendar: Calendar) -> bool:
        """Whether its periods start on that day."""
        if day.weekday() not in self.days:
            return False
        return not self.within or any(calendar.has(kind, day) for kind in self.within)

    def holds(self, local: datetime, calendar: Calendar) -> bool:
        """Whether it holds at that wall-clock time."""
        minute, today = local.hour * 60 + local.minute, local.date()
        for period in self.periods:
            if period.start < period.end:
                if period.start <= minute < period.end and self.starts_on(today, calendar):
                    return True
            elif minute >= period.start:
                if self.starts_on(today, calendar):
                    return True
            elif minute < period.end and self.starts_on(today - _DAY, calendar):
                return True
        return False

    def __str__(self) -> str:
        return self.title or self.name.replace("-", " ")


BUILT_IN: Mapping[str, Schedule] = {
    "always": Schedule("always"),
    "term": Schedule("term", within=frozenset({DayKind.TERM}), title="term"),
    "holiday": Schedule("holiday", within=frozenset({DayKind.HOLIDAY}), title="the holidays"),
    "closed": Schedule("closed", within=frozenset({DayKind.CLOSED}), title="days the school is closed"),
}
"""Schedules every policy has."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """One site's view of time: its zone, its calendar, its schedules."""

    zone: ZoneInfo
    """Where the wall clock hangs."""
    calendar: Calendar = Calendar()
    """The site's year."""
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    """By name; the built-in ones are added to them."""

    def schedule(self, name: str) -> Schedule:
        """The schedule of that name; KeyError when there is none."""
        return self.schedules[name] if name in self.schedules else BUILT_IN[name]

    def holding(self, at: datetime) -> frozenset[str]:
        """Names of all schedules that hold at that moment."""
        local = at.astimezone(self.zone)
        known = (*BUILT_IN.values(), *self.schedules.values())
        return frozenset(item.name for item in known if self.schedule(item.name).holds(local, self.calendar))

    def holds(self, name: str, at: datetime) -> bool:
        """Whether one schedule holds at that moment."""
        return self.schedule(name).holds(at.astimezone(self.zone), self.calendar)

    def next_change(self, names: Collection[str], at: datetime) -> datetime | None:
        """The first moment after `at` (UTC) when one of the schedules starts or ends; None within the horizon."""
        changes = (self._next(self.schedule(name), at) for name in names)
        return min((change for change in changes if change is not None), default=None)

    def _next(self, schedule: Schedule, at: datetime) -> datetime | None:
        first = at.astimezone(self.zone).date()
        now = schedule.holds(at.astimezone(self.zone), self.calendar)
        for offset in range(HORIZON_DAYS):
            day = first + offset * _DAY
            if not now and not self._stirs(schedule, day):
                continue
            for moment in self._borders(schedule, day):
                if moment > at and schedule.holds(moment.astimezone(self.zone), self.calendar) is not now:
                    return moment
        return None

    def _stirs(self, schedule: Schedule, day: date) -> bool:
        return schedule.starts_on(day, self.calendar) or schedule.starts_on(day - _DAY, self.calendar)

    def _borders(self, schedule: Schedule, day: date) -> list[datetime]:
        """Every moment of the day at which something may change: period borders, midnight, a change of the clocks."""
        minutes = {0, *(p.start for p in schedule.periods), *(p.end % MINUTES_A_DAY for p in schedule.periods)}
        moments = set(self._clock_changes(day))
        for minute in minutes:
            wall = time(minute // 60, minute % 60)
            for fold in (0, 1):
                moments.add(datetime.combine(day, wall, self.zone).replace(fold=fold).astimezone(UTC))
        return sorted(moments)

    def _clock_changes(self, day: date) -> Iterator[datetime]:
        """The moment the clocks change on that day, if they do: found by halving, to the minute."""
        low = datetime.combine(day, time(0), self.zone).astimezone(UTC)
        high = datetime.combine(day + _DAY, time(0), self.zone).astimezone(UTC)
        before = low.astimezone(self.zone).utcoffset()
        if before == high.astimezone(self.zone).utcoffset():
            return
        while high - low > timedelta(minutes=1):
            middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
            low, high = (middle, high) if middle.astimezone(self.zone).utcoffset() == before else (low, middle)
        yield high
