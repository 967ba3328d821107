"""What an override does to those it is for: two engines in, without it and with it; an `Outlook` out.

For whom it decides, and for whom another rule decides all the same: so "I allowed it and it is still blocked" is told
before the click, with the rule that is in the way. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from categories.names import canonical_url
from identity.directory import Directory
from policy.builtinrows import HELP_ROW
from policy.client import Band, Client
from policy.engine import Engine
from policy.explain import Explanation
from policy.model import Action, Request, Stage, Tier, Verdict
from policy.overrides import Override
from policy.rows import BAND_TITLES, Policy

LOCKED = "this is on a statutory list (LOCKED): nothing and nobody opens it"
"""What is said wherever somebody tries."""
PROBE = "one-click.probe.invalid"
"""Host that stands for a category (RFC 2606: it is nobody's); the engines must know it as one of that category."""


READ_ALL_THE_SAME = (
    "this host is read all the same: a list calls it harmful or a way round the filter, or a rule or list names a page "
    "of it, which only shows inside"
)
"""Why a host that should pass unread does not."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the override is for."""

    client: Client
    """As the policy sees them."""
    words: str
    """In words: `Key Stage 2 at Oakwood Primary`."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to one of them."""

    person: Person
    """Who."""
    before: Verdict
    """Without the override."""
    after: Verdict
    """With it."""
    timed: bool = False
    """Whether the rule that decides now does so only at some times."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the override would do, all in all."""

    name: str
    """Name of its rule."""
    effects: tuple[Effect, ...]
    """For everybody it is for."""
    example: Explanation | None
    """The decision told in full, for one it decides for, else for one it does not."""
    unread: bool = False
    """Whether it is to pass what it is about unread."""

    @property
    def decides(self) -> tuple[Effect, ...]:
        """Those whose verdict it makes."""
        return tuple(effect for effect in self.effects if self._makes(effect.after))

    @property
    def elsewhere(self) -> tuple[Effect, ...]:
        """Those for whom another rule decides all the same."""
        return tuple(effect for effect in self.effects if not self._makes(effect.after))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why it must not be made: it would decide for nobody, and nothing but the policy itself can change that."""
        if self.decides or any(effect.timed for effect in self.effects):
            return ()
        return tuple(dict.fromkeys(self.why_not(effect.after) for effect in self.elsewhere))

    def why_not(self, verdict: Verdict) -> str:
        """Why it does not decide for one of those elsewhere."""
        return READ_ALL_THE_SAME if verdict.rule == self.name else in_the_way(verdict)

    def _makes(self, verdict: Verdict) -> bool:
        return verdict.rule == self.name and not (self.unread and verdict.action is not Action.BYPASS)


def in_the_way(verdict: Verdict) -> str:
    """Which rule decides all the same, and who could change it."""
    if verdict.tier is Tier.LOCKED:
        return LOCKED
    if verdict.rule == HELP_ROW:
        return "this is a help site, and help sites are open to everybody, always"
    named = f"rule {verdict.rule!r} ({'' if verdict.tier is None else verdict.tier.value.upper()})"
    return f"{named} decides: {verdict.because} Only whoever owns that rule can change it, in the policy"


def look(
    before: Engine, after: Engine, wanted: Override, policy: Policy, directory: Directory, at: datetime
) -> Outlook:
    """Ask the engine without `wanted` and the one with it, for everybody it is for."""
    unread = wanted.action is Action.BYPASS
    url = canonical_url(_url(wanted))
    request = Request(url, Stage.CONNECT, "CONNECT") if unread else Request(url)
    found: list[Effect] = []
    timed = {rule.name for rule in policy.rules if rule.until or rule.when.include or rule.when.exclude}
    for person in people(wanted, policy, directory):
        then = after.decide(request, person.client, at)
        found.append(Effect(person, before.decide(request, person.client, at), then, then.rule in timed))
    effects = tuple(found)
    return Outlook(wanted.name, effects, _example(after, request, effects, wanted, at), unread)


def people(wanted: Override, policy: Policy, directory: Directory) -> Iterator[Person]:
    """Everybody an override is for, by band and site."""
    if wanted.user is not None:
        known = directory.person(wanted.user)
        groups = frozenset() if known is None else known.groups
        band = policy.band_of_groups(groups) if known is None or known.band is None else Band(known.band)
        site = wanted.site or (None if known is None else known.site)
        client = _client(site, band, groups)
        yield Person(replace(client, user=wanted.user, source="override", verified=True), wanted.user)
        return
    groups = frozenset() if wanted.group is None else frozenset({wanted.group})
    settled = wanted.band or policy.band_of_groups(groups)
    sites: Iterable[str | None] = (wanted.site,) if wanted.site is not None else (None, *policy.sites)
    for site in sites:
        for band in Band if settled is None else (settled,):
            where = f" at {policy.sites[site].title}" if site in policy.sites and site is not None else ""
            yield Person(_client(site, band, groups), f"{BAND_TITLES[band]}{where}")


def _client(site: str | None, band: Band | None, groups: frozenset[str]) -> Client:
    if band is None:
        return Client(site=site, groups=groups)
    return Client(site=site, groups=groups, band=band, band_known=True)


def _url(wanted: Override) -> str:
    kind, _, value = wanted.what.partition(":")
    return {"host": f"https://{value}/", "url": value}.get(kind, f"https://{PROBE}/")


def _example(
    engine: Engine, request: Request, effects: tuple[Effect, ...], wanted: Override, at: datetime
) -> Explanation | None:
    if not effects:
        return None
    changed = [effect for effect in effects if effect.after.rule == wanted.name]
    turned = [effect for effect in changed if effect.before.blocked == (wanted.action is Action.ALLOW)]
    chosen = next(iter((*turned, *changed, *effects)))
    return engine.explain(request, chosen.person.client, at)
