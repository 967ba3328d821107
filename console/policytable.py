"""The policy as people read it: tier by tier, row by row, with the rows nobody can change.

A `Policy` and who looks in; rows as plain values out. The rules: whoever sees no names reads how many accounts a rule
names, not which; to a role of one site the policies of other sites are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from console.roles import Names, Viewer
from policy.builtinrows import help_rule, last_rule, locked_rule
from policy.client import Band
from policy.model import Tier
from policy.rows import ALLOW_ONLY, Policy, Rule
from policy.wording import words_of

TIERS: Mapping[Tier, tuple[str, str]] = {
    Tier.LOCKED: ("LOCKED", "Illegal content. No file, decision, role or reload changes it."),
    Tier.TRUST: ("TRUST", "What no school of the trust can open, not even with a decision."),
    Tier.OVERRIDE: ("OVERRIDE", "Decisions made with one click, which end by themselves."),
    Tier.SITE: ("SITE", "What one school chose for itself; it holds only there."),
    Tier.DEFAULT: ("DEFAULT", "What holds unless a row above says otherwise."),
}
"""Tiers in words, in reading order."""
NOBODY = "Nobody can change this."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows are asked for; empty means all."""

    tier: str = ""
    """Of this tier."""
    site: str = ""
    """That hold at this site."""
    band: str = ""
    """That may fit somebody of this band."""
    words: str = ""
    """That have these words in them."""

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.tier or self.site or self.band or self.words)


def sees_names(me: Viewer) -> bool:
    """Whether accounts and machines in rules are named: not to a role without names, nor to one of one site, who would
    read of people of another one."""
    return me.names is not Names.NEVER and me.site is None


def rows_of(policy: Policy, me: Viewer, wanted: Wanted) -> list[dict[str, Any]]:
    """Every row that is asked for, in reading order."""
    found = []
    for row in _all(policy, me):
        rule = row.pop("of")
        if _fits(rule, row, policy, wanted):
            found.append(row)
    return found


def _all(policy: Policy, me: Viewer) -> Iterator[dict[str, Any]]:
    yield _built_in(locked_rule(policy.kinds), Tier.LOCKED, policy)
    yield _built_in(help_rule(policy.kinds), Tier.TRUST, policy)
    names = sees_names(me)
    for tier in (Tier.TRUST, Tier.OVERRIDE, Tier.SITE, Tier.DEFAULT):
        for place, ruleset in enumerate(policy.policies):
            if ruleset.tier is not tier or (me.site is not None and tier is Tier.SITE and me.site not in ruleset.sites):
                continue
            for number, rule in enumerate(ruleset.rules):
                told = _row(rule, tier, policy, names=names or (tier is Tier.SITE and ruleset.sites == {me.site}))
                edges = {"first": number == 0, "last": number == len(ruleset.rules) - 1}
                yield told | edges | {"owner": ruleset.owner, "sites": sorted(ruleset.sites), "of": rule, "set": place}
    for band, words in ((Band.EYFS, "Early Years, Key Stage 1 and Key Stage 2"), (Band.KS3, "everybody else")):
        row = _built_in(last_rule(band), Tier.DEFAULT, policy)
        yield row | {"who": words, "what": "everything that no row above settled"}


def _row(rule: Rule, tier: Tier, policy: Policy, *, names: bool) -> dict[str, Any]:
    words = words_of(rule, policy, names=names)
    return {
        "rule": rule.name,
        "tier": tier.value,
        "action": rule.action.value,
        "who": words.who,
        "what": words.what,
        "where": words.where,
        "when": words.when,
        "does": words.action,
        "until": rule.until,
        "because": rule.because,
        "line": rule.line,
        "fixed": False,
    }


def _built_in(rule: Rule, tier: Tier, policy: Policy) -> dict[str, Any]:
    edges = {"first": True, "last": True, "owner": "built in", "sites": [], "fixed": True, "of": rule, "set": -1}
    return _row(rule, tier, policy, names=True) | edges


def _fits(rule: Rule, row: Mapping[str, Any], policy: Policy, wanted: Wanted) -> bool:
    if wanted.tier and row["tier"] != wanted.tier:
        return False
    elsewhere = (row["sites"] and wanted.site not in row["sites"]) or wanted.site not in (rule.where or {wanted.site})
    if wanted.site and elsewhere:
        return False
    if wanted.band and not _may_fit(rule, Band(wanted.band), policy, row):
        return False
    said = " ".join(str(row[name]) for name in ("rule", "who", "what", "where", "when", "because", "owner", "action"))
    said += " ".join((*rule.what.include.categories, *rule.what.exclude.categories, *rule.who.include.groups))
    return all(word in said.casefold() for word in wanted.words.casefold().split())


def _may_fit(rule: Rule, band: Band, policy: Policy, row: Mapping[str, Any]) -> bool:
    """Whether somebody of that band may meet the rule: by band, by a group of that band, or by name."""
    if row["fixed"] and row["tier"] == Tier.DEFAULT:
        return (band in ALLOW_ONLY) is (row["rule"] == last_rule(Band.EYFS).name)
    people = rule.who.include
    if band in rule.who.exclude.bands:
        return False
    by_group = {policy.groups[name].band for name in people.groups if name in policy.groups}
    named = bool(people.users or people.devices or people.sites)
    return people.everyone or band in people.bands or band in by_group or None in by_group or named
