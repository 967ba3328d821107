"""Rules that read well but cannot be meant: found when the file is loaded, not when a lesson breaks.

In comes a rule and where it stands; out go problems. What only LOCKED or the help rule may decide is refused here, so
that nobody believes a row that could never act (design §5.3, B-53).
"""

from __future__ import annotations

from policy.kinds import SIGNALLED, Kinds
from policy.model import Action
from policy.problems import Problems
from policy.rows import Rule, What, When, Who


def check_rule(rule: Rule, sites: frozenset[str], kinds: Kinds, problems: Problems) -> None:
    """Note what is wrong with a rule of a policy that covers `sites` (empty: every site)."""
    _check_place(rule, sites, problems)
    _check_statutory(rule, kinds, problems)
    _check_help(rule, kinds, problems)
    if rule.action is Action.BYPASS:
        _check_bypass(rule, kinds, problems)


def _check_place(rule: Rule, sites: frozenset[str], problems: Problems) -> None:
    reach = sites & rule.where if sites and rule.where else sites or rule.where
    what = f"rule {rule.name!r} can never fit:"
    if sites and rule.where and not reach:
        problems.error(
            rule.line, f"{what} its policy is for {_and(sites)}, its `where` for {_and(rule.where)}", "drop `where`"
        )
        return
    people = rule.who.include
    only_sites = people.sites and not (people.everyone or people.bands or people.names_somebody)
    if reach and only_sites and not people.sites & reach:
        problems.error(
            rule.line, f"{what} it holds at {_and(reach)}, its `who` names {_and(people.sites)}", "drop the site"
        )
    if reach and reach <= rule.who.exclude.sites:
        problems.error(rule.line, f"{what} its `who` excludes {_and(reach)}", "drop the `not`")


def _check_statutory(rule: Rule, kinds: Kinds, problems: Problems) -> None:
    named = rule.what.include.categories & kinds.statutory
    if named and rule.action is not Action.BLOCK:
        what = f"rule {rule.name!r} would {rule.action} {_and(named)}: illegal content is LOCKED and nothing opens it"
        problems.error(rule.line, what, "take the category out")


def _check_help(rule: Rule, kinds: Kinds, problems: Problems) -> None:
    named = rule.what.include.categories & kinds.help
    if named and rule.action in {Action.BLOCK, Action.WARN}:
        what = f"rule {rule.name!r} can never fit for {_and(named)}: help sites are always open (B-53)"
        problems.error(rule.line, what, "take the category out")


def _check_bypass(rule: Rule, kinds: Kinds, problems: Problems) -> None:
    things = rule.what.include
    if things.anything or things.uncategorised or things.signals:
        what = f"rule {rule.name!r} would pass whatever comes without looking inside"
        problems.error(rule.line, what, "name the categories or hosts in `what`")
    risky = things.categories & (kinds.harmful | kinds.circumvention | {SIGNALLED})
    if risky:
        what = f"rule {rule.name!r} would pass {_and(risky)} without looking inside"
        problems.error(rule.line, what, "use `action: allow`, which inspects")
    if things.urls:
        what = f"rule {rule.name!r} bypasses a url, but what is not decrypted shows only its host"
        problems.error(rule.line, what, f"use `host:{things.urls[0].host}`")


def warn_shadowed(rules: list[Rule], problems: Problems) -> None:
    """Note rows that stand below one that fits everybody, everything and always."""
    for position, rule in enumerate(rules[:-1]):
        plain = rule.who == Who() and rule.what == What() and rule.when == When() and rule.until is None
        if plain and not rule.where:
            below = rules[position + 1]
            what = f"rule {below.name!r} can never fit: {rule.name!r} above it (line {rule.line}) fits everything"
            problems.warn(below.line, what, "move it up")
            return


def _and(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))
