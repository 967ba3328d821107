"""The policy file: text in, one checked `Policy` out, or every problem at once.

This is the door for reading policies. The language is described in docs/policy.md. Pure: no file is opened here, and no
clock is asked (rules that are over are told by `Policy.expired`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from policy.builtinrows import BUILT_IN_NAMES
from policy.checks import check_rule, warn_shadowed
from policy.client import Band
from policy.kinds import kinds_of
from policy.model import Tier
from policy.problems import PolicyErrors, PolicyProblem, Problems, clip
from policy.reading import Fields, Node, read_nodes
from policy.rows import Group, Policy, Rule, RuleSet, Site
from policy.rulereader import Names, RuleReader
from policy.schedule import Calendar, Schedule, Timetable
from policy.sections import Sections

__all__ = ["BUILT_IN_NAMES", "LANGUAGE", "Policy", "PolicyErrors", "PolicyProblem", "Rule", "load_policy"]

LANGUAGE = "1"
"""Version of the policy language this reads."""

_KEYS = ("schoolgate", "trust", "timezone", "calendar", "schedules", "groups", "sites", "safe_search",
         "page_limits", "policies")  # fmt: skip
_TIERS = (Tier.TRUST, Tier.OVERRIDE, Tier.SITE, Tier.DEFAULT)
_LONDON = ZoneInfo("Europe/London")


def load_policy(text: str, *, file: str, categories: Collection[str]) -> Policy:
    """Read and check a policy file.

    `categories` is the taxonomy: every known category and its kind. Raises `PolicyErrors` with every problem, each with
    line and suggestion; never anything else, whatever the text is.
    """
    problems = Problems(file)
    root = read_nodes(text, problems)
    policy = None if root is None else _Reader(problems, categories).policy(root, text)
    if policy is None or problems.errors:
        raise PolicyErrors(tuple(sorted(problems.errors, key=lambda problem: problem.line)))
    return replace(policy, warnings=tuple(problems.warnings))


class _Reader:
    """Reads one file from the outside in."""

    def __init__(self, problems: Problems, categories: Collection[str]) -> None:
        self.problems = problems
        self.sections = Sections(problems)
        self.categories = categories
        self.kinds = kinds_of(categories)
        self.seen: dict[str, int] = {}
        """Rule names and their lines."""

    def policy(self, root: Fields, text: str) -> Policy:
        fields = self.sections.fields(root, "the policy", _KEYS)
        version = self.sections.text(fields.get("schoolgate"), "schoolgate")
        if version != LANGUAGE:
            said = f"language version {clip(version)!r} is unknown" if version else "the language version is missing"
            self.problems.error(root.lines.get("schoolgate", root.line), said, f"write `schoolgate: {LANGUAGE}` first")
        trust = Timetable(
            self.sections.zone(fields.get("timezone"), _LONDON),
            self.sections.calendar(fields.get("calendar"), Calendar()),
            self.sections.schedules(fields.get("schedules"), {}),
        )
        groups = self.sections.groups(fields.get("groups"))
        sites = self.sections.sites(fields.get("sites"), trust)
        self.sections.check_calendars(fields.get("schedules"), trust, sites)
        names = Names(self.categories, self.kinds, groups, sites, trust.schedules, trust.zone)
        rulesets = self._policies(fields.get("policies"), RuleReader(self.sections, names))
        return Policy(
            file=self.problems.file,
            digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            trust=self.sections.text(fields.get("trust"), "trust"),
            timetable=_with_inline(trust, names.inline),
            groups=groups,
            sites={n: replace(site, timetable=_with_inline(site.timetable, names.inline)) for n, site in sites.items()},
            policies=rulesets,
            safe_search_off_for=self._safe_search(fields.get("safe_search"), groups),
            page_limits=self.sections.page_limits(fields.get("page_limits")),
            kinds=self.kinds,
        )

    def _safe_search(self, node: Node | None, groups: Mapping[str, Group]) -> frozenset[str]:
        """Groups for which SafeSearch is not forced: of staff, and nobody else (D-24)."""
        fields = self.sections.fields(node, "safe_search", ("off_for",))
        found = set()
        for text in self.sections.texts(fields.get("off_for"), "off_for"):
            name = text.value.removeprefix("group:").strip()
            group = groups.get(name)
            if group is None or not text.value.startswith("group:"):
                self.problems.unknown(text.line, "group", name, groups)
            elif group.band is not Band.STAFF:
                what = f"safe search is locked for {name!r}, which is no group of staff"
                self.problems.error(text.line, what, "name groups with `band: staff`")
            found.add(name)
        return frozenset(found)

    def _policies(self, node: Node | None, reader: RuleReader) -> tuple[RuleSet, ...]:
        rulesets = (self._ruleset(item, reader) for item in self.sections.listed(node, "policies"))
        return tuple(ruleset for ruleset in rulesets if ruleset is not None)

    def _ruleset(self, node: Node, reader: RuleReader) -> RuleSet | None:
        fields = self.sections.fields(node, "a policy", ("tier", "owner", "site", "rules"))
        if not fields:
            self.problems.error(
                node.line, "a policy needs `tier` and `rules`", "- {tier: site, site: oakwood, rules: [...]}"
            )
            return None
        tier = self._tier(node, fields.get("tier"))
        sites = self._sites(node, tier, fields.get("site"), reader.names.sites)
        rules = [rule for item in self.sections.listed(fields.get("rules"), "rules") if (rule := reader.rule(item))]
        for rule in rules:
            self._note_name(rule)
            check_rule(rule, sites, self.kinds, self.problems)
        warn_shadowed(rules, self.problems)
        return (
            None
            if tier is None
            else RuleSet(tier, tuple(rules), self.sections.text(fields.get("owner"), "owner"), sites)
        )

    def _tier(self, node: Node, value: Node | None) -> Tier | None:
        word = self.sections.text(value, "tier").lower()
        line = node.line if value is None else value.line
        if word == Tier.LOCKED:
            self.problems.error(line, "LOCKED is built in: no file can write or change it", "use `tier: trust`")
        elif word not in _TIERS:
            what = f"unknown tier {clip(word)!r}" if word else "a policy needs a tier"
            self.problems.error(line, what, f"one of: {', '.join(_TIERS)}")
        return Tier(word) if word in _TIERS else None

    def _sites(self, node: Node, tier: Tier | None, value: Node | None, known: Mapping[str, Site]) -> frozenset[str]:
        texts = self.sections.texts(value, "site")
        if tier is Tier.SITE and not texts:
            self.problems.error(node.line, "a policy of tier site needs `site`", f"one of: {', '.join(sorted(known))}")
        if tier not in {None, Tier.SITE} and texts:
            advice = "use `tier: site`, or `where` in its rules"
            self.problems.error(texts[0].line, f"a policy of tier {tier} covers every site", advice)
        for text in texts:
            if text.value not in known:
                self.problems.unknown(text.line, "site", text.value, known)
        return frozenset(text.value for text in texts)

    def _note_name(self, rule: Rule) -> None:
        if rule.name in BUILT_IN_NAMES:
            self.problems.error(rule.line, f"rule name {rule.name!r} is taken by a built-in row", "choose another name")
        elif rule.name in self.seen:
            what = f"rule name {rule.name!r} is used twice; first in line {self.seen[rule.name]}"
            self.problems.error(rule.line, what, "every rule needs its own name: records and reports go by it")
        self.seen.setdefault(rule.name, rule.line)


def _with_inline(timetable: Timetable, inline: Mapping[str, Schedule]) -> Timetable:
    return replace(timetable, schedules={**timetable.schedules, **inline})
