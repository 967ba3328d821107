"""What always holds, for any policy, any list, anybody and any moment."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.names import Url, canonical_url
from policy.client import UNKNOWN, Band, Client
from policy.decide import strictness
from policy.engine import Engine, EngineProblem
from policy.kinds import Kinds
from policy.model import Action, Request, Signal, Stage, Tier
from policy.rows import Rule, RuleSet, Things, What
from policy.rules import load_policy
from tests.policy.lists import PlainIndex
from tests.policy.school import ENGINE, LESSON, LISTS, PEOPLE, SCHOOL, TAXONOMY, at, school_engine, school_policy

HOSTS = sorted({entry.partition("/")[0] for lines in LISTS.values() for entry in lines if "word:" not in entry})
PATHS = ["/", "/games/1", "/hidden", "/lessons/2", "/search?q=rude+sadness", "/search?q=unspeakable", "/a/b"]

urls = st.builds(
    lambda host, path: canonical_url(f"https://{host}{path}"),
    st.sampled_from([*HOSTS, "plain.example", "10.1.2.3"]),
    st.sampled_from(PATHS),
)
clients = st.one_of(
    st.sampled_from(list(PEOPLE.values())),
    st.builds(
        Client,
        site=st.sampled_from([None, "oakwood", "riverside", "unheard-of"]),
        groups=st.frozensets(st.sampled_from(["year-4", "year-10", "esports", "teaching-staff", "ghosts"])),
        band=st.sampled_from(Band),
        band_known=st.booleans(),
        user=st.sampled_from([None, "pupil-0417", "teacher-12"]),
    ),
)
moments = st.integers(0, 400 * 24 * 60).map(
    lambda minutes: datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
requests = st.builds(
    Request,
    urls,
    st.sampled_from([Stage.CONNECT, Stage.REQUEST]),
    st.just("GET"),
    st.lists(urls, max_size=2).map(tuple),
    st.none(),
    st.frozensets(st.sampled_from(Signal), max_size=2),
)
CATEGORIES = [
    "games",
    "video",
    "education",
    "webmail",
    "anything",
    "uncategorised",
    "help-not",
    "host:illegal.example",
    "not games",
]
rules = st.builds(
    lambda number, who, what, action: f"{{rule: r{number}, who: [{who}], what: ['{what}'], action: {action}}}",
    st.integers(0, 10**9),
    st.sampled_from(["everyone", "pupils", "staff", "ks2", "group:year-4", "not group:esports", "user:pupil-0417"]),
    st.sampled_from([c for c in CATEGORIES if c != "help-not"]),
    st.sampled_from(["allow", "block", "warn"]),
)
rulesets = st.lists(
    st.tuples(
        st.sampled_from(["tier: trust", "tier: override", "tier: site, site: oakwood", "tier: default"]),
        st.lists(rules, max_size=5, unique=True),
    ),
    max_size=4,
)


def any_policy(parts: list[tuple[str, list[str]]]) -> str:
    """The school with other rules."""
    names: set[str] = set()
    lines = []
    for tier, found in parts:
        fresh = [rule for rule in found if (name := rule.split(",")[0]) not in names and not names.add(name)]  # type: ignore[func-returns-value]
        lines.append(f"  - {{{tier}, rules: [{', '.join(fresh)}]}}")
    return SCHOOL.partition("policies:")[0] + "policies:\n" + "\n".join(lines)


@settings(deadline=None, max_examples=60)
@given(rulesets, clients, moments, st.sampled_from([Stage.CONNECT, Stage.REQUEST]))
def test_locked_outranks_every_policy(
    parts: list[tuple[str, list[str]]], who: Client, when: datetime, stage: Stage
) -> None:
    """Whatever people write, illegal content is blocked for everybody at any time, and help is open."""
    engine = school_engine(any_policy(parts))
    illegal = engine.decide(Request(canonical_url("https://x.illegal.example/y"), stage), who, when)
    assert (illegal.action, illegal.tier, illegal.provisional) == (Action.BLOCK, Tier.LOCKED, False)
    helped = engine.decide(Request(canonical_url("https://childline.example/talk"), stage), who, when)
    assert (helped.action, helped.rule) == (Action.ALLOW, "help-always")


@settings(deadline=None, max_examples=300)
@given(requests, clients, moments)
def test_explain_and_decide_agree(asked: Request, who: Client, when: datetime) -> None:
    """They are one path: the verdicts are equal to the last field."""
    explanation = ENGINE.explain(asked, who, when)
    assert explanation.verdict == ENGINE.decide(asked, who, when)
    assert explanation.as_text()
    assert explanation.as_json()["action"] == explanation.verdict.action.value


OVERRIDES = """
  - tier: override
    rules:
      - {rule: lent, who: [user:pupil-0417], what: [webmail], action: allow, until: 2026-11-24T10:10}
      - {rule: page, who: [ks4], what: ['url:mixed.example/lessons'], action: allow, until: 2026-11-24T10:12}
      - {rule: club, who: [group:esports], what: [games], action: allow, when: [lunch]}
