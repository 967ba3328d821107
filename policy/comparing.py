"""What differs between two policies, in words: `now also for Key Stage 3`.

In come the policy as it is and as it would be; out come changes, rule by rule in reading order, then everything around
the rules. Whether a change is risky is `policy.risks`' to say. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

from policy.model import Tier
from policy.rows import BAND_TITLES, Policy, Rule, RuleSet
from policy.schedule import Schedule, Timetable
from policy.sections import day_range, time_range
from policy.wording import DEEDS, people_items, thing_items, until_words, where_words, words_of

_KNOWN = frozenset(
    ("file", "digest", "trust", "timetable", "groups", "sites", "policies", "safe_search_off_for", "kinds", "warnings")
)
"""Fields of a policy that are compared one by one, or say nothing."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A rule where it stands."""

    rule: Rule
    """The rule, without its line: the same rule further down is the same."""
    tier: Tier
    """Its tier."""
    sites: frozenset[str]
    """Sites its policy covers; empty means all."""
    place: int
    """Its place in reading order, over all sites."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    kind: str
    """`added`, `removed`, `changed`, `moved` or `around` (what is no rule)."""
    name: str
    """Name of the rule, or of the part of the file."""
    words: tuple[str, ...]
    """What differs, in sentences without a full stop."""
    tier: Tier | None = None
    """Tier of the rule; None for what is no rule."""
    sites: frozenset[str] = frozenset()
    """Sites of its policy, before and after; empty means all."""


def standing(policy: Policy) -> Mapping[str, Stand]:
    """Every rule of the file by name, in reading order."""
    found: dict[str, Stand] = {}
    for tier in Tier:
        for ruleset in policy.policies:
            if ruleset.tier is tier:
                for rule in ruleset.rules:
                    found[rule.name] = Stand(replace(rule, line=0), tier, ruleset.sites, len(found))
    return found


def compare(before: Policy, after: Policy, *, names: bool = True) -> tuple[Change, ...]:
    """Everything that differs; `names`: whether accounts and machines are named."""
    old, new = standing(before), standing(after)
    displaced = moved(old, new)
    found: list[Change] = []
    for name, stand in new.items():
        if name not in old:
            found.append(Change("added", name, (words_of(stand.rule, after, names=names).sentence[:-1],),
                                stand.tier, stand.sites))  # fmt: skip
            continue
        words = tuple(_changed(old[name], stand, before, after, names=names))
        kind = "changed" if words else "moved"
        if name in displaced:
            words += (f"now stands {_place(name, new)}",)
        if words:
            sites = stand.sites | old[name].sites if stand.sites and old[name].sites else frozenset()
            found.append(Change(kind, name, words, stand.tier, sites))
    for name, stand in old.items():
        if name not in new:
            found.append(Change("removed", name, (words_of(stand.rule, before, names=names).sentence[:-1],),
                                stand.tier, stand.sites))  # fmt: skip
    return (*found, *_around(before, after))


def differing_fields(before: Policy, after: Policy) -> list[str]:
    """Parts of the file that nothing here compares better: what the language learns later is never overlooked."""
    names = (field.name for field in fields(Policy))
    return [name for name in names if name not in _KNOWN and getattr(before, name) != getattr(after, name)]


def confined(changes: tuple[Change, ...], site: str) -> bool:
    """Whether all of it is the business of one site alone: rules of that site's own policy."""
    return all(change.tier is Tier.SITE and change.sites == {site} for change in changes)


def _changed(old: Stand, new: Stand, before: Policy, after: Policy, *, names: bool) -> Iterator[str]:
    was, now = old.rule, new.rule
    if old.tier is not new.tier or old.sites != new.sites:
        yield f"moved from {_whose(old, before)} to {_whose(new, after)}"
    if was.action is not now.action:
        yield f"is {DEEDS[now.action]} instead of {DEEDS[was.action]}"
    yield from _list("for", was.who, now.who, lambda people: people_items(people, after, names=names))
    yield from _list("about", was.what, now.what, lambda things: thing_items(things, after.kinds))
    if was.where != now.where:
        yield f"holds {_at(where_words(now.where, after))} instead of {_at(where_words(was.where, before))}"
    yield from _list("during", was.when, now.when, lambda times: sorted(times) or ["every time"])
    if was.until != now.until:
        yield f"ends {_end(now, after)} instead of {_end(was, before)}"
    if was.because != now.because:
        yield f"says “{now.because or 'a sentence of its own making'}”"


def _list(word: str, was: object, now: object, items: Callable[..., list[str]]) -> Iterator[str]:
    """How one list with its exceptions changed."""
    for side, more, less in (("include", "now also", "no longer"), ("exclude", "no longer", "now also")):
        old, new = items(getattr(was, side)), items(getattr(now, side))
        if side == "exclude":
            old, new = [one for one in old if one != "every time"], [one for one in new if one != "every time"]
        if added := [one for one in new if one not in old]:
            yield f"is {more} {word} {', '.join(added)}"
        if gone := [one for one in old if one not in new]:
            yield f"is {less} {word} {', '.join(gone)}"


