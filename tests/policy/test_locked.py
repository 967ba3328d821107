"""Nobody gets past a statutory list: each way somebody might try is a test here (design §5.3, requirement F-04).

What the policy room decides: rules, tiers, groups, bands, times, bypass, claims, words, taxonomy. What happens to
files, settings and processes is tried in `tests/proxy/test_statutory.py`, and through a real gateway in
`tests/e2e/test_statutory.py`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.names import canonical_url
from categories.statutory import Installed, StatutoryIndex
from categories.statutory_forms import WITHHELD
from categories.taxonomy import Kind
from policy.builtinrows import HELP_ROW, LOCKED_ROW
from policy.client import UNKNOWN, Band, Client
from policy.engine import Engine, EngineProblem
from policy.kinds import kinds_of
from policy.locked import CLOSED_ROW, statutory_trouble
from policy.model import Action, Reason, Request, Signal, Stage, Tier
from policy.problems import PolicyErrors
from policy.rules import load_policy
from tests.categories.statutory_rig import ISSUER
from tests.policy.lists import PlainIndex
from tests.policy.school import LESSON, LUNCH, PEOPLE, TAXONOMY, at, school_policy

LISTED = ("bad-host.test", "filehost.test/listed", "filehost.test/view?id=4711", "bank.test/hidden/*", "192.0.2.66")
ASKED = (
    "https://bad-host.test/",
    "http://www.BAD-host.test./x?y",
    "https://filehost.test/%6Cisted/?also=1",
    "https://www.filehost.test/view?x=1&id=4711",
    "http://bank.test/hidden/page",
    "http://3221226050/",
)
"""Requests for each entry."""
ORDINARY = PlainIndex(
    {
        "help": ["bad-host.test", "filehost.test", "bank.test", "192.0.2.66"],
        "education": ["bad-host.test", "filehost.test/listed", "192.0.2.66"],
        "always-allowed": ["bad-host.test", "filehost.test", "bank.test", "192.0.2.66"],
        "banking": ["bank.test"],
    }
)
"""Ordinary lists that speak for every listed address: help sites, lessons, the school's own choice."""
INDEX = StatutoryIndex([Installed("iwf", ISSUER.bundle(LISTED))], ORDINARY)

OPENING = """
schoolgate: 1
trust: Trust
schedules: {{lunch: {{days: daily, times: ["12:00-13:00"]}}}}
groups: {{year-4: {{band: ks2}}, teaching-staff: {{band: staff}}}}
sites: {{oakwood: {{title: Oakwood}}, riverside: {{title: Riverside}}}}
policies:
  - tier: {tier}
{site}    rules:
      - {{rule: open, who: [everyone], what: [{what}], {more}action: {action}}}
"""


def engine(text: str = "", index: StatutoryIndex = INDEX) -> Engine:
    """An engine with that policy over the statutory list."""
    policy = load_policy(text, file="school.yaml", categories=TAXONOMY) if text else school_policy()
    return Engine(index, policy)


def assert_locked(built: Engine, client: Client, when: datetime, url: str, stage: Stage = Stage.REQUEST) -> None:
    """The verdict is the locked one, and explain says the same without a word of the entry."""
    request = Request(canonical_url(url), stage)
    verdict = built.decide(request, client, when)
    assert (verdict.action, verdict.tier, verdict.rule) == (Action.BLOCK, Tier.LOCKED, LOCKED_ROW)
    assert (verdict.reason, verdict.category) == (Reason.STATUTORY, "child-abuse")
    assert verdict.match is not None
    assert (verdict.match.list, verdict.match.entry) == ("statutory/iwf", WITHHELD)
    explanation = built.explain(request, client, when)
    assert explanation.verdict == verdict
    told = [match for match in verdict.matches if match.list == "statutory/iwf"]
    assert {match.entry for match in told} == {WITHHELD}


EVERYTHING = (
    "anything",
    "host:bad-host.test, host:filehost.test, host:bank.test",
    "education, always-allowed, banking",
)


