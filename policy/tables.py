"""A policy compiled for one band at one site: the rows that could ever fit there, in reading order.

In comes a `Policy`; out comes a `Table` whose rows can be found by category and by host, so that a request which is in
no list touches only the few rows that ask about everything. Built once, then only read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime
from typing import Final

from categories.names import Url, host_suffixes
from policy import builtinrows
from policy.client import Band, Client
from policy.model import Action, Outranked, Reason, Tier
from policy.rows import People, Policy, Rule, Things

HOSTS_REMEMBERED = 1024
"""Hosts of which each table remembers what its rows name."""
FEW_HOSTS = 64
"""So many named hosts are sooner tried one after another than looked up by every parent of a host."""
_NO_HOSTS: Final[frozenset[str]] = frozenset()


class LivePeople:
    """The part of a rule's `who` that only the client at hand can answer: groups, users, devices."""

    __slots__ = ("devices", "groups", "users")

    def __init__(self, people: People) -> None:
        self.groups = people.groups
        self.users = people.users
        self.devices = people.devices

    def has(self, client: Client) -> bool:
        """Whether the client is one of them."""
        if self.groups and not self.groups.isdisjoint(client.groups):
            return True
        if self.users and client.user is not None and client.user.casefold() in self.users:
            return True
        return bool(self.devices) and client.device is not None and client.device.casefold() in self.devices


class Row:
    """One rule, ready to be asked. Read on the hot path: plain slots, no properties."""

    __slots__ = (
        "action",
        "anything",
        "categories",
        "exclude_when",
        "exclude_who",
        "excludes",
        "hosts",
        "include_when",
        "include_who",
        "losing",
        "name",
        "position",
        "rule",
        "sentences",
        "signals",
        "tier",
        "tightens",
        "timed",
        "uncategorised",
        "unread",
        "until",
        "urls",
    )

    def __init__(self, rule: Rule, tier: Tier, position: int, include_who: LivePeople | None) -> None:
        include, exclude = rule.what.include, rule.what.exclude
        self.rule = rule
        self.name = rule.name
        self.tier = tier
        self.action = rule.action
        self.position = position
        self.tightens = rule.action in (Action.BLOCK, Action.WARN)
        """Words searched for can make only a tightening row fit."""
        self.unread = rule.action is Action.BYPASS and tier is Tier.OVERRIDE
        """One click passes unread what another row allows; it opens nothing."""
        self.anything = include.anything
        self.uncategorised = include.uncategorised
        self.categories = include.categories
        self.hosts = include.hosts
        self.urls = include.urls
        self.signals = include.signals
        self.excludes = exclude if exclude != Things() else None
        self.include_who = include_who
        self.exclude_who = LivePeople(rule.who.exclude) if rule.who.exclude.names_somebody else None
        self.include_when = rule.when.include
        self.exclude_when = rule.when.exclude
        self.until = rule.until
        self.timed = bool(self.include_when or self.exclude_when or self.until is not None)
        """Whether time has a say at all."""
        self.losing: dict[str | None, Outranked] = {}
        """How it is told when it fits but loses, by the category it fitted by. Filled while deciding."""
        self.sentences: dict[tuple[str | None, bool, str, frozenset[str]], tuple[Reason, str]] = {}
        """Reasons already put into words. Filled while deciding; the same, whoever fills it."""