def moved(old: Mapping[str, Stand], new: Mapping[str, Stand]) -> frozenset[str]:
    """The fewest rules that, taken out, leave the rest in the order they had (longest increasing subsequence)."""
    both = [name for name in new if name in old]
    places = [old[name].place for name in both]
    ends: list[int] = []
    """For each length, the number of the rule that ends the run of that length with the lowest place."""
    before: list[int] = []
    """For each rule, the number of the one before it in its longest run."""
    for number, place in enumerate(places):
        length = bisect_left(ends, place, key=lambda end: places[end])
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [number]
    kept, at = set[str](), ends[-1] if ends else -1
    while at >= 0:
        kept.add(both[at])
        at = before[at]
    return frozenset(name for name in both if name not in kept)


def _place(name: str, stands: Mapping[str, Stand]) -> str:
    names = list(stands)
    number = names.index(name)
    beside = stands[names[number - 1]] if number else None
    own = stands[name]
    if beside is None or (beside.tier, beside.sites) != (own.tier, own.sites):
        return "first of its policy"
    return f"after {names[number - 1]}"


def _whose(stand: Stand, policy: Policy) -> str:
    return f"tier {stand.tier.value}" + (f" {where_words(stand.sites, policy)}" if stand.sites else "")


def _at(words: str) -> str:
    return "at every site" if words == "every site" else words


def _end(rule: Rule, policy: Policy) -> str:
    return "never" if rule.until is None else until_words(rule.until, policy)


def _around(before: Policy, after: Policy) -> Iterator[Change]:
    """What differs beside the rules."""
    if before.trust != after.trust:
        yield Change("around", "trust", (f"the trust is called “{after.trust}”",))
    was, now = before.timetable, after.timetable
    if was.zone != now.zone:
        yield Change("around", "timezone", (f"clocks are those of {now.zone} instead of {was.zone}",))
    if was.calendar != now.calendar:
        yield Change("around", "calendar", ("terms or closed days differ",))
    yield from _named("schedule", *schedules(was, now))
    yield from _named("group", before.groups, after.groups, lambda group: (
        f"settles {BAND_TITLES[group.band] if group.band else 'no band'}"))  # fmt: skip
    yield from _named("site", *_places(before, after))
    if before.safe_search_off_for != after.safe_search_off_for:
        names = ", ".join(sorted(after.safe_search_off_for)) or "nobody"
        yield Change("around", "safe_search", (f"searches are not kept safe for: {names}",))
    for name in differing_fields(before, after):
        yield Change("around", name, (f"{name} differs",))
    if (owners := _owners(after)) != _owners(before):
        yield Change("around", "policies", (f"policies and their owners: {owners}",))


def _named[T](
    kind: str, old: Mapping[str, T], new: Mapping[str, T], say: Callable[[T], str] = lambda _: ""
) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            words = f"{kind} {name} is new" + (f" and {say(new[name])}" if say(new[name]) else "")
        elif name not in new:
            words = f"{kind} {name} is gone"
        elif old[name] != new[name]:
            words = f"{kind} {name} differs" + (f" and {say(new[name])}" if say(new[name]) else "")
        else:
            continue
        yield Change("around", f"{kind}:{name}", (words,))


def schedules(was: Timetable, now: Timetable) -> tuple[Mapping[str, Schedule], Mapping[str, Schedule]]:
    """The schedules that the file names, before and after, and every other of which one name means two times."""
    known, fresh = dict(written(was)), dict(written(now))
    for name, one in was.schedules.items():
        other = now.schedules.get(name)
        if other is not None and other != one:
            known[name], fresh[name] = one, other
    return known, fresh


def written(timetable: Timetable) -> Mapping[str, Schedule]:
    """The schedules that the file names; those written out inside rules change with their rules."""

    def inside(one: Schedule) -> bool:
        parts = one.name.replace(",", " ").split()
        return one.title == one.name and all(day_range(part) or time_range(part) for part in parts)

    return {name: one for name, one in timetable.schedules.items() if not inside(one)}


def _places(before: Policy, after: Policy) -> tuple[Mapping[str, object], Mapping[str, object]]:
    found: tuple[dict[str, object], dict[str, object]] = ({}, {})
    for name in before.sites.keys() | after.sites.keys():
        old, new = before.sites.get(name), after.sites.get(name)
        times = schedules((old or new).timetable, (new or old).timetable)  # type: ignore[union-attr]
        for side, one, told in zip(found, (old, new), times, strict=True):
            if one is not None:
                side[name] = (one.title, one.timetable.zone, one.timetable.calendar, told)
    return found


def _owners(policy: Policy) -> str:
    return "; ".join(f"{_ruleset(one)}: {one.owner or 'nobody named'}" for one in policy.policies)


def _ruleset(one: RuleSet) -> str:
    return one.tier.value + (f" ({', '.join(sorted(one.sites))})" if one.sites else "")
