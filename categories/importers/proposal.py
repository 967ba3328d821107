"""What an import found: lists to configure, rules to propose, and every line that means something else here.

Values only. The readers of foreign configurations fill them; who writes them down is the caller's business. Nothing in
here is in force: an import proposes, a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from categories.model import Problem
from categories.scoring import ScoredPhrase
from categories.sources import Format, Names, UrlMatch, Use, of_others


@dataclass(frozen=True, slots=True)
class ProposedList:
    """A list for the settings."""

    name: str
    """Name shown as evidence."""
    path: Path
    """The file, where it lies now."""
    format: Format
    """How it is written."""
    category: str | None
    """Our category for its entries; None where a tree or table names its own."""
    url_match: UrlMatch = "exact"
    """How its URL entries compare hosts."""
    limit: int | None = None
    """For phrases: the score a text may reach; None for every other list."""
    apply_to: tuple[Use, ...] = ()
    """For phrases: where the old filter looked for them; empty for every other list."""


@dataclass(frozen=True, slots=True)
class ProposedGroup:
    """A group for the policy."""

    name: str
    """Name in rules."""
    title: str
    """What the old filter called it."""
    band: str | None = None
    """Age band its limit suggests; None when nothing suggests one."""


@dataclass(frozen=True, slots=True)
class ProposedSchedule:
    """A schedule for the policy."""

    name: str
    """Name in rules."""
    days: str
    """`mon, tue` as the policy writes it."""
    times: tuple[str, ...]
    """Periods, `08:00-16:30`."""


@dataclass(frozen=True, slots=True)
class ProposedRule:
    """A rule for the policy, in its place."""

    name: str
    """Unique name."""
    action: str
    """`allow` or `block`."""
    what: tuple[str, ...]
    """Categories, signals or `anything`."""
    who: tuple[str, ...] = ()
    """`group:…` items; nobody named means everyone."""
    when: tuple[str, ...] = ()
    """Schedules, perhaps with `not`."""
    note: str = ""
    """Why it is here: what it was in the old configuration."""


@dataclass(frozen=True, slots=True)
class FileTally:
    """What became of the lines of one file."""

    file: str
    """Its path below the imported folder."""
    taken: int
    """Lines in force."""
    left_out: int
    """Lines told as not in force."""
    followed: int = 0
    """Lines that name another file, which was read."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Everything an import found."""

    format: str
    """What was imported: `e2guardian`, `squidguard`, or a list's format."""
    lists: tuple[ProposedList, ...] = ()
    """Lists to configure."""
    phrases: tuple[ScoredPhrase, ...] = ()
    """Every phrase of the lists proposed, as e2guardian scores it."""
    searches: Mapping[str, str] = field(default_factory=dict)
    """Closed searches: sorted words joined by `+`, and the file and line they stand in."""
    groups: tuple[ProposedGroup, ...] = ()
    """Groups of the policy."""
    schedules: tuple[ProposedSchedule, ...] = ()
    """Schedules of the policy."""
    rules: tuple[ProposedRule, ...] = ()
    """Rules of the policy, in order."""
    places: tuple[tuple[str, str], ...] = ()
    """Networks and the group they belong to."""
    people: tuple[tuple[str, str], ...] = ()
    """User names and the group they belong to."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Group and the phrase limit it had."""
    files: tuple[FileTally, ...] = ()
    """What became of each file."""
    problems: tuple[Problem, ...] = ()
    """Every line that is not taken or means something else."""


def kebab(text: str) -> str:
    """A name as rules and categories write it: `Year 6: Maths` gives `year-6-maths`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def category_for(names: Names, *calls: str) -> str | None:
    """Our category for the first of the names that has one. `Pornography (Danish)` is asked without its language.

    Never one that opens: what other lists call help is not for them to say.
    """
    asked = (names.resolve(call) for call in _asked(calls))
    return next((found for found in asked if found is not None and not names.by_hand(found)), None)


def own_category(names: Names, call: str) -> str:
    """What a list is about that has no category of ours: its maker's word for it, without its language."""
    return of_others(kebab(re.sub(r"\s*\(.*", "", call)), names)


def _asked(calls: Iterable[str]) -> Iterable[str]:
    for call in calls:
        yield call
        yield re.sub(r"\s*\(.*", "", call)