"""
around = st.integers(0, 30 * 60).map(lambda seconds: at("2026-11-24 09:50") + timedelta(seconds=seconds))
REMEMBERING = school_engine(SCHOOL.replace("policies:\n", "policies:" + OVERRIDES, 1))


@given(st.lists(st.tuples(requests, clients, st.one_of(moments, around)), min_size=2, max_size=6))
@settings(max_examples=300, deadline=None)
def test_what_was_decided_before_never_changes_a_verdict(asked: list[tuple[Request, Client, datetime]]) -> None:
    """Requests that follow each other, in any order, meet what each meets by reading the whole table (§5.5)."""
    for request, who, when in (*asked, *reversed(asked)):
        assert REMEMBERING.decide(request, who, when) == REMEMBERING.explain(request, who, when).verdict


few_hosts = st.sampled_from(
    ["games.example", "tube.example", "mail.example", "plain.example", "other.example", "mixed.example"]
)
colliding = st.tuples(
    st.builds(
        lambda host, path, stage, claims: Request(
            canonical_url(f"https://{host}{'/' if stage is Stage.CONNECT else path}"), stage, claims=claims
        ),
        few_hosts,
        st.sampled_from(["/", "/games/1", "/lessons", "/lessons/2"]),
        st.sampled_from(Stage),
        st.just(()),
    ),
    st.builds(
        lambda user, device, groups: Client(
            site="riverside", band=Band.KS4, band_known=True, user=user, device=device, groups=frozenset(groups)
        ),
        st.sampled_from([None, "pupil-0417", "PUPIL-0417", "pupil-0418"]),
        st.sampled_from([None, "lab2-14"]),
        st.sampled_from([(), ("esports",), ("year-10",), ("year-10", "esports")]),
    ),
    st.sampled_from(
        [at("2026-11-24 09:49:59"), at("2026-11-24 10:11:59"), at("2026-11-24 10:12:00"), at("2026-11-24 12:30")]
    ),
)


@given(st.lists(colliding, min_size=12, max_size=24))
@settings(max_examples=150, deadline=None)
def test_requests_that_look_alike_are_not_taken_for_each_other(asked: list[tuple[Request, Client, datetime]]) -> None:
    """One band at one school, few hosts, few people: what tells two of them apart must tell their verdicts apart."""
    for request, who, when in asked:
        assert REMEMBERING.decide(request, who, when) == REMEMBERING.explain(request, who, when).verdict


PAIRS = [
    ("the group", "https://games.example/", {}, {"groups": frozenset({"esports"})}),
    ("the machine", "https://forum.example/", {}, {"device": "lab2-14"}),
    ("the person", "https://mail.example/", {}, {"user": "pupil-0417"}),
]


@pytest.mark.parametrize(("what", "url", "first", "second"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_who_asks_tells_verdicts_apart(
    what: str, url: str, first: dict[str, object], second: dict[str, object]
) -> None:
    """The same page a moment later, by somebody a rule knows, meets that rule."""
    at_nine = at("2026-11-24 10:00")
    plain = Client(site="riverside", band=Band.KS4, band_known=True, user="pupil-0418")
    rules = [
        REMEMBERING.decide(Request(canonical_url(url)), replace(plain, **change), at_nine).rule  # type: ignore[arg-type]
        for change in (first, second, first)
    ]
    assert rules[0] == rules[2] != rules[1], f"{what} must count"


def test_tunnels_of_hosts_with_and_without_listed_pages_are_told_apart() -> None:
    """Of two hosts alike, only the one with pages of another category below it may still be escaped from."""
    lists = {"forums": ["a.example", "b.example"], "education": ["a.example/lessons"], "child-abuse": ["c.example/x"]}
    engine = school_engine(SCHOOL, lists)
    lab = Client(site="riverside", band=Band.KS4, band_known=True, device="lab2-14")
    asked = [Request(canonical_url(f"https://{host}.example/"), Stage.CONNECT, "CONNECT") for host in "ba"]
    verdicts = [engine.decide(request, lab, LESSON) for request in asked]
    assert [verdict.provisional for verdict in verdicts] == [
        engine.explain(r, lab, LESSON).verdict.provisional for r in asked
    ]
    assert [verdict.stage for verdict in verdicts] == [Stage.CONNECT] * 2
    later = engine.decide(Request(canonical_url("https://b.example/")), lab, LESSON)
    assert later.stage is Stage.REQUEST
    assert (
        engine.decide(Request(canonical_url("https://b.example/"), Stage.RESPONSE), lab, LESSON).stage is Stage.RESPONSE
    )


ALIKE = {
    "news": ["first.example", "a.second.example", "second.example"],
    "games": [
        "shop.example",
        "first.example",
        "second.example",
        "a.first.example",
        "a.second.example",
        "third.example/x",
    ],
    "video": ["second.example", "tube.example", "first.example"],
    "illegal-drugs": ["third.example"],
}


@pytest.mark.parametrize("stage", list(Stage))
def test_hosts_listed_alike_meet_the_same_row_each_with_its_own_entries(stage: Stage) -> None:
    """Rows ask for categories; the evidence names this host's own list, entry and line, never its neighbour's."""
    engine = school_engine(lists=ALIKE | {"help": [], "child-abuse": ["bad.example"]})
    who = Client(site="riverside", band=Band.KS4, band_known=True)
    for host in ("first", "second", "a.first", "a.second", "third", "shop", "tube", "bad", "second", "first"):
        path = "/x" if host == "third" and stage is not Stage.CONNECT else "/"
        asked = Request(canonical_url(f"https://{host}.example{path}"), stage)
        verdict = engine.decide(asked, who, LESSON)
        assert verdict == engine.explain(asked, who, LESSON).verdict
        assert {match.entry for match in verdict.matches} <= {
            f"{host}.example",
            f"{host}.example/x",
            f"{host[2:]}.example",
        }


def test_lent_mail_ends_on_the_second_for_the_one_it_was_lent_to() -> None:
    """The verdict of a moment ago, and of somebody else, is not the verdict of now."""
    mail = Request(canonical_url("https://mail.example/"))
    borrower = Client(site="riverside", user="pupil-0417", band=Band.KS4, band_known=True)
    neighbour = replace(borrower, user="pupil-0418")
    before, after = at("2026-11-24 10:09:59"), at("2026-11-24 10:10:00")
    answers = [REMEMBERING.decide(mail, who, when).action for who in (borrower, neighbour) for when in (before, after)]
    assert answers == [Action.ALLOW, Action.BLOCK, Action.BLOCK, Action.BLOCK]


@settings(deadline=None, max_examples=200)
@given(requests, clients, moments)
def test_another_engine_of_the_same_parts_says_the_same(asked: Request, who: Client, when: datetime) -> None:
    """What an engine remembers never shows: a fresh one gives the same verdict."""
    assert FRESH.decide(asked, who, when + timedelta(days=1)).revision == ENGINE.revision
    assert FRESH.decide(asked, who, when) == ENGINE.decide(asked, who, when)


FRESH = school_engine()


@settings(deadline=None, max_examples=100)
@given(
    requests,
    clients,
    moments,
    st.sampled_from(sorted(set(LISTS) - {"help"})),
    st.sampled_from([*HOSTS, "plain.example"]),
)
def test_adding_a_plain_entry_never_removes_a_match(
    asked: Request, who: Client, when: datetime, category: str, host: str
) -> None:
    """A list can only classify: one entry more is never one piece of evidence less."""
    asked = asked._replace(claims=())
    more = {name: list(lines) for name, lines in LISTS.items()}
    more[category].append(host)
    before = ENGINE.decide(asked, who, when)
    after = school_engine(lists=more).decide(asked, who, when)
    assert {(m.category, m.entry) for m in before.matches} <= {(m.category, m.entry) for m in after.matches}


@settings(deadline=None, max_examples=200)
@given(requests, clients, moments, urls)
def test_claiming_more_never_loosens(asked: Request, who: Client, when: datetime, claim: Url) -> None:
    """The strictest of what it claims to be decides."""
    more = asked._replace(claims=(*asked.claims, claim))
    assert strictness(ENGINE.decide(more, who, when)) >= strictness(ENGINE.decide(asked, who, when))


@settings(deadline=None, max_examples=200)
@given(requests, moments, st.sampled_from([None, "oakwood", "riverside"]))
def test_nobody_known_is_never_treated_milder_than_the_youngest(
    asked: Request, when: datetime, site: str | None
) -> None:
    """Being unknown is no way round: it is the strictest band, with no group and no name."""
    unknown = ENGINE.decide(asked, replace(UNKNOWN, site=site), when)
    youngest = ENGINE.decide(asked, Client(site=site, band=Band.EYFS, band_known=True), when)
    assert strictness(unknown) >= strictness(youngest)
    assert unknown.band is Band.EYFS


def test_the_revision_changes_with_policy_and_lists() -> None:
    """Every row of the log says which engine decided."""
    other_lists = school_engine(lists={**LISTS, "games": ["other.example"]})
    other_policy = school_engine(SCHOOL + "\n# a comment")
    assert len({ENGINE.revision, other_lists.revision, other_policy.revision}) == 3
    assert Engine(PlainIndex(LISTS), school_policy()).revision == ENGINE.revision
    assert Engine(PlainIndex(LISTS), school_policy(), revision="r7").revision == "r7"


def test_an_engine_without_statutory_or_help_kinds_is_never_built() -> None:
    """A policy read against bare names knows nothing of illegal content: such an engine must not be swapped in."""
    bare = load_policy(SCHOOL, file="p", categories=frozenset(TAXONOMY))
    with pytest.raises(EngineProblem, match="statutory"):
        Engine(PlainIndex(LISTS), bare)
    no_help = replace(school_policy(), kinds=Kinds(statutory=frozenset({"child-abuse"})))
    with pytest.raises(EngineProblem, match="help"):
        Engine(PlainIndex(LISTS), no_help)


def test_what_is_help_and_illegal_at_once_is_illegal() -> None:
    """LOCKED is read first, also when somebody's taxonomy says both."""
    both = replace(school_policy().kinds, help=frozenset({"help", "child-abuse"}))
    engine = Engine(PlainIndex(LISTS), replace(school_policy(), kinds=both))
    verdict = engine.decide(Request(canonical_url("https://illegal.example")), UNKNOWN, at("2026-11-24 10:20"))
    assert verdict.tier is Tier.LOCKED