ATTEMPTS = [(what, action) for what in EVERYTHING for action in ("allow", "warn", "bypass")]
ATTEMPTS.remove(("anything", "bypass"))  # refused already when the policy is read


@pytest.mark.parametrize(("what", "action"), ATTEMPTS)
@pytest.mark.parametrize("tier", ["trust", "override", "site", "default"])
def test_no_rule_of_any_tier_opens_it(tier: str, what: str, action: str) -> None:
    """Allow, warn, pass undecrypted; by host, by category, by everything; trust, override, site, default."""
    site = "    site: oakwood\n" if tier == "site" else ""
    more = "until: 2027-01-01T00:00, " if tier == "override" else ""
    built = engine(OPENING.format(tier=tier, site=site, what=what, more=more, action=action))
    for who in PEOPLE.values():
        for url in ASKED:
            assert_locked(built, replace(who, site="oakwood"), LESSON, url)


@pytest.mark.parametrize("url", ["url:filehost.test/listed", "url:bank.test/hidden", "host:bad-host.test"])
def test_a_rule_for_the_very_page_does_not_open_it(url: str) -> None:
    built = engine(OPENING.format(tier="trust", site="", what=f'"{url}"', more="", action="allow"))
    for asked in ASKED:
        assert_locked(built, PEOPLE["a teacher"], LESSON, asked)


@pytest.mark.parametrize("who", list(PEOPLE), ids=str)
def test_it_is_closed_to_everybody(who: str) -> None:
    """Every band, groups or none, a guest, a teacher, a technician's machine, and whoever is not known at all."""
    for url in ASKED:
        assert_locked(engine(), PEOPLE[who], LESSON, url)


@pytest.mark.parametrize("band", list(Band))
@pytest.mark.parametrize("known", [True, False])
def test_it_is_closed_to_every_band_known_or_not(band: Band, known: bool) -> None:
    client = Client(band=band, band_known=known, site="nowhere", user="admin", groups=frozenset({"teaching-staff"}))
    for url in ASKED:
        assert_locked(engine(), client, LESSON, url)
        assert_locked(engine(), UNKNOWN, LESSON, url)


@pytest.mark.parametrize(
    "when", [LESSON, LUNCH, at("2026-08-01 03:00"), at("2026-12-25 12:00"), at("2031-01-01 00:00")]
)
def test_no_time_opens_it(when: datetime) -> None:
    built = engine(OPENING.format(tier="trust", site="", what="anything", more="when: [lunch], ", action="allow"))
    for url in ASKED:
        assert_locked(built, PEOPLE["a teacher"], when, url)


def test_help_sites_are_never_blocked_but_for_this() -> None:
    """B-53 ends where a statutory list begins: the page is closed, the rest of the help site stays open."""
    verdict = engine().decide(Request(canonical_url("https://filehost.test/other")), PEOPLE["nobody known"], LESSON)
    assert (verdict.action, verdict.rule) == (Action.ALLOW, HELP_ROW)
    assert_locked(engine(), PEOPLE["nobody known"], LESSON, "https://filehost.test/listed")


def test_no_host_with_listed_pages_is_passed_through_undecrypted() -> None:
    """At CONNECT only the host is known: a host with pages below is decrypted whatever any rule says."""
    hosts = "host:filehost.test, host:bank.test, host:plain.test"
    text = OPENING.format(tier="trust", site="", what=hosts, more="", action="bypass")
    built = engine(text, StatutoryIndex([Installed("iwf", ISSUER.bundle(LISTED))], PlainIndex({})))
    for host in ("filehost.test", "www.filehost.test", "bank.test"):
        request = Request(canonical_url(f"https://{host}/"), Stage.CONNECT, "CONNECT")
        assert built.decide(request, PEOPLE["a teacher"], LESSON).action is Action.ALLOW
    plain = Request(canonical_url("https://plain.test/"), Stage.CONNECT, "CONNECT")
    assert built.decide(plain, PEOPLE["a teacher"], LESSON).action is Action.BYPASS


