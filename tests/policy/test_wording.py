"""A rule in words."""

from __future__ import annotations

import pytest

from policy.model import Action, Signal
from policy.rows import Policy
from policy.rules import load_policy
from policy.wording import DEEDS, SIGNALS, words_of
from tests.policy.school import TAXONOMY

HEAD = """schoolgate: 1
schedules: {lesson: {times: ["08:50-10:30"], title: lessons}, lunch: {times: ["12:10-13:10"]}}
groups: {year-7: {band: ks3, title: Year 7}, esports: {}}
sites: {oakwood: {title: Oakwood Primary}, hillview: {}}
policies:
  - tier: default
    rules:
      - {rule: one, action: block, %s}
"""


def read(rule: str) -> Policy:
    return load_policy(HEAD % rule, file="t", categories=TAXONOMY)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("what: [games]", "Games: closed for everybody."),
        ("who: [ks3, ks4, 'not group:esports'], when: [lesson, not lunch]",
         "Everything: closed for Key Stage 3 and Key Stage 4, but not esports, during lessons but not during lunch."),
        ("who: [pupils, group:year-7, 'site:oakwood']",
         "Everything: closed for pupils, Year 7 and whoever is at Oakwood Primary."),
        ("what: ['host:a.example', 'url:b.example/c', uncategorised, 'signal:no-sni'], where: [oakwood, hillview]",
         "Sites in no list, a.example, http://b.example/c and a connection that names no site: closed for everybody, "
         "at hillview and Oakwood Primary."),
        ("what: [anything], until: 2026-12-01", "Everything: closed for everybody, until the end of 1 December 2026."),
        ("what: [anything], until: '2026-12-01T15:00'", 
         "Everything: closed for everybody, until 1 December 2026, 15:00."),
        ("when: ['mon-fri 09:00-12:00']", "Everything: closed for everybody, during mon-fri 09:00-12:00."),
    ],
)  # fmt: skip
def test_a_rule_is_read_as_a_sentence(rule: str, says: str) -> None:
    policy = read(rule)
    assert words_of(policy.rules[0], policy).sentence == says


def test_whoever_sees_no_names_is_told_how_many() -> None:
    policy = read("who: ['user:dana', 'user:sam', 'device:lab-1', ks3]")
    assert words_of(policy.rules[0], policy).who == "Key Stage 3, account dana, account sam and machine lab-1"
    assert words_of(policy.rules[0], policy, names=False).who == "Key Stage 3, 2 accounts and 1 machine"


def test_every_action_and_form_of_a_request_has_words() -> None:
    assert set(DEEDS) == set(Action)
    assert set(SIGNALS) == set(Signal)