def test_rows_made_by_hand_for_locked_are_not_read() -> None:
    """No API can put a row into LOCKED: that tier is built, never given."""
    sneaked = RuleSet(Tier.LOCKED, (Rule("sneaked", Action.ALLOW),))
    policy = replace(school_policy(), policies=(sneaked, *school_policy().policies))
    verdict = Engine(PlainIndex(LISTS), policy).decide(
        Request(canonical_url("https://illegal.example")), UNKNOWN, at("2026-11-24 10:20")
    )
    assert verdict.rule == "locked-statutory"


@pytest.mark.parametrize("broken", ["locked_rule", "help_rule"])
def test_the_self_test_stops_a_build_that_lost_a_built_in_row(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Sabotage: the built-in row does nothing. Every band at every site is asked; the engine is never handed out."""
    monkeypatch.setattr(f"policy.builtinrows.{broken}", lambda kinds: Rule("nothing", Action.WARN, what=What(Things())))
    with pytest.raises(EngineProblem, match="for everyone"):
        school_engine()


def test_statutory_lists_that_are_not_filled_are_named() -> None:
    """Without them the gateway is not compliant, and the starter lists fill none."""
    assert "child-abuse" in ENGINE.missing_statutory


def test_many_threads_may_ask_one_engine() -> None:
    """Sites and minutes at once: every thread gets the answer that belongs to its own question."""
    engine = school_engine()
    asked = Request(canonical_url("https://games.example"))
    lesson, evening = at("2026-11-24 10:20"), at("2026-11-24 18:00")
    wrong: list[str] = []

    def ask(when: datetime, right: Action) -> None:
        for _ in range(2000):
            action = engine.decide(asked, PEOPLE["Year 8"], when).action
            if action is not right:
                wrong.append(action)

    threads = [
        threading.Thread(target=ask, args=pair) for pair in ((lesson, Action.BLOCK), (evening, Action.ALLOW)) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
