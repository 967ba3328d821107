"""Which categories loosen what the trust closes: nobody at one school adds to them.

In comes a policy; out comes each such category with the trust's rule that heeds it. An entry in such a category would
open what a TRUST rule closes, and one click of one school must not. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from policy.model import Action, Tier
from policy.rows import Policy, Rule


def reserved_categories(policy: Policy) -> Mapping[str, str]:
    """Category to the reason why only the trust fills it: a TRUST rule opens it, or spares it when it closes others."""
    rules = [rule for ruleset in policy.policies if ruleset.tier is Tier.TRUST for rule in ruleset.rules]
    found: dict[str, str] = {}
    blocked = False
    for rule in reversed(rules):  # from below: a warning opens only what a later rule would block
        for category in _loosened(rule, blocked=blocked):
            found[category] = f"rule {rule.name!r} (TRUST) opens what is of it, so it is the trust's to fill"
        blocked |= rule.action is Action.BLOCK
    return found


def _loosened(rule: Rule, *, blocked: bool) -> frozenset[str]:
    """What an entry in it would loosen; `blocked` says that a rule of the trust below blocks something."""
    named, spared = rule.what.include.categories, rule.what.exclude.categories
    if rule.action is Action.WARN:
        return named | spared if blocked else spared
    return named if rule.action in {Action.ALLOW, Action.BYPASS} else spared
