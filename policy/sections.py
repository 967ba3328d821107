"""The parts of a policy file around the rules: calendar, schedules, groups, sites.

In come nodes, out come values; what cannot be read is noted as a problem and left out, so that the rest is checked too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from zoneinfo import ZoneInfo, available_timezones

from policy.client import Band
from policy.problems import Problems, clip
from policy.reading import Fields, Items, Node, Text
from policy.rows import Group, Site
from policy.schedule import BUILT_IN, EVERY_DAY, Calendar, DayKind, Period, Schedule, Span, Timetable

NAME = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
"""How groups, sites, schedules and rules are called: they end up in records, metrics and command lines."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_WORDS = {"daily": EVERY_DAY, "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6})}
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")


class Sections:
    """Reads the parts, noting problems as it goes."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def fields(self, node: Node | None, what: str, known: Collection[str]) -> Mapping[str, Node]:
        """A mapping whose keys are all known; empty when it is missing or something else."""
        if node is None or (isinstance(node, Text) and node.empty):
            return {}
        if not isinstance(node, Fields):
            self.problems.error(node.line, f"{what} must be a mapping", f"with {', '.join(known)}")
            return {}
        for key in node.nodes:
            if key not in known:
                self.problems.unknown(node.lines[key], f"key in {what}:", key, known)
        return node.nodes

    def entries(self, node: Node | None, what: str) -> list[tuple[str, int, Node]]:
        """A mapping of names to things: name, line, thing."""
        if node is None or (isinstance(node, Text) and node.empty):
            return []
        if not isinstance(node, Fields):
            self.problems.error(node.line, f"{what} must be a mapping of names", "")
            return []
        for name, line in node.lines.items():
            if not NAME.fullmatch(name):
                advice = "lower case letters, digits and hyphens: `year-4`"
                self.problems.error(line, f"{clip(name)!r} in {what} is not a name", advice)
        return [(name, node.lines[name], node.nodes[name]) for name in node.nodes]

    def text(self, node: Node | None, what: str, default: str = "") -> str:
        """One value."""
        if node is None:
            return default
        if not isinstance(node, Text):
            self.problems.error(node.line, f"{what} must be one value", "")
            return default
        return "" if node.empty else node.value

    def texts(self, node: Node | None, what: str) -> list[Text]:
        """One value or a list of values."""
        if node is None:
            return []
        if isinstance(node, Text):
            return [] if node.empty else [node]
        found = node.nodes if isinstance(node, Items) else [node]
        for item in found:
            if not isinstance(item, Text) or item.empty:
                self.problems.error(item.line, f"{what} must be a word or a list of words", "")
        return [item for item in found if isinstance(item, Text) and not item.empty]

    def listed(self, node: Node | None, what: str) -> list[Node]:
        """A list of anything."""
        if node is None or (isinstance(node, Text) and node.empty):
            return []
        if not isinstance(node, Items):
            self.problems.error(node.line, f"{what} must be a list", "start its lines with `- `")
            return []
        return node.nodes

    def page_limits(self, node: Node | None) -> dict[Band, int]:
        """Points of phrases a page may have, by band."""
        found = {}
        for name, item in self.fields(node, "page_limits", tuple(Band)).items():
            word = self.text(item, "a limit")
            if name in set(Band) and word.isdecimal() and len(word) <= 6:
                found[Band(name)] = int(word)
            elif name in set(Band):
                self.problems.error(item.line, f"{clip(word)!r} is no limit for {name}", "a whole number: `ks3: 100`")
        return found

    def zone(self, node: Node | None, default: ZoneInfo) -> ZoneInfo:
        """A time zone by its IANA name."""
        if node is None:
            return default
        name = self.text(node, "timezone")
        if name not in available_timezones():
            self.problems.unknown(node.line, "time zone", name, available_timezones())
            return default
        return ZoneInfo(name)

    def calendar(self, node: Node | None, base: Calendar) -> Calendar:
        """Terms and closed days; what is not named is kept from `base`."""
        fields = self.fields(node, "calendar", ("terms", "closed"))
        terms = self._spans(fields["terms"], "terms") if "terms" in fields else base.terms
        closed = self._spans(fields["closed"], "closed") if "closed" in fields else base.closed
        return Calendar(terms, closed)

    def _spans(self, node: Node, what: str) -> tuple[Span, ...]:
        spans = (self._span(item, what) for item in self.listed(node, what))
        return tuple(span for span in spans if span is not None)

    def _span(self, node: Node, what: str) -> Span | None:
        if isinstance(node, Text):
            day = self._date(node)
            return None if day is None else Span(day, day)
        fields = self.fields(node, what, ("name", "from", "to"))
        ends = [fields.get("from"), fields.get("to")]
        if not all(isinstance(end, Text) for end in ends):
            advice = "{from: 2026-09-02, to: 2026-10-23}"
            self.problems.error(node.line, f"{what}: a span of days needs `from` and `to`", advice)
            return None
        first, last = (self._date(end) if isinstance(end, Text) else None for end in ends)
        if first is None or last is None:
            return None
        if last < first:
            self.problems.error(node.line, f"{what}: ends on {last} before it begins on {first}", "swap them")
        return Span(first, last, self.text(fields.get("name"), "name"))

    def _date(self, node: Text) -> date | None:
        try:
            return date.fromisoformat(node.value)
        except ValueError:
            self.problems.error(node.line, f"{clip(node.value)!r} is not a date", "write 2026-09-02")
            return None

    def schedules(self, node: Node | None, base: Mapping[str, Schedule], only: bool = False) -> dict[str, Schedule]:
        """Named schedules on top of `base`; with `only`, names that `base` lacks are mistakes (a site overrides)."""
        found = dict(base)
        for name, line, value in self.entries(node, "schedules"):
            if name in BUILT_IN:
                self.problems.error(line, f"schedule {name!r} is built in", "choose another name")
            elif day_range(name) is not None:
                # Else a rule's `when: [weekdays]` would come to mean something else when such a schedule is added.
                what = f"schedule {name!r} is called like days that rules name without a schedule"
                self.problems.error(line, what, f"choose another name, such as `school-{name}`")
            elif only and name not in base:
                self.problems.unknown(line, "schedule to override", name, base)
            else:
                found[name] = self._schedule(name, value, base.get(name))
        return found

    def _schedule(self, name: str, node: Node, base: Schedule | None) -> Schedule:
        fields = self.fields(node, f"schedule {name!r}", ("days", "in", "times", "title"))
        base = base or Schedule(name)
        days, within = self.texts(fields.get("days"), "days"), self.texts(fields.get("in"), "in")
        times = self.texts(fields.get("times"), "times")
        return Schedule(
            name=name,
            days=self.days(days) if days else base.days,
            within=frozenset(self._choices(within, DayKind, "kind of day")) if within else base.within,
            periods=tuple(p for item in times if (p := self.period(item))) or base.periods,
            title=self.text(fields.get("title"), "title", base.title),
        )

    def days(self, nodes: list[Text]) -> frozenset[int]:
        """Weekdays from `mon-fri`, `mon, wed`, `daily`, `weekdays`, `weekend`."""
        found: set[int] = set()
        for node in nodes:
            for part in filter(None, re.split(r"[,\s]+", node.value.lower())):
                days = day_range(part)
                if days is None:
                    self.problems.unknown(node.line, "day", part, (*_WEEKDAYS, *_DAY_WORDS, "mon-fri"))
                else:
                    found |= days
        return frozenset(found) or EVERY_DAY

    def period(self, node: Text) -> Period | None:
        """A part of the day: `08:50-10:30`; `24:00` is the end of the day."""
        period = time_range(node.value)
        if period is None:
            advice = "write 08:50-10:30; 22:00-06:00 crosses midnight"
            self.problems.error(node.line, f"{clip(node.value)!r} is not a time span", advice)
        return period

    def _choices[E: (DayKind, Band)](self, nodes: list[Text], kind: type[E], what: str) -> list[E]:
        found: list[E] = []
        for node in nodes:
            try:
                found.append(kind(node.value))
            except ValueError:
                self.problems.unknown(node.line, what, node.value, [choice.value for choice in kind])
        return found

    def groups(self, node: Node | None) -> dict[str, Group]:
        """Named groups, with the band each settles."""
        found: dict[str, Group] = {}
        for name, _, value in self.entries(node, "groups"):
            fields = self.fields(value, f"group {name!r}", ("band", "title"))
            bands = self._choices(self.texts(fields.get("band"), "band")[:1], Band, "band")
            found[name] = Group(name, bands[0] if bands else None, self.text(fields.get("title"), "title"))
        return found

    def sites(self, node: Node | None, trust: Timetable) -> dict[str, Site]:
        """Named sites; each may override schedules, calendar and time zone."""
        found: dict[str, Site] = {}
        for name, _, value in self.entries(node, "sites"):
            fields = self.fields(value, f"site {name!r}", ("title", "timezone", "calendar", "schedules"))
            timetable = Timetable(
                self.zone(fields.get("timezone"), trust.zone),
                self.calendar(fields.get("calendar"), trust.calendar),
                self.schedules(fields.get("schedules"), trust.schedules, only=True),
            )
            found[name] = Site(name, self.text(fields.get("title"), "title") or name, timetable)
        return found

    def check_calendars(self, node: Node | None, timetable: Timetable, sites: Mapping[str, Site]) -> None:
        """A schedule that asks for terms needs a calendar that has some."""
        lines = node.lines if isinstance(node, Fields) else {}
        bare = any(not view.calendar.terms for view in (timetable, *(site.timetable for site in sites.values())))
        for schedule in timetable.schedules.values() if bare else ():
            if schedule.within - {DayKind.CLOSED}:
                kinds = "/".join(sorted(schedule.within))
                what = f"schedule {schedule.name!r} asks for {kinds}, but a calendar has no terms"
                advice = "add calendar: {terms: [{from: 2026-09-02, to: 2026-10-23}]}"
                self.problems.error(lines.get(schedule.name, 0), what, advice)


def day_range(text: str) -> frozenset[int] | None:
    """Weekdays of `mon-fri`, `wed`, `daily`; None when it is something else. `fri-mon` goes over the week's end."""
    if text in _DAY_WORDS:
        return _DAY_WORDS[text]
    first, dash, last = text.partition("-")
    ends = (first, last if dash else first)
    if not all(end[:3] in _WEEKDAYS and _DAY_NAMES[end[:3]].startswith(end) for end in ends):
        return None
    start, stop = (_WEEKDAYS.index(end[:3]) for end in ends)
    return frozenset((start + step) % 7 for step in range((stop - start) % 7 + 1))


_DAY_NAMES = dict(
    zip(_WEEKDAYS, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), strict=True)
)


def time_range(text: str) -> Period | None:
    """The period of `08:50-10:30`; None when it is something else, or empty."""
    found = _TIMES.fullmatch(text.strip())
    if found is None:
        return None
    hours = [int(part) for part in found.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if hours[1] > 59 or hours[3] > 59 or start >= 1440 or end > 1440 or start == end:
        return None
    return Period(start, end)
