"""Reading policies: what is taken, and what is refused with file, line and what would have been right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.client import Band
from policy.model import Action, Tier
from policy.rules import PolicyErrors, load_policy
from tests.policy.school import HEAD, SCHOOL, TAXONOMY, at, refusal, rule_problems, school_policy


def test_a_whole_school_is_read() -> None:
    """Every part of the language comes out as a typed value."""
    policy = school_policy()
    assert policy.trust == "Example Learning Trust"
    assert policy.groups["year-4"].band is Band.KS2
    assert [ruleset.tier for ruleset in policy.policies] == [Tier.DEFAULT, Tier.SITE, Tier.OVERRIDE, Tier.TRUST]
    chess = next(rule for rule in policy.rules if rule.name == "oakwood-chess")
    assert chess.what.include.hosts == {"chess.example"}
    assert chess.when.include == {"lunch"}
    assert chess.action is Action.ALLOW
    assert SCHOOL.splitlines()[chess.line - 1].lstrip().startswith("- {rule: oakwood-chess")
    assembly = next(rule for rule in policy.rules if rule.name == "assembly")
    assert assembly.until == at("2026-11-24 09:50")


@pytest.mark.parametrize(
    ("policy", "rule", "said"),
    [
        ("tier: locked", "action: block", "LOCKED is built in"),
        ("tier: sites", "action: block", "unknown tier 'sites'"),
        ("tier: site", "action: block", "a policy of tier site needs `site`"),
        ("{tier: site, site: oakwod}", "action: block", "unknown site 'oakwod'"),
    ],
)
def test_a_wrong_tier_is_refused(policy: str, rule: str, said: str) -> None:
    """LOCKED is not for files, and a site's policy says whose it is."""
    body = policy.strip("{}").replace(", ", "\n  ")
    assert any(said in problem for problem in rule_problems(rule, body))


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    """One run of `validate` shows the whole work to do."""
    found = refusal(
        f"{HEAD}- tier: trust\n  rules:\n  - {{rule: a, what: [gams], action: blok}}\n  - {{rule: a, action: block}}\n"
    )
    assert [p.line for p in found] == [9, 9, 10]
    assert "used twice; first in line 9" in found[2].what
    assert all(p.file == "p.yaml" for p in found)


@pytest.mark.parametrize("name", ["locked-statutory", "help-always", "allow-only", "allow-the-rest"])
def test_built_in_names_are_taken(name: str) -> None:
    """A record that says `help-always` always means ours."""
    found = refusal(f"{HEAD}- tier: trust\n  rules:\n  - {{rule: {name}, action: block}}\n")
    assert "taken by a built-in row" in found[0].what


@given(st.text(max_size=400))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever is in a file, the answer is a policy or its problems."""
    try:
        load_policy("schoolgate: 1\n" + text, file="p.yaml", categories=TAXONOMY)
    except PolicyErrors as refused:
        assert refused.problems
