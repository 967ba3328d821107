"""One rule: every word of it names something, or is refused with a suggestion."""

from __future__ import annotations

import pytest

from policy.model import Signal
from policy.rules import load_policy
from tests.policy.school import HEAD, TAXONOMY, at, rule_problems


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("what: [gamse], action: block", "unknown category 'gamse' | did you mean 'games'?"),
        ("what: [porn], action: block", "unknown category 'porn' | did you mean 'pornography'?"),
        ("what: [example.org], action: block", "unknown category 'example.org' | did you mean 'host:example.org'?"),
        ("what: ['host:exa mple'], action: block", "is not a host"),
        ("what: ['signal:ipliteral'], action: block", "unknown signal 'ipliteral' | did you mean 'ip-literal'?"),
        ("what: ['hots:x.org'], action: block", "unknown kind of thing 'hots' | did you mean 'host'?"),
        ("who: [ks22], action: block", "unknown band 'ks22' | did you mean 'ks2'?"),
        ("who: [year-4], action: block", "unknown band 'year-4' | did you mean 'group:year-4'?"),
        ("who: ['group:year4'], action: block", "unknown group 'year4' | did you mean 'year-4'?"),
        ("who: ['site:oakwod'], action: block", "unknown site 'oakwod' | did you mean 'oakwood'?"),
        ("where: [oakwod], action: block", "unknown site 'oakwod' | did you mean 'oakwood'?"),
        ("when: [lessons], action: block", "unknown schedule 'lessons' | did you mean 'lesson'?"),
        ("when: [mon-fri 25:00-26:00], action: block", "unknown schedule"),
        ("action: deny", "unknown action 'deny' | one of:"),
        ("what: [games]", "rule 'r' has no action | one of: allow"),
        ("acton: block, action: block", "unknown key in a rule: 'acton' | did you mean 'action'?"),
        ("action: block, until: tomorrow", "'tomorrow' is not a time | write 2026-12-01"),
        ("who: [], action: block", "rule 'r' can never fit: `who` is empty"),
        ("who: [ks1, not ks1], action: block", "can never fit: `who` leaves nobody"),
        ("what: [games, not games], action: block", "can never fit: `what` leaves nothing"),
        ("what: [not anything], action: block", "can never fit: `what` leaves nothing"),
        ("when: [lesson, not lesson], action: block", "can never fit: `when` leaves no time"),
    ],
)
def test_a_wrong_rule_is_refused_with_advice(rule: str, said: str) -> None:
    """The person who wrote it reads what is wrong and what would have been right."""
    found = rule_problems(rule)
    assert any(said in problem for problem in found), found


def test_times_are_text_and_not_sums() -> None:
    """YAML 1.1 reads an unquoted 12:10 as 730; we read what people wrote, quoted or not."""
    policy = load_policy(
        HEAD + "- {tier: trust, rules: [{rule: r, action: block, when: [mon 12:10-13:00]}]}",
        file="p",
        categories=TAXONOMY,
    )
    monday = at("2026-11-23 12:10")
    assert policy.timetable.holding(monday) >= {"mon 12:10-13:00"}
    assert policy.timetable_of("oakwood").holds("mon 12:10-13:00", monday)


def test_signals_and_negations_are_read() -> None:
    """`not` may stand before anything."""
    text = (
        HEAD
        + "- tier: trust\n  rules:\n  - {rule: r, who: [pupils, not group:year-4], action: block,\n"
        + "     what: ['signal:no-sni', 'not host:A.Example']}\n"
    )
    rule = load_policy(text, file="p", categories=TAXONOMY).rules[0]
    assert rule.what.include.signals == {Signal.NO_SNI}
    assert rule.what.exclude.hosts == {"a.example"}
    assert rule.who.exclude.groups == {"year-4"}
