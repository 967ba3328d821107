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
    found: dict[str, str] = {}
    for ruleset in policy.policies:
        for rule in ruleset.rules if ruleset.tier is Tier.TRUST else ():
            for category in _loosened(rule):
                found.setdefault(
                    category, f"rule {rule.name!r} (TRUST) opens what is of it, so it is the trust's to fill"
                )
    return found


def _loosened(rule: Rule) -> frozenset[str]:
    opens = rule.action in {Action.ALLOW, Action.BYPASS}
    return (rule.what.include if opens else rule.what.exclude).categories
