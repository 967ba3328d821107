"""One-click decisions: what was asked and for whom in; rules of tier OVERRIDE in a policy out.

An override is a value made by a person and kept in the registry. Here it becomes a rule like any other, laid over the
policy file: below LOCKED and TRUST, above SITE and DEFAULT, the newest first. What it says to pupils is built here, so
that the reason a teacher gave stays between staff.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from categories.layered import whole_host
from categories.names import NameProblem, canonical_host, canonical_url
from policy.client import Band
from policy.kinds import meant_by
from policy.model import Action, Tier
from policy.problems import clip
from policy.rows import BAND_TITLES, People, Policy, Rule, RuleSet, Things, What, Who

OWNER = "one click"
"""Owner of the overrides in the policy."""
NAME = "override-"
"""How the rule of an override begins; its number follows."""
_DEEDS = {Action.ALLOW: "opened", Action.BLOCK: "closed"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Override:
    """One decision of a person: this, for them, until then."""

    id: int
    """Number in the registry; the newest is the highest."""
    action: Action
    """ALLOW or BLOCK; BYPASS passes unread what another rule allows, and opens nothing."""
    what: str
    """`host:games.example`, `url:https://tube.example/lessons` or `category:games`; canonical (`target`)."""
    site: str | None = None
    """Only at this site; None for every site."""
    group: str | None = None
    """Only for this group."""
    band: Band | None = None
    """Only for this band."""
    user: str | None = None
    """Only for this account, case-folded."""
    until: datetime | None = None
    """The moment from which it no longer holds; None until somebody ends it."""

    @property
    def name(self) -> str:
        """Name of its rule, in verdicts and records."""
        return f"{NAME}{self.id}"


def target(text: str, categories: Collection[str]) -> str:
    """What somebody means by `games.example`, `https://tube.example/lessons` or `category:games`, in one spelling.

    Raises `NameProblem` with what is wrong and what would have been right.
    """
    kind, colon, value = text.strip().partition(":")
    if colon and kind == "category":
        return f"category:{_category(value.strip(), categories)}"
    if colon and kind == "host":
        return f"host:{canonical_host(value.strip())}"
    url = canonical_url(value if colon and kind == "url" else text)
    if whole_host(text, url):
        return f"host:{url.host}"
    return f"url:{url}"


def _category(name: str, categories: Collection[str]) -> str:
    if name in categories:
        return name
    meant = meant_by(name, categories)
    raise NameProblem(f"there is no category {clip(name)!r}" + (f"; did you mean {meant!r}?" if meant else ""))


def with_overrides(policy: Policy, overrides: Iterable[Override]) -> Policy:
    """The policy with these decisions laid over it. Equal decisions give an equal digest, whatever their order."""
    newest = sorted(overrides, key=lambda override: -override.id)
    if not newest:
        return policy
    rules = tuple(rule_of(override, policy) for override in newest)
    said = repr([policy.digest, [pack(override) for override in newest]])
    return replace(
        policy,
        digest=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
        policies=(RuleSet(Tier.OVERRIDE, rules, OWNER), *policy.policies),
    )


def rule_of(override: Override, policy: Policy) -> Rule:
    """The rule of one decision."""
    return Rule(
        name=override.name,
        action=override.action,
        who=Who(_people(override)),
        what=What(_things(override.what)),
        where=frozenset() if override.site is None else frozenset({override.site}),
        until=override.until,
        because=sentence(override, policy),
    )


def sentence(override: Override, policy: Policy) -> str:
    """What the block page says of it: never the reason somebody gave, which may be about a child."""
    deed = _DEEDS.get(override.action, "closed")
    until = ""
    if override.until is not None:
        local = override.until.astimezone(policy.timetable_of(override.site).zone)
        until = f" until {local:%H:%M} on {local:%A} {local.day} {local:%B}"
    whom = scope(override, policy)
    if override.action is Action.BYPASS:
        return f"This refuses to be read, so a member of staff lets it pass unread for {whom}{until}."
    return f"A member of staff has {deed} this{'' if override.user else f' for {whom}'}{until}."


def scope(override: Override, policy: Policy) -> str:
    """For whom and where, in words."""
    group = policy.groups.get(override.group) if override.group is not None else None
    whom = override.user or (group.title if group else "") or override.group
    if whom is None:
        whom = "everybody" if override.band is None else BAND_TITLES[override.band]
    site = policy.sites.get(override.site) if override.site is not None else None
    return whom if override.site is None else f"{whom} at {site.title if site else override.site}"


def pack(override: Override) -> list[Any]:
    """An override as primitives, for the overlay."""
    until = None if override.until is None else (override.until - _EPOCH) // timedelta(microseconds=1)
    band = None if override.band is None else override.band.value
    return [
        override.id, override.action.value, override.what, override.site, override.group, band, override.user, until,
    ]  # fmt: skip


def unpack(rows: Sequence[Sequence[Any]]) -> tuple[Override, ...]:
    """The overrides of `pack`. Raises `ValueError`, `TypeError` or `NameProblem` for rows that are none."""
    return tuple(map(_override, rows))


def _override(row: Sequence[Any]) -> Override:
    number, action, what, site, group, band, user, until = row[:8]
    _things(what)  # a target that cannot be read must be met here, not while an engine is built
    return Override(
        int(number),
        Action(action),
        str(what),
        site,
        group,
        None if band is None else Band(band),
        user,
        None if until is None else _EPOCH + timedelta(microseconds=until),
    )


def _people(override: Override) -> People:
    if override.user is not None:
        return People(users=frozenset({override.user.casefold()}))
    if override.group is not None:
        return People(groups=frozenset({override.group}))
    if override.band is not None:
        return People(bands=frozenset({override.band}))
    return People(everyone=True)


def _things(what: str) -> Things:
    kind, _, value = what.partition(":")
    kinds: Mapping[str, Any] = {
        "host": lambda: Things(hosts=frozenset({canonical_host(value)})),
        "url": lambda: Things(urls=(canonical_url(value),)),
        "category": lambda: Things(categories=frozenset({value})),
    }
    if kind not in kinds:
        raise ValueError(f"{clip(what)!r} is no target of an override")
    things: Things = kinds[kind]()
    return things
