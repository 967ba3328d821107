"""Reading policies: what is taken, and what is refused with file, line and what would have been right."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.client import Band
from policy.model import Action, Signal, Tier
from policy.reading import MAX_CHARACTERS
from policy.rules import PolicyErrors, PolicyProblem, load_policy
from tests.policy.school import SCHOOL, TAXONOMY, at, school_policy

HEAD = """schoolgate: 1
calendar: {terms: [{from: 2026-09-02, to: 2026-12-18}]}
schedules: {lesson: {in: term, times: [08:50-10:30]}}
groups: {year-4: {band: ks2}}
sites: {oakwood: {title: Oakwood}, riverside: {title: Riverside}}
policies:
"""


def problems(text: str) -> tuple[PolicyProblem, ...]:
    """Everything wrong with a policy."""
    with pytest.raises(PolicyErrors) as refused:
        load_policy(text, file="p.yaml", categories=TAXONOMY)
    return refused.value.problems


def rule_problems(rule: str, policy: str = "tier: trust") -> list[str]:
    """Everything wrong with one rule."""
    return [f"{p.what} | {p.instead}" for p in problems(f"{HEAD}- {policy}\n  rules:\n  - {{rule: r, {rule}}}\n")]


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


def test_a_site_overrides_only_what_it_names() -> None:
    """Oakwood's lunch is at another time, on the same days and in the same terms."""
    policy = school_policy()
    ours, theirs = policy.timetable_of("oakwood").schedule("lunch"), policy.timetable_of("riverside").schedule("lunch")
    assert ours.periods != theirs.periods
    assert (ours.days, ours.within) == (theirs.days, theirs.within)
    assert policy.timetable_of("nowhere") is policy.timetable


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
        ("what: [child-abuse], action: allow", "illegal content is LOCKED and nothing opens it"),
        ("what: [child-abuse], action: bypass", "illegal content is LOCKED and nothing opens it"),
        ("what: [help], action: block", "help sites are always open (B-53)"),
        ("what: [pornography], action: bypass", "would pass pornography without looking inside"),
        ("what: [vpn], action: bypass", "would pass vpn without looking inside"),
        ("action: bypass", "would pass whatever comes without looking inside"),
        ("what: ['url:bank.example/x'], action: bypass", "shows only its host | use `host:bank.example`"),
    ],
)
def test_a_wrong_rule_is_refused_with_advice(rule: str, said: str) -> None:
    """The person who wrote it reads what is wrong and what would have been right."""
    found = rule_problems(rule)
    assert any(said in problem for problem in found), found


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


def test_a_rule_for_another_site_can_never_fit() -> None:
    """A policy of Oakwood decides nothing at Riverside."""
    found = rule_problems("where: [riverside], action: block", "tier: site\n  site: oakwood")
    assert any("can never fit" in problem for problem in found)
    found = rule_problems("who: ['site:riverside'], action: block", "tier: site\n  site: oakwood")
    assert any("can never fit" in problem for problem in found)


@pytest.mark.parametrize(
    ("part", "said", "line"),
    [
        ("timezone: Europe/Lundon", "unknown time zone 'Europe/Lundon' | did you mean 'Europe/London'?", 2),
        ("calender: {}", "unknown key in the policy: 'calender' | did you mean 'calendar'?", 2),
        ("schedules: {lesson: {times: [8.50-10.30]}}", "'8.50-10.30' is not a time span", 2),
        ("schedules: {lesson: {times: ['10:30-10:30']}}", "is not a time span", 2),
        ("schedules: {lesson: {days: mon-fir}}", "unknown day 'mon-fir' | did you mean 'mon-fri'?", 2),
        ("schedules: {lesson: {in: trem}}", "unknown kind of day 'trem' | did you mean 'term'?", 2),
        ("schedules: {lesson: {in: term}}", "asks for term, but a calendar has no terms", 2),
        ("schedules: {always: {}}", "schedule 'always' is built in", 2),
        ("calendar: {closed: [2026-02-30]}", "'2026-02-30' is not a date", 2),
        ("calendar: {terms: [{from: 2026-12-01, to: 2026-11-01}]}", "ends on 2026-11-01 before it begins", 2),
        ("groups: {Year 4: {band: ks2}}", "'Year 4' in groups is not a name", 2),
        ("groups: {year-4: {band: ks7}}", "unknown band 'ks7' | did you mean 'ks", 2),
        ("sites: {oakwood: {schedules: {lnch: {}}}}", "unknown schedule to override 'lnch'", 2),
        ("groups: {a: {}}\ngroups: {b: {}}", "'groups' is written twice", 3),
        ("policies: {tier: trust}", "policies must be a list", 2),
    ],
)
def test_a_wrong_part_is_refused_with_its_line(part: str, said: str, line: int) -> None:
    """Everything around the rules is checked too."""
    found = problems(f"schoolgate: 1\n{part}\n")
    assert any(said in f"{p.what} | {p.instead}" and p.line == line for p in found), found


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    """One run of `validate` shows the whole work to do."""
    found = problems(
        f"{HEAD}- tier: trust\n  rules:\n  - {{rule: a, what: [gams], action: blok}}\n  - {{rule: a, action: block}}\n"
    )
    assert [p.line for p in found] == [9, 9, 10]
    assert "used twice; first in line 9" in found[2].what
    assert all(p.file == "p.yaml" for p in found)


@pytest.mark.parametrize("name", ["locked-statutory", "help-always", "allow-only", "allow-the-rest"])
def test_built_in_names_are_taken(name: str) -> None:
    """A record that says `help-always` always means ours."""
    found = problems(f"{HEAD}- tier: trust\n  rules:\n  - {{rule: {name}, action: block}}\n")
    assert "taken by a built-in row" in found[0].what


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("policies: []\n", "the language version is missing"),
        ("schoolgate: 2\n", "language version '2' is unknown"),
        ("schoolgate: 1\n---\nschoolgate: 1\n", "second document"),
        ("schoolgate: [1\n", "is not YAML"),
        ("schoolgate: 1\ntrust: \x07\n", "is not YAML"),
        ("a: &x [1, 1]\nb: [*x, *x, *x]\n", "aliases (`*x`)"),
        ("a: " + "[" * 5000, "nested more than"),
        ("#" * (MAX_CHARACTERS + 1), "characters long"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_that_is_no_policy_is_refused(text: str, said: str) -> None:
    """Bombs, rubbish and other people's YAML get a clear answer, quickly."""
    assert any(said in p.what for p in problems(text))


@given(st.text(max_size=400))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever is in a file, the answer is a policy or its problems."""
    try:
        load_policy("schoolgate: 1\n" + text, file="p.yaml", categories=TAXONOMY)
    except PolicyErrors as refused:
        assert refused.problems


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


@pytest.mark.parametrize("text", ["policies:", "policies: ~", "policies: []", "groups:", "sites: {}", "trust:"])
def test_what_is_left_empty_is_left_out(text: str) -> None:
    """A key with nothing behind it means nothing."""
    assert load_policy(f"schoolgate: 1\n{text}\n", file="p.yaml", categories=TAXONOMY).rules == ()


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
