"""One rule of a policy file: nodes in, a checked `Rule` out.

Who, what and when are lists of words: plain items are alternatives, items that begin with `not` exclude. A word that
names nothing is a mistake with a suggestion; a rule that could never fit is a mistake too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from categories.names import NameProblem, Url, canonical_host, canonical_url
from policy.client import Band
from policy.kinds import SIGNALLED, Kinds, meant_by
from policy.model import Action, Signal
from policy.problems import clip, did_you_mean
from policy.reading import Fields, Node, Text
from policy.rows import PUPILS, Group, People, Rule, Site, Things, What, When, Who
from policy.schedule import BUILT_IN, Schedule
from policy.sections import NAME, Sections, day_range, time_range

KEYS = ("rule", "who", "what", "where", "when", "action", "until", "because")
_WHO_WORDS = (*(band.value for band in Band), "everyone", "pupils")
_WHO_KINDS = ("group", "user", "device", "site")
_WHAT_KINDS = ("host", "url", "signal")
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Names:
    """Every name the rules of one file may use."""

    categories: Collection[str]
    kinds: Kinds
    groups: Mapping[str, Group]
    sites: Mapping[str, Site]
    schedules: Mapping[str, Schedule]
    zone: ZoneInfo
    inline: dict[str, Schedule] = field(default_factory=dict)
    """Schedules written inside rules, by their own text; filled while reading."""


class RuleReader:
    """Reads rules against the names a file defines, noting problems as it goes."""

    def __init__(self, sections: Sections, names: Names) -> None:
        self.sections = sections
        self.problems = sections.problems
        self.names = names

    def rule(self, node: Node) -> Rule | None:
        """The rule; None when it is not even named. One with mistakes is returned too: the file is refused anyway."""
        if not isinstance(node, Fields):
            self.problems.error(
                node.line, "a rule must be a mapping", "- {rule: no-games, what: [games], action: block}"
            )
            return None
        fields = self.sections.fields(node, "a rule", KEYS)
        name = self.sections.text(fields.get("rule"), "rule")
        if not NAME.fullmatch(name):
            advice = "`rule: ks2-games-in-lessons`, lower case letters, digits and hyphens"
            self.problems.error(node.line, f"a rule needs a name, not {clip(name)!r}", advice)
            return None
        return Rule(
            name=name,
            action=self._action(name, node, fields.get("action")),
            who=self._who(name, fields.get("who")),
            what=self._what(name, fields.get("what")),
            where=self._where(fields.get("where")),
            when=self._when(name, fields.get("when")),
            until=self._until(fields.get("until")),
            because=self.sections.text(fields.get("because"), "because")[:500],
            line=node.lines.get("rule", node.line),
        )

    def _action(self, name: str, rule: Fields, node: Node | None) -> Action:
        word = self.sections.text(node, "action")
        try:
            return Action(word)
        except ValueError:
            line = rule.line if node is None else node.line
            known = ", ".join(("allow", "block", "warn", "bypass"))
            if not word:
                self.problems.error(line, f"rule {name!r} has no action", f"one of: {known}")
            else:
                self.problems.error(
                    line, f"unknown action {clip(word)!r}", did_you_mean(word, [a.value for a in Action])
                )
            return Action.BLOCK

    def _items(self, name: str, key: str, node: Node | None) -> list[tuple[bool, str, int]]:
        """The words of one list: excluded?, word, line. An empty list is a mistake: it would fit nothing."""
        if node is None:
            return []
        texts = self.sections.texts(node, key)
        if not texts:
            self.problems.error(
                node.line, f"rule {name!r} can never fit: `{key}` is empty", f"leave `{key}` out to mean all"
            )
        return [_negation(text) for text in texts]

    def _who(self, name: str, node: Node | None) -> Who:
        found = {False: _PeopleBuilder(), True: _PeopleBuilder()}
        items = self._items(name, "who", node)
        for excluded, word, line in items:
            self._person(found[excluded], word, line)
        include, exclude = (found[side].people() for side in (False, True))
        if include == People():
            include = People(everyone=True)
        only_bands = not (include.everyone or include.names_somebody or include.sites)
        if node is not None and (exclude.everyone or (only_bands and include.bands <= exclude.bands)):
            self.problems.error(node.line, f"rule {name!r} can never fit: `who` leaves nobody", "take out a `not`")
        return Who(include, exclude)

    def _person(self, found: _PeopleBuilder, word: str, line: int) -> None:
        kind, colon, value = word.partition(":")
        value = value.strip()
        if colon and kind in _WHO_KINDS and value:
            known = {"group": self.names.groups, "site": self.names.sites}.get(kind)
            if known is not None and value not in known:
                self.problems.unknown(line, kind, value, known)
            found.named[kind].add(value if known is not None else value.casefold())
        elif word == "everyone":
            found.everyone = True
        elif word == "pupils":
            found.bands |= PUPILS
        elif word in _WHO_WORDS:
            found.bands.add(Band(word))
        elif word in self.names.groups or word in self.names.sites:
            kind = "group" if word in self.names.groups else "site"
            self.problems.error(line, f"unknown band {clip(word)!r}", f"did you mean '{kind}:{word}'?")
        elif colon:
            self.problems.unknown(line, "kind of client", kind, _WHO_KINDS)
        else:
            self.problems.unknown(line, "band", word, _WHO_WORDS)

    def _what(self, name: str, node: Node | None) -> What:
        found = {False: _ThingsBuilder(), True: _ThingsBuilder()}
        for excluded, word, line in self._items(name, "what", node):
            self._thing(found[excluded], word, line)
        include, exclude = (found[side].things() for side in (False, True))
        if include == Things():
            include = Things(anything=True)
        only = not (include.anything or include.uncategorised or include.hosts or include.urls or include.signals)
        if node is not None and (exclude.anything or (only and include.categories <= exclude.categories)):
            self.problems.error(node.line, f"rule {name!r} can never fit: `what` leaves nothing", "take out a `not`")
        return What(include, exclude)

    def _thing(self, found: _ThingsBuilder, word: str, line: int) -> None:
        kind, colon, value = word.partition(":")
        if word in {"anything", "uncategorised"}:
            found.words.add(word)
        elif word in self.names.categories or word == SIGNALLED:
            found.categories.add(word)
        elif colon and kind == "signal":
            self._signal(found, value.strip(), line)
        elif colon and kind in {"host", "url"}:
            self._place(found, kind, value.strip(), line)
        elif colon:
            self.problems.unknown(line, "kind of thing", kind, _WHAT_KINDS)
        elif "." in word:
            what = f"unknown category {clip(word)!r}"
            self.problems.error(line, what, f"did you mean '{'url' if '/' in word else 'host'}:{clip(word)}'?")
        else:
            self._unknown_category(word, line)

    def _unknown_category(self, word: str, line: int) -> None:
        known = self.names.categories
        meant = meant_by(word, known)
        advice = f"did you mean {meant!r}?" if meant else did_you_mean(word, known)
        self.problems.error(line, f"unknown category {clip(word)!r}", advice)

    def _signal(self, found: _ThingsBuilder, value: str, line: int) -> None:
        if value in [signal.value for signal in Signal]:
            found.signals.add(Signal(value))
        else:
            self.problems.unknown(line, "signal", value, [signal.value for signal in Signal])

    def _place(self, found: _ThingsBuilder, kind: str, value: str, line: int) -> None:
        try:
            if kind == "host":
                found.hosts.add(canonical_host(value.removeprefix("*.").removeprefix(".")))
            else:
                found.urls.append(canonical_url(value))
        except NameProblem as problem:
            self.problems.error(line, f"{clip(value)!r} is not a {kind}: {problem}", f"write {kind}:example.org")

    def _where(self, node: Node | None) -> frozenset[str]:
        found = set()
        for text in self.sections.texts(node, "where"):
            name = text.value.removeprefix("site:")
            if name not in self.names.sites:
                self.problems.unknown(text.line, "site", name, self.names.sites)
            found.add(name)
        return frozenset(found)

    def _when(self, name: str, node: Node | None) -> When:
        found: dict[bool, set[str]] = {False: set(), True: set()}
        for excluded, word, line in self._items(name, "when", node):
            found[excluded].add(self._time(word, line))
        include, exclude = frozenset(found[False]), frozenset(found[True])
        if "always" in exclude or (include and include <= exclude):
            line = 0 if node is None else node.line
            self.problems.error(line, f"rule {name!r} can never fit: `when` leaves no time", "take out a `not`")
        return When(frozenset() if "always" in include else include, exclude)

    def _time(self, word: str, line: int) -> str:
        if word in self.names.schedules or word in BUILT_IN:
            return word
        parts = word.lower().split()
        if parts and all(day_range(p) or time_range(p) for part in parts for p in filter(None, part.split(","))):
            text = " ".join(parts)
            if text not in self.names.inline:
                self.names.inline[text] = self._inline(text, parts, line)
            return text
        self.problems.unknown(line, "schedule", word, (*self.names.schedules, *BUILT_IN))
        return word

    def _inline(self, text: str, parts: list[str], line: int) -> Schedule:
        days = [Text(line, p) for part in parts for p in part.split(",") if p and day_range(p)]
        periods = [period for part in parts for p in part.split(",") if (period := time_range(p))]
        base = Schedule(text)
        return Schedule(text, days=self.sections.days(days), periods=tuple(periods) or base.periods, title=text)

    def _until(self, node: Node | None) -> datetime | None:
        word = self.sections.text(node, "until")
        if node is None or not word:
            return None
        try:
            moment = datetime.fromisoformat(word)
        except ValueError:
            self.problems.error(
                node.line, f"{clip(word)!r} is not a time", "write 2026-12-01 (that day included) or 2026-12-01T15:00"
            )
            return None
        if len(word) <= 10:
            moment += _DAY
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self.names.zone)


def _negation(text: Text) -> tuple[bool, str, int]:
    word = " ".join(text.value.split())
    excluded = word.startswith("not ")
    return excluded, word.removeprefix("not ").strip() if excluded else word, text.line


@dataclass(slots=True)
class _PeopleBuilder:
    everyone: bool = False
    bands: set[Band] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _WHO_KINDS})

    def people(self) -> People:
        groups, users, devices, sites = (frozenset(self.named[kind]) for kind in _WHO_KINDS)
        return People(self.everyone, frozenset(self.bands), groups, users, devices, sites)


@dataclass(slots=True)
class _ThingsBuilder:
    words: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    urls: list[Url] = field(default_factory=list)
    signals: set[Signal] = field(default_factory=set)

    def things(self) -> Things:
        categories, hosts, signals = frozenset(self.categories), frozenset(self.hosts), frozenset(self.signals)
        return Things(
            "anything" in self.words, "uncategorised" in self.words, categories, hosts, tuple(self.urls), signals
        )
