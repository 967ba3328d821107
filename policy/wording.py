"""A rule in plain words: who, what, where, when and what is done, as a person reads a table.

In comes a `Rule` and the `Policy` it stands in; out come `Words`. Whoever sees no names is told how many accounts and
machines a rule names, not which. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from policy.kinds import Kinds
from policy.model import Action, Signal
from policy.rows import BAND_TITLES, PUPILS, STRICTNESS, People, Policy, Rule, Things, What, When, Who

DEEDS = {
    Action.ALLOW: "open",
    Action.BLOCK: "closed",
    Action.WARN: "open only after a warning",
    Action.BYPASS: "passed through without being read",
}
"""What is done, in words."""
SIGNALS = {
    Signal.IP_LITERAL: "a bare address instead of a name",
    Signal.NO_SNI: "a connection that names no site",
    Signal.NAME_MISMATCH: "two different names on one request",
    Signal.ODD_PORT: "an unusual port",
    Signal.WRAPPED_URL: "an address within another one",
    Signal.DOH: "DNS over HTTPS",
    Signal.WEB_PROXY: "a page through a web proxy",
    Signal.HIDDEN_SEARCH: "a search whose words are hidden",
    Signal.HIDDEN_NETWORK: "a name of Tor or I2P",
}
"""Forms of a request, in words."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Words:
    """One rule in words."""

    who: str
    """For whom."""
    what: str
    """About what."""
    where: str
    """At which sites."""
    when: str
    """At which times, and until when."""
    action: str
    """What is done."""

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        parts = [f"{self.what[:1].upper()}{self.what[1:]}: {self.action} for {self.who}"]
        parts += [self.where] if self.where != "every site" else []
        parts += [self.when] if self.when != "always" else []
        return ", ".join(parts) + "."


def words_of(rule: Rule, policy: Policy, *, names: bool = True) -> Words:
    """The rule in words; `names`: whether accounts and machines are named."""
    return Words(
        who_words(rule.who, policy, names=names),
        what_words(rule.what, policy.kinds),
        where_words(rule.where, policy),
        when_words(rule.when, rule.until, policy),
        DEEDS[rule.action],
    )


def who_words(who: Who, policy: Policy, *, names: bool = True) -> str:
    """For whom."""
    return _but(people_items(who.include, policy, names=names), people_items(who.exclude, policy, names=names))


def people_items(people: People, policy: Policy, *, names: bool = True) -> list[str]:
    """Each of a set of people, in words."""
    found = ["everybody"] if people.everyone else []
    bands = set(people.bands)
    if bands >= PUPILS:
        found.append("pupils")
        bands -= PUPILS
    found += [BAND_TITLES[band] for band in STRICTNESS if band in bands]
    found += [_group(name, policy) for name in sorted(people.groups)]
    found += [f"whoever is at {_site(name, policy)}" for name in sorted(people.sites)]
    for kind, known in (("account", people.users), ("machine", people.devices)):
        if names:
            found += [f"{kind} {name}" for name in sorted(known)]
        elif known:
            found.append(f"{len(known)} {kind}{'s' if len(known) > 1 else ''}")
    return found


def what_words(what: What, kinds: Kinds) -> str:
    """About what."""
    return _but(thing_items(what.include, kinds), thing_items(what.exclude, kinds))


def thing_items(things: Things, kinds: Kinds) -> list[str]:
    """Each of a set of things, in words."""
    found = ["everything"] if things.anything else []
    found += [kinds.title(name) for name in sorted(things.categories)]
    found += ["sites in no list"] if things.uncategorised else []
    found += sorted(things.hosts)
    found += sorted(str(url) for url in things.urls)
    found += [SIGNALS[signal] for signal in sorted(things.signals)]
    return found


def where_words(where: Iterable[str], policy: Policy) -> str:
    """At which sites."""
    named = [_site(name, policy) for name in sorted(where)]
    return f"at {_and(named)}" if named else "every site"


def when_words(when: When, until: datetime | None, policy: Policy) -> str:
    """At which times, and until when."""
    include = [_time(name, policy) for name in sorted(when.include)]
    exclude = [_time(name, policy) for name in sorted(when.exclude)]
    said = list(_times(include, exclude))
    if until is not None:
        said.append(f"until {until_words(until, policy)}")
    return " ".join(said) or "always"


def until_words(until: datetime, policy: Policy) -> str:
    """The end of a rule: a day alone where it ends with that day."""
    local = until.astimezone(policy.timetable.zone)
    if (local.hour, local.minute) == (0, 0):
        return f"the end of {(local - _DAY):%-d %B %Y}"
    return f"{local:%-d %B %Y, %H:%M}"


def _times(include: list[str], exclude: list[str]) -> Iterator[str]:
    if include:
        yield f"during {_and(include)}"
    if exclude:
        yield f"{'but ' if include else ''}not during {_and(exclude)}"


def _time(name: str, policy: Policy) -> str:
    return str(policy.timetable.schedule(name)) if name in policy.timetable.schedules else name.replace("-", " ")


def _group(name: str, policy: Policy) -> str:
    group = policy.groups.get(name)
    return group.title if group is not None and group.title else name


def _site(name: str, policy: Policy) -> str:
    site = policy.sites.get(name)
    return name if site is None else site.title


def _but(include: list[str], exclude: list[str]) -> str:
    return _and(include) + (f", but not {_and(exclude)}" if exclude else "")


def _and(items: list[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "nothing"
