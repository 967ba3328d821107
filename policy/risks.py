"""Which changes of a policy need a second person: what opens, unlocks, leaves unread, or is not surely harmless.

In come the policy as it is and as it would be; out come risks, in words; none means that its author may publish alone.
The rule: a change is risky unless it is plainly one that only closes, or opens a place somebody named, or only reads
differently. What is plain is decided by the shape of rules, never by trying hosts: a list may change tomorrow. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from categories.hosts import is_address, registrable_domain
from policy.client import Band
from policy.comparing import Stand, differing_fields, moved, schedules, standing
from policy.kinds import SIGNALLED, Kinds
from policy.model import Action, Tier
from policy.rows import ALLOW_ONLY, BAND_TITLES, STRICTNESS, People, Policy, Rule, Things, What, When, Who

CLOSED_BY_HAND = "always-blocked"
"""The category of what the school closed itself."""
_STRICT = {Action.BYPASS: 0, Action.ALLOW: 1, Action.WARN: 2, Action.BLOCK: 3}


@dataclass(frozen=True, slots=True)
class Risk:
    """One reason why a second person must agree."""

    name: str
    """Name of the rule, or of the part of the file."""
    words: str
    """Why, to follow the name."""


def risks(before: Policy, after: Policy) -> tuple[Risk, ...]:
    """Why the change needs a second person; nothing when it does not."""
    old, new = standing(before), standing(after)
    found = [*_around(before, after)]
    for name in new:
        words = _added(new[name], new, after) if name not in old else _changed(old[name], new[name], new, after)
        found += [Risk(name, one) for one in words]
    for name in old:
        if name not in new:
            found += [Risk(name, one) for one in _removed(old[name], new, after)]
    found += _order(_renamed(old, new), new, after)
    return tuple(dict.fromkeys(found))


def _renamed(old: Mapping[str, Stand], new: Mapping[str, Stand]) -> dict[str, Stand]:
    """The rules there were, by the names they have now: one that only got another name is the same rule."""
    fresh = {_content(stand): name for name, stand in new.items() if name not in old}
    return {(name if name in new else fresh.get(_content(stand), name)): stand for name, stand in old.items()}


def _content(stand: Stand) -> tuple[Rule, Tier, frozenset[str]]:
    return replace(stand.rule, name="", because=""), stand.tier, stand.sites


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether whatever the narrow rule fits, the wide one surely fits too; actions aside."""
    return (
        _people(wide.who, narrow.who)
        and _things(wide.what, narrow.what)
        and (not wide.where or (bool(narrow.where) and wide.where >= narrow.where))
        and _times(wide.when, narrow.when)
        and _lasts(wide.until, narrow.until)
    )


def _people(wide: Who, narrow: Who) -> bool:
    return _has_people(wide.include, narrow.include) and _has_people(narrow.exclude, wide.exclude)


def _has_people(all_of: People, these: People) -> bool:
    if all_of.everyone:
        return True
    sets = ("bands", "groups", "users", "devices", "sites")
    return not these.everyone and all(getattr(all_of, one) >= getattr(these, one) for one in sets)


def _things(wide: What, narrow: What) -> bool:
    return _has_things(wide.include, narrow.include) and _has_things(narrow.exclude, wide.exclude)


def _has_things(all_of: Things, these: Things) -> bool:
    if all_of.anything:
        return True
    if these.anything or (these.uncategorised and not all_of.uncategorised):
        return False
    sets = all(getattr(all_of, one) >= getattr(these, one) for one in ("categories", "hosts", "signals"))
    return sets and set(all_of.urls) >= set(these.urls)


def _times(wide: When, narrow: When) -> bool:
    during = not wide.include or (bool(narrow.include) and wide.include >= narrow.include)
    return during and wide.exclude <= narrow.exclude


def _lasts(wide: datetime | None, narrow: datetime | None) -> bool:
    return wide is None or (narrow is not None and wide >= narrow)


