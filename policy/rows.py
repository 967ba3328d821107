"""What a policy is made of, as values: rules, the groups and sites they name, and the whole file once it is read.

Built by `policy.rules.load_policy`, compiled by `policy.tables`. A value here is already checked; it is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from categories.names import Url
from policy.client import STRICTEST_BAND, Band, Client
from policy.kinds import Kinds
from policy.model import Action, Signal, Tier
from policy.problems import PolicyProblem
from policy.schedule import Timetable

STRICTNESS: tuple[Band, ...] = (
    Band.EYFS, Band.KS1, Band.KS2, Band.KS3, Band.KS4, Band.KS5, Band.GUEST, Band.STAFF,
)  # fmt: skip
"""Bands, strictest first."""
PUPILS: frozenset[Band] = frozenset(STRICTNESS[:6])
"""What `pupils` stands for."""
ALLOW_ONLY: frozenset[Band] = frozenset({Band.EYFS, Band.KS1, Band.KS2})
"""Bands that reach nothing an adult has not chosen (B-45, B-47)."""
BAND_TITLES: Mapping[Band, str] = {
    Band.EYFS: "Early Years",
    Band.KS1: "Key Stage 1",
    Band.KS2: "Key Stage 2",
    Band.KS3: "Key Stage 3",
    Band.KS4: "Key Stage 4",
    Band.KS5: "Sixth form",
    Band.STAFF: "Staff",
    Band.GUEST: "Guests",
}
"""Bands in words for people."""


@dataclass(frozen=True, slots=True)
class People:
    """A set of clients, by any of these."""

    everyone: bool = False
    bands: frozenset[Band] = frozenset()
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    """Account names, case-folded."""
    devices: frozenset[str] = frozenset()
    """Device names, case-folded."""
    sites: frozenset[str] = frozenset()

    @property
    def names_somebody(self) -> bool:
        """True when it asks for anything beyond band, site or everyone: what only the client at hand can answer."""
        return bool(self.groups or self.users or self.devices)


@dataclass(frozen=True, slots=True)
class Who:
    """Clients a rule is for: any of `include`, none of `exclude`."""

    include: People = People(everyone=True)
    exclude: People = People()


@dataclass(frozen=True, slots=True)
class Things:
    """A set of requests, by any of these."""

    anything: bool = False
    uncategorised: bool = False
    categories: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    """Canonical hosts; each stands for itself and everything below it."""
    urls: tuple[Url, ...] = ()
    """Canonical URLs; each stands for its host (and below) and everything below its path."""
    signals: frozenset[Signal] = frozenset()


@dataclass(frozen=True, slots=True)
class What:
    """Requests a rule is about: any of `include`, none of `exclude`."""

    include: Things = Things(anything=True)
    exclude: Things = Things()


@dataclass(frozen=True, slots=True)
class When:
    """Times at which a rule holds: any of `include` (none named: always), none of `exclude`. Names of schedules."""

    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: who, what, where, when → action."""

    name: str
    """Unique in the file."""
    action: Action
    """What is done when it fits."""
    who: Who = Who()
    what: What = What()
    where: frozenset[str] = frozenset()
    """Sites it holds at; empty means all that its policy covers."""
    when: When = When()
    until: datetime | None = None
    """The moment from which it no longer fits."""
    because: str = ""
    """The author's own words for people; empty lets the engine build a sentence."""
    line: int = 0
    """Line in the policy file; 0 for a built-in row."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A policy: an ordered table of rules with an owner."""

    tier: Tier
    rules: tuple[Rule, ...]
    owner: str = ""
    sites: frozenset[str] = frozenset()
    """Sites it covers, for tier SITE; empty means all of them."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of clients."""

    name: str
    band: Band | None = None
    """Band of its members, when the group settles one."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """One school."""

    name: str
    title: str
    timetable: Timetable
    """Its own view of time: the trust's, with what it overrides."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy file, read and checked."""

    file: str
    """Where it came from."""
    digest: str
    """Checksum of its text."""
    trust: str = ""
    timetable: Timetable = field(default_factory=lambda: Timetable(ZoneInfo("Europe/London")))
    """Time for clients that belong to no site."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    policies: tuple[RuleSet, ...] = ()
    """In the order of the file."""
    safe_search_off_for: frozenset[str] = frozenset()
    """Groups of staff whose searches are not forced to be safe."""
    page_limits: Mapping[Band, int] = field(default_factory=dict)
    """Score a page may reach for a band; the list's own limit where a band is not named."""
    kinds: Kinds = field(default_factory=Kinds)
    """What the taxonomy says of the categories it was read against."""
    warnings: tuple[PolicyProblem, ...] = ()
    """What works but is surely not meant."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of the file."""
        return tuple(rule for ruleset in self.policies for rule in ruleset.rules)

    def timetable_of(self, site: str | None) -> Timetable:
        """The site's timetable; the trust's for an unknown site."""
        found = self.sites.get(site) if site is not None else None
        return self.timetable if found is None else found.timetable

    def band_of(self, client: Client) -> Band:
        """The band that decides: the client's own, else the strictest of its groups', else the strictest of all."""
        if client.band_known:
            return client.band
        return self.band_of_groups(client.groups) or STRICTEST_BAND

    def band_of_groups(self, groups: Iterable[str]) -> Band | None:
        """The strictest band among these groups; None when none of them settles one."""
        bands = {self.groups[name].band for name in groups if name in self.groups}
        return next((band for band in STRICTNESS if band in bands), None)

    def expired(self, at: datetime) -> tuple[PolicyProblem, ...]:
        """Rules that are over at `at`: harmless, but clutter."""
        return tuple(
            PolicyProblem(self.file, rule.line, f"rule {rule.name!r} ended at {rule.until:%Y-%m-%d %H:%M}", "remove it")
            for rule in self.rules
            if rule.until is not None and rule.until <= at
        )