@pytest.mark.parametrize("url", ["https://bad-host.test/", "https://deep.bad-host.test/", "https://192.0.2.66/"])
def test_a_listed_host_is_closed_at_connect_for_good(url: str) -> None:
    for action in ("bypass", "allow"):
        hosts = "host:bad-host.test, host:192.0.2.66"
        built = engine(OPENING.format(tier="trust", site="", what=hosts, more="", action=action))
        assert_locked(built, PEOPLE["a teacher"], LESSON, url, Stage.CONNECT)
        verdict = built.decide(Request(canonical_url(url), Stage.CONNECT), PEOPLE["a teacher"], LESSON)
        assert not verdict.provisional


@pytest.mark.parametrize("url", ASKED)
@pytest.mark.parametrize("signals", [(), (Signal.NAME_MISMATCH,), (Signal.NO_SNI,), (Signal.WRAPPED_URL,)])
def test_naming_it_anywhere_is_naming_it(url: str, signals: tuple[Signal, ...]) -> None:
    """CONNECT, SNI, Host, a wrapped inner address: the strictest of what a request claims to be decides."""
    built = engine(OPENING.format(tier="trust", site="", what="anything", more="", action="allow"))
    innocent = canonical_url("https://lessons.example/")
    for request in (
        Request(innocent, claims=(canonical_url(url),), signals=frozenset(signals)),
        Request(innocent, claims=(innocent, canonical_url(url), innocent), signals=frozenset(signals)),
        Request(canonical_url(url), claims=(innocent,), signals=frozenset(signals)),
    ):
        verdict = built.decide(request, PEOPLE["a teacher"], LESSON)
        assert (verdict.action, verdict.tier) == (Action.BLOCK, Tier.LOCKED)


WRITTEN_AGAINST = """
schoolgate: 1
policies:
  - tier: {tier}
    rules:
      - {{rule: {name}, what: [{what}], action: {action}}}
"""


@pytest.mark.parametrize(
    ("tier", "name", "what", "action"),
    [
        ("locked", "mine", "anything", "allow"),
        ("trust", LOCKED_ROW, "anything", "allow"),
        ("trust", "mine", "child-abuse", "allow"),
        ("trust", "mine", "child-abuse", "bypass"),
        ("trust", "mine", "terrorism", "warn"),
    ],
)
def test_a_policy_that_tries_to_write_about_it_is_refused(tier: str, name: str, what: str, action: str) -> None:
    with pytest.raises(PolicyErrors):
        load_policy(
            WRITTEN_AGAINST.format(tier=tier, name=name, what=what, action=action), file="f", categories=TAXONOMY
        )


@pytest.mark.parametrize("what", ["not child-abuse", "anything, not child-abuse"])
def test_an_exception_for_it_changes_nothing(what: str) -> None:
    """Where such a rule is taken at all, it decides about everything else."""
    try:
        policy = load_policy(
            WRITTEN_AGAINST.format(tier="trust", name="mine", what=what, action="block"), file="f", categories=TAXONOMY
        )
    except PolicyErrors:
        return
    for url in ASKED:
        assert_locked(Engine(INDEX, policy), PEOPLE["a teacher"], LESSON, url)


@pytest.mark.parametrize("change", ["renamed", "neutral", "help", "own"])
def test_a_taxonomy_that_no_longer_calls_it_statutory_builds_no_engine(change: str) -> None:
    """Nobody disables a list by renaming its category: the gateway refuses to start, a reload is refused."""
    names = dict(TAXONOMY)
    category = names.pop("child-abuse")
    if change == "renamed":
        names["adult-matters"] = replace(category, name="adult-matters")
    else:
        names["child-abuse"] = replace(category, kind=Kind(change))
    policy = load_policy("schoolgate: 1\n", file="school.yaml", categories=names)
    with pytest.raises(EngineProblem, match="child-abuse"):
        Engine(INDEX, policy)


def test_a_list_that_does_not_find_its_own_test_entry_builds_no_engine() -> None:
    """Lookup and bundle disagree, whatever the reason: that must never look like a list in force."""

    class Deaf(StatutoryIndex):
        def _ask_host(self, host: str):  # type: ignore[no-untyped-def]
            return super()._ask_host("elsewhere.test")

    with pytest.raises(EngineProblem, match="test entry"):
        Engine(Deaf(INDEX.installed, ORDINARY), school_policy())


