"""Rules that read well but cannot be meant are refused, or at least warned of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policy.rules import load_policy
from tests.policy.school import HEAD, TAXONOMY, at, rule_problems


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("what: [child-abuse], action: allow", "illegal content is LOCKED and nothing opens it"),
        ("what: [child-abuse], action: bypass", "illegal content is LOCKED and nothing opens it"),
        ("what: [help], action: block", "help sites are always open (B-53)"),
        ("what: [pornography], action: bypass", "would pass pornography without looking inside"),
        ("what: [vpn], action: bypass", "would pass vpn without looking inside"),
        ("action: bypass", "would pass whatever comes without looking inside"),
        ("what: ['url:bank.example/x'], action: bypass", "shows only its host | use `host:bank.example`"),
    ],
)
def test_what_only_built_in_rows_decide_is_refused(rule: str, said: str) -> None:
    """Nobody shall believe in a row that could never act."""
    found = rule_problems(rule)
    assert any(said in problem for problem in found), found


def test_a_rule_for_another_site_can_never_fit() -> None:
    """A policy of Oakwood decides nothing at Riverside."""
    found = rule_problems("where: [riverside], action: block", "tier: site\n  site: oakwood")
    assert any("can never fit" in problem for problem in found)
    found = rule_problems("who: ['site:riverside'], action: block", "tier: site\n  site: oakwood")
    assert any("can never fit" in problem for problem in found)


def test_a_rule_below_everything_and_a_rule_that_is_over_are_only_warned_of() -> None:
    """They harm nobody, but somebody should know."""
    text = (
        HEAD
        + "- tier: trust\n  rules:\n  - {rule: all, action: block}\n"
        + "  - {rule: late, action: allow, until: 2026-01-31}\n"
    )
    policy = load_policy(text, file="p.yaml", categories=TAXONOMY)
    assert [(w.line, "can never fit" in w.what) for w in policy.warnings] == [(10, True)]
    assert not policy.expired(at("2026-01-31 23:59"))  # that day included
    assert [w.line for w in policy.expired(datetime(2026, 2, 1, tzinfo=UTC))] == [10]
