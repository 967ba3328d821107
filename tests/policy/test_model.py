"""The door objects: what a verdict says of itself."""

from __future__ import annotations

import pytest

from categories.model import EntryKind, Match
from policy.client import Band
from policy.model import Action, Outranked, Reason, Stage, Tier, Verdict


@pytest.mark.parametrize(
    ("action", "blocked"),
    [(Action.ALLOW, False), (Action.BYPASS, False), (Action.WARN, True), (Action.BLOCK, True)],
)
def test_blocked_means_the_user_does_not_get_the_page(action: Action, blocked: bool) -> None:
    """A warning not yet gone past is blocked."""
    assert Verdict(action, Reason.RULE, "why").blocked is blocked


def test_categories_are_told_once_in_the_order_of_the_matches() -> None:
    """The most specific comes first."""
    matches = tuple(Match(c, "l", c, 1, EntryKind.DOMAIN) for c in ("games", "video", "games"))
    assert Verdict(Action.ALLOW, Reason.DEFAULT, "why", matches=matches).categories == ("games", "video")


def test_a_verdict_can_be_said_to_be_of_another_stage() -> None:
    """And stays the same otherwise."""
    verdict = Verdict(Action.ALLOW, Reason.DEFAULT, "why")
    later = verdict.at_stage(Stage.RESPONSE)
    assert (later.stage, later.because, verdict.stage) == (Stage.RESPONSE, "why", Stage.REQUEST)


def test_other_evidence_changes_nothing_else() -> None:
    """Every field but the evidence is kept, those somebody adds later too."""
    first, other = (Match("games", "l", entry, 1, EntryKind.DOMAIN) for entry in ("a.example", "b.example"))
    verdict = Verdict(
        Action.BLOCK, Reason.RULE, "why", Tier.SITE, "games", "games", first, (first,),
        (Outranked(Tier.DEFAULT, "rest", Action.ALLOW),), Band.KS3, ("words",), Stage.RESPONSE, "r1", True,
    )  # fmt: skip
    unlike = [name for name, usual in Verdict._field_defaults.items() if getattr(verdict, name) == usual]
    assert unlike == [], "give this test's verdict a value of its own for every field"
    assert verdict.with_evidence(other, (other,)) == verdict._replace(match=other, matches=(other,))