def test_without_statutory_lists_there_is_nothing_to_find_wrong() -> None:
    assert statutory_trouble(ORDINARY, kinds_of(TAXONOMY)) == ""
    assert statutory_trouble(INDEX, kinds_of(TAXONOMY)) == ""


CLOSES = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("url", ["https://plain.test/", "https://childline.example/", "https://bad-host.test/"])
@pytest.mark.parametrize("who", list(PEOPLE))
def test_a_school_that_wants_no_service_without_its_lists_gets_none(who: str, url: str, stage: Stage) -> None:
    """`when_missing: stop`: from the moment a list is too old, nothing at all, for nobody."""
    built = Engine(INDEX, school_policy(), closes_at=CLOSES)
    request = Request(canonical_url(url), stage)
    for when in (CLOSES, CLOSES + timedelta(days=400)):
        verdict = built.decide(request, PEOPLE[who], when)
        assert (verdict.action, verdict.reason, verdict.rule) == (Action.BLOCK, Reason.FAILURE, CLOSED_ROW)
        assert verdict.tier is Tier.LOCKED
        assert verdict.match is None, "nobody asked for anything illegal"
        assert built.explain(request, PEOPLE[who], when).verdict == verdict
    before = built.decide(request, PEOPLE[who], CLOSES - timedelta(seconds=1))
    assert before.rule != CLOSED_ROW


def test_when_it_closes_is_part_of_the_revision() -> None:
    revisions = {Engine(INDEX, school_policy(), closes_at=moment).revision for moment in (None, CLOSES, LESSON)}
    assert len(revisions) == 3


clients = st.builds(
    Client,
    site=st.sampled_from([None, "oakwood", "riverside", "unheard-of"]),
    groups=st.frozensets(st.sampled_from(["year-4", "year-10", "esports", "teaching-staff", "ghosts"])),
    band=st.sampled_from(Band),
    band_known=st.booleans(),
    user=st.sampled_from([None, "pupil-0417", "teacher-12"]),
    device=st.sampled_from([None, "lab2-14"]),
)
OPEN_TO_ALL = engine(OPENING.format(tier="trust", site="", what="anything", more="", action="allow"))


@settings(deadline=None)
@given(
    st.sampled_from(ASKED),
    clients,
    st.integers(0, 400 * 24 * 60),
    st.sampled_from(["", "lessons.example", "bad-host.test", "filehost.test"]),
    st.frozensets(st.sampled_from(Signal)),
)
def test_it_holds_for_anybody_at_any_time_with_any_claim(
    url: str, client: Client, minute: int, claim: str, signals: frozenset[Signal]
) -> None:
    when = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=minute)
    claims = (canonical_url(f"https://{claim}/"),) if claim else ()
    for built in (OPEN_TO_ALL, ENGINE):
        verdict = built.decide(Request(canonical_url(url), claims=claims, signals=signals), client, when)
        assert (verdict.action, verdict.tier, verdict.rule) == (Action.BLOCK, Tier.LOCKED, LOCKED_ROW)


ENGINE = engine()


def test_python_without_assertions_changes_nothing() -> None:
    """`python -O` takes out every `assert`: none of ours may matter."""
    code = """
from tests.policy.test_locked import *
made = engine(OPENING.format(tier="trust", site="", what="anything", more="", action="allow"))
verdicts = [made.decide(Request(canonical_url(url)), PEOPLE["a teacher"], LESSON) for url in ASKED]
print({(v.action.value, v.tier.value, v.match.entry) for v in verdicts}, __debug__)
try:
    engine(index=StatutoryIndex(INDEX.installed, ORDINARY)); names = dict(TAXONOMY); del names["child-abuse"]
    Engine(INDEX, load_policy("schoolgate: 1\\n", file="f", categories=names))
except EngineProblem:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "{('block', 'locked', '(withheld)')} False\nrefused\n", done.stderr
