"""Why, in one sentence: the author's words, else plain ones."""

from __future__ import annotations

import pytest

from policy.model import Reason
from tests.policy.school import PEOPLE as people
from tests.policy.school import SCHOOL, at, request, school_engine


def because(rule: str, who: str = "Year 8", url: str = "https://games.example", when: str = "2026-11-24 10:20") -> str:
    """The sentence for a page under a policy of one rule."""
    text = SCHOOL.partition("policies:")[0] + f"policies: [{{tier: trust, rules: [{{rule: r, {rule}}}]}}]"
    return school_engine(text).decide(request(url), people[who], at(when)).because


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("what: [games], action: block", "Games are blocked for everybody."),
        ("who: [ks3], what: [games], action: block", "Games are blocked for Key Stage 3."),
        ("who: [ks3], what: [games], when: [lesson], action: block",
         "Games are blocked for Key Stage 3 during lessons."),
        ("who: [ks3], what: [games], when: [not lunch], action: warn",
         "Games are open only after a warning for Key Stage 3 outside lunch."),
        ("who: [ks3], what: [games], action: allow", "Games are open for Key Stage 3."),
        ("who: [ks3], what: ['host:games.example'], action: block", "This site is blocked for Key Stage 3."),
        ("who: [ks3], action: block", "Everything that no earlier rule settles is blocked for Key Stage 3."),
        ("what: [games], action: block, because: Ask Ms Example.", "Ask Ms Example."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_for_whom_and_when(rule: str, sentence: str) -> None:
    """A teacher understands it without knowing the policy."""
    assert because(rule) == sentence


def test_a_group_is_called_by_its_title() -> None:
    """People know Year 4, not Key Stage 2."""
    assert because("who: ['group:year-4'], what: [games], action: block", "Year 4") == "Games are blocked for Year 4."


def test_grammar_follows_the_title() -> None:
    """`Gambling is`, `Games are`."""
    assert because("what: [social-media], action: block", url="https://social.example").startswith("Social media is ")
    assert "searched for belong to" in because(
        "what: [self-harm], action: block", url="https://google.com/search?q=sadness"
    )


def test_what_is_in_no_list_is_called_so() -> None:
    """Uncategorised, in words."""
    said = because("who: [ks3], what: [uncategorised], action: block", url="https://plain.example")
    assert said == "A site that is in no list is blocked for Key Stage 3."


def test_a_way_round_is_called_so_only_when_it_is_stopped() -> None:
    """A technician who may use a VPN attempts nothing."""
    text = (
        SCHOOL.partition("policies:")[0] + "policies: [{tier: trust, rules: [{rule: r, what: [vpn], action: ACTION}]}]"
    )
    reasons = [
        school_engine(text.replace("ACTION", action))
        .decide(request("https://vpn.example"), people["a teacher"], at("2026-11-24 10:20"))
        .reason
        for action in ("block", "warn", "allow")
    ]
    assert reasons == [Reason.CIRCUMVENTION, Reason.CIRCUMVENTION, Reason.RULE]