def _changed(was: Stand, now: Stand, stands: Mapping[str, Stand], policy: Policy) -> Iterator[str]:
    """Why one rule's change is risky."""
    old, new = was.rule, now.rule
    if replace(old, because="") == replace(new, because="") and (was.tier, was.sites) == (now.tier, now.sites):
        return
    if Action.BYPASS in {old.action, new.action}:
        yield "changes what passes without being read"
        return
    if (was.tier, was.sites) != (now.tier, now.sites) or _STRICT[new.action] < _STRICT[old.action]:
        yield from _removed(was, stands, policy)
        yield from _added(now, stands, policy)
        return
    if old.action in {Action.BLOCK, Action.WARN} and not covers(new, old):
        yield f"no longer {_deed(old)} all that it did"
    if old.action is Action.ALLOW and not (new.action is Action.ALLOW and covers(new, old)):
        yield from _removed(was, stands, policy)
    if not (new.action is old.action and covers(old, new)):
        yield from _added(now, stands, policy)
    if new.action is Action.ALLOW and (younger := _younger(old, new, policy)):
        yield f"lowers the age it opens for: now also {_and(younger)}"


def _removed(stand: Stand, stands: Mapping[str, Stand], policy: Policy) -> Iterator[str]:
    """Why taking a rule away is risky."""
    rule = stand.rule
    if rule.action in {Action.BLOCK, Action.WARN}:
        yield f"takes away a rule that {_deed(rule)}"
    elif rule.action is Action.BYPASS:
        yield "changes what passes without being read"
    elif Band.STAFF in _bands(rule, policy) and any(one.rule.action is Action.BYPASS for one in stands.values()):
        yield "may let what staff read here pass without being read"


def _added(stand: Stand, stands: Mapping[str, Stand], policy: Policy) -> Iterator[str]:
    """Why a rule as it now stands is risky."""
    rule = stand.rule
    if rule.action is Action.BYPASS:
        yield "lets connections pass without being read"
    elif rule.action is Action.BLOCK:
        if rule.what.include.anything:
            yield "closes everything it does not leave out"
    else:
        yield from _opens(stand, stands, policy)


def _opens(stand: Stand, stands: Mapping[str, Stand], policy: Policy) -> Iterator[str]:
    """Why a rule that opens, or warns, is risky where it stands."""
    rule, things = stand.rule, stand.rule.what.include
    danger = _danger(policy.kinds)
    if stand.tier is Tier.TRUST:
        yield "opens in tier TRUST, above every school's own rules"
    if things.anything or things.uncategorised or things.signals:
        yield "opens what nobody has named"
    if harmful := things.categories & danger:
        yield f"opens {_and(policy.kinds.title(name) for name in sorted(harmful))}"
    if wide := sorted(host for host in _places(things) if not registrable_domain(host) and not is_address(host)):
        yield f"opens every site below {_and(wide)}"
    closing = next((one.rule for one in stands.values() if _after(one, stand) and _closes(one, stand)), None)
    if closing is not None:
        yield f"opens what {closing.name} below it {_deed(closing)}"
    if not things.categories:
        return
    if young := _bands(rule, policy) & ALLOW_ONLY:
        yield f"opens a whole category for {_and(_titles(young))}, who see only what was chosen"
    below = [
        one for one in stands.values() if _after(one, stand) and _blocks(one.rule, danger) and not _apart(one, stand)
    ]
    if below:
        yield f"is read before {below[0].rule.name}, which closes harmful pages: a page may be both"


def _order(old: Mapping[str, Stand], new: Mapping[str, Stand], policy: Policy) -> Iterator[Risk]:
    """Rules that now come before a stricter one they came after."""
    both = [name for name in new if name in old]
    for name in moved(old, new):
        for other in both:
            first, second = sorted((name, other), key=lambda one: new[one].place)
            swapped = first != second and old[first].place > old[second].place
            if not swapped or _apart(new[first], new[second]):
                continue
            actions = [new[one].rule.action for one in (first, second)]
            unread = Action.BYPASS in actions and actions[0] is not actions[1]
            if unread or _STRICT[actions[0]] < _STRICT[actions[1]]:
                why = "and what passes unread changes" if unread else f"which {_deed(new[second].rule)}"
                yield Risk(first, f"is now read before {second}, {why}")