class Table:
    """Every row that could fit for one band at one site, in reading order."""

    __slots__ = (
        "_endings",
        "_ends",
        "_known_hosts",
        "_live",
        "band",
        "by_category",
        "by_host",
        "by_signal",
        "general",
        "mild",
        "named_hosts",
        "rows",
        "site",
        "url_hosts",
    )

    def __init__(self, policy: Policy, band: Band, site: str | None) -> None:
        self.band = band
        self.site = site
        self.rows = tuple(_rows(policy, band, site))
        self.by_category = _positions(self.rows, lambda row: row.categories)
        """Category → rows that ask for it."""
        self.by_host = _positions(self.rows, lambda row: (*row.hosts, *(url.host for url in row.urls)))
        """Host → rows that ask for it or for a URL on it."""
        self.by_signal = _positions(self.rows, lambda row: row.signals)
        """Signal → rows that ask for it."""
        self.general = tuple(row.position for row in self.rows if row.anything or row.uncategorised)
        """Rows that ask about everything: read for every request."""
        self.url_hosts = frozenset(url.host for row in self.rows for url in (*row.urls, *_excluded(row).urls))
        """Hosts of which some row asks for a URL: the host alone cannot settle them."""
        excluded = (host for row in self.rows for host in _excluded(row).hosts)
        self.named_hosts = frozenset((*self.by_host, *self.url_hosts, *excluded))
        """Every host that some row names."""
        few = self.named_hosts if len(self.named_hosts) <= FEW_HOSTS else ("",)
        self._endings = tuple(few)
        mild = (row.categories for row in self.rows if row.action is not Action.BLOCK)
        self.mild: frozenset[str] = frozenset().union(*mild)
        """Categories that some row allows, warns of or passes."""
        self._live = any(row.include_who is not None or row.exclude_who is not None for row in self.rows)
        self._ends = sorted(row.until for row in self.rows if row.until is not None)
        self._known_hosts: dict[str, frozenset[str]] = {}

    def asker(self, client: Client, at: datetime) -> Hashable:
        """What rows may still ask of this client at this moment: equal answers, equal rows."""
        if not self._live and not self._ends:
            return None
        who = (client.groups, client.user, client.device) if self._live else None
        return who, bisect_right(self._ends, at)

    def hosts(self, url: Url) -> frozenset[str]:
        """The host and its parents, as far as any row names them; remembered."""
        host = url.host
        if not host.endswith(self._endings):
            return _NO_HOSTS
        found = self._known_hosts.get(host)
        if found is None:
            if len(self._known_hosts) >= HOSTS_REMEMBERED:
                self._known_hosts.clear()
            names = (host,) if url.is_address else host_suffixes(host)
            found = self._known_hosts[host] = self.named_hosts.intersection(names) or _NO_HOSTS
        return found


def _excluded(row: Row) -> Things:
    return Things() if row.excludes is None else row.excludes


def _positions[K](rows: Iterable[Row], keys: Callable[[Row], Iterable[K]]) -> dict[K, tuple[int, ...]]:
    found: dict[K, list[int]] = {}
    for row in rows:
        for key in dict.fromkeys(keys(row)):
            found.setdefault(key, []).append(row.position)
    return {key: tuple(positions) for key, positions in found.items()}


def _rows(policy: Policy, band: Band, site: str | None) -> Iterator[Row]:
    """The rules that could fit, in reading order, with what only the client can answer left open."""
    position = 0
    for tier, rule in reading_order(policy, band, site):
        who = rule.who
        if (rule.where and site not in rule.where) or _settled(who.exclude, band, site):
            continue
        live = None
        if not _settled(who.include, band, site):
            if not who.include.names_somebody:
                continue
            live = LivePeople(who.include)
        yield Row(rule, tier, position, live)
        position += 1


def _settled(people: People, band: Band, site: str | None) -> bool:
    """Whether band and site alone make the client one of them."""
    return people.everyone or band in people.bands or (site is not None and site in people.sites)


def reading_order(policy: Policy, band: Band, site: str | None) -> Iterator[tuple[Tier, Rule]]:
    """Every rule as it is read at that site: tier by tier, each in the order of the file, built-in rows in place."""
    yield Tier.LOCKED, builtinrows.locked_rule(policy.kinds)
    yield Tier.TRUST, builtinrows.help_rule(policy.kinds)
    for tier in (Tier.TRUST, Tier.OVERRIDE, Tier.SITE, Tier.DEFAULT):
        for ruleset in policy.policies:
            if ruleset.tier is tier and (tier is not Tier.SITE or site in ruleset.sites):
                yield from ((tier, rule) for rule in ruleset.rules)
    yield Tier.DEFAULT, builtinrows.last_rule(band)
