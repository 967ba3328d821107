"""What the trust's rules open or spare is the trust's to fill: no entry of a school loosens what the trust closes."""

from __future__ import annotations

import pytest

from categories.taxonomy import load_taxonomy
from policy.reserved import reserved_categories
from policy.rules import load_policy

POLICY = """
schoolgate: 1
trust: Example Trust
timezone: Europe/London
policies:
  - tier: {tier}
    rules:
      - {{rule: good, what: [wrongly-listed, not circumvention], action: allow}}
      - {{rule: young, what: [chat, not school-services], action: block}}
      - {{rule: private, what: [banking], action: bypass}}
      - {{rule: the-rest, action: allow}}
"""


@pytest.mark.parametrize(
    ("tier", "found"), [("trust", {"wrongly-listed", "school-services", "banking"}), ("default", set())]
)
def test_what_a_rule_of_the_trust_opens_or_spares(tier: str, found: set[str]) -> None:
    """A rule of the school itself reserves nothing: it is the school's to loosen."""
    policy = load_policy(POLICY.format(tier=tier), file="policy.yaml", categories=load_taxonomy())
    reserved = reserved_categories(policy)
    assert set(reserved) == found
    assert all("(TRUST)" in why for why in reserved.values())


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (("{rule: w, what: [forums], action: warn}", "{rule: b, what: [weapons], action: block}"), {"forums"}),
        (("{rule: b, what: [weapons], action: block}", "{rule: w, what: [forums], action: warn}"), set()),
        (("{rule: w, what: [forums, not education], action: warn}",), {"education"}),
    ],
)
def test_a_warning_before_a_block_opens(rules: tuple[str, ...], found: set[str]) -> None:
    """Who warns first does not block: an entry of a school in that category would turn the block into a warning."""
    head = POLICY.partition("      - ")[0].format(tier="trust")
    text = head + "".join(f"      - {rule}\n" for rule in rules)
    assert set(reserved_categories(load_policy(text, file="policy.yaml", categories=load_taxonomy()))) == found