def _around(before: Policy, after: Policy) -> Iterator[Risk]:
    """What is risky beside the rules: everything that says who somebody is, where, and when."""
    was, now = before.timetable, after.timetable
    if (was.zone, was.calendar) != (now.zone, now.calendar):
        yield Risk("calendar", "changes when every rule with times holds")
    known, fresh = schedules(was, now)
    for name in sorted(known):
        if fresh.get(name) != known[name]:
            yield Risk(f"schedule {name}", "changes when rules hold")
    for name in sorted(before.groups.keys() | after.groups.keys()):
        old, new = before.groups.get(name), after.groups.get(name)
        bands = (None if old is None else old.band, None if new is None else new.band)
        if bands[0] is not bands[1] or (old is not None and new is None):
            yield Risk(f"group {name}", "settles another age band than before")
    for name in sorted(before.sites.keys() | after.sites.keys()):
        if name not in before.sites or name not in after.sites:
            yield Risk(f"site {name}", "comes or goes, and with it what holds there")
            continue
        one, two = before.sites[name].timetable, after.sites[name].timetable
        told, asked = schedules(one, two)
        if (one.zone, one.calendar) != (two.zone, two.calendar) or any(asked.get(key) != told[key] for key in told):
            yield Risk(f"site {name}", "changes when rules hold there")
    if before.safe_search_off_for != after.safe_search_off_for:
        yield Risk("safe_search", "changes whose searches are kept safe")
    for name in differing_fields(before, after):
        yield Risk(name, "differs, and that is not plainly harmless")


def _danger(kinds: Kinds) -> frozenset[str]:
    """Categories that open for nobody without a second person."""
    return kinds.statutory | kinds.harmful | kinds.circumvention | {SIGNALLED, CLOSED_BY_HAND}


def _blocks(rule: Rule, danger: frozenset[str]) -> bool:
    things = rule.what.include
    return rule.action is Action.BLOCK and (bool(things.signals) or not danger.isdisjoint(things.categories))


def _closes(below: Stand, above: Stand) -> bool:
    """Whether a row is stricter with what the one above it opens by the same word, or by one of the same site.

    A site that somebody named may be in any category: that it opens all the same is what it was named for.
    """
    if _STRICT[below.rule.action] <= _STRICT[above.rule.action] or _apart(below, above):
        return False
    opened, closed = above.rule.what.include, below.rule.what.include
    if not opened.categories.isdisjoint(closed.categories) or not opened.signals.isdisjoint(closed.signals):
        return True
    places = _places(opened)
    if any(_same_site(one, other) for one in places for other in _places(closed)):
        return True
    # Whole categories above a row that closes everything, and everything above whatever is closed.
    return opened.anything or (closed.anything and bool(opened.categories))


def _places(things: Things) -> set[str]:
    return {*things.hosts, *(url.host for url in things.urls)}


def _same_site(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _after(one: Stand, other: Stand) -> bool:
    return one.place > other.place


def _apart(one: Stand, other: Stand) -> bool:
    """Whether no request can ever meet both: they hold at different sites, or are for different age bands alone."""
    places = [stand.rule.where & stand.sites if stand.rule.where and stand.sites else stand.rule.where or stand.sites
              for stand in (one, other)]  # fmt: skip
    if places[0] and places[1] and places[0].isdisjoint(places[1]):
        return True
    people = [stand.rule.who.include for stand in (one, other)]
    if any(who.everyone or who.names_somebody or who.sites for who in people):
        return False
    return people[0].bands.isdisjoint(people[1].bands)


def _bands(rule: Rule, policy: Policy) -> frozenset[Band]:
    """Bands of whoever the rule may fit; every band where it names people by name or place."""
    people = rule.who.include
    by_group = {policy.groups[name].band for name in people.groups if name in policy.groups}
    if people.everyone or people.users or people.devices or people.sites or None in by_group:
        found = frozenset(Band)
    else:
        found = people.bands | {band for band in by_group if band is not None}
    return found - rule.who.exclude.bands


def _younger(old: Rule, new: Rule, policy: Policy) -> list[str]:
    """Bands it newly fits that are stricter than every one it fitted, in words."""
    had, has = _bands(old, policy), _bands(new, policy)
    order = {band: number for number, band in enumerate(STRICTNESS)}
    strictest = min((order[band] for band in had), default=len(order))
    return _titles(band for band in has if order[band] < strictest)


def _titles(bands: Iterable[Band]) -> list[str]:
    known = set(bands)
    return [BAND_TITLES[band] for band in STRICTNESS if band in known]


def _deed(rule: Rule) -> str:
    return "blocks" if rule.action is Action.BLOCK else "warns"


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)
