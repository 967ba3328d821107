"""The one algorithm, in school words: who asks for what, when, and what happens."""

from __future__ import annotations

from datetime import datetime

import pytest

from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Reason, Signal, Stage, Tier
from policy.rules import load_policy
from tests.policy.lists import PlainIndex
from tests.policy.school import (
    ENGINE,
    LESSON,
    LISTS,
    LUNCH,
    PEOPLE,
    SCHOOL,
    TAXONOMY,
    at,
    decide,
    request,
    school_engine,
)

EVENING, NIGHT = at("2026-11-24 18:00"), at("2026-11-25 02:00")
HALF_TERM, INSET = at("2026-10-27 10:20"), at("2026-11-27 10:20")
ALLOW, BLOCK, WARN = Action.ALLOW, Action.BLOCK, Action.WARN


@pytest.mark.parametrize(
    ("who", "when", "url", "action", "rule"),
    [
        # illegal content: for nobody, never
        ("a teacher", LESSON, "https://illegal.example/x", BLOCK, "locked-statutory"),
        ("nobody known", NIGHT, "https://www.illegal.example", BLOCK, "locked-statutory"),
        ("a teacher", LESSON, "https://both.example", BLOCK, "locked-statutory"),  # on the help list as well
        ("a teacher", LESSON, "https://shadybank.example/hidden/1", BLOCK, "locked-statutory"),
        # help: for everybody, always
        ("nobody known", LESSON, "https://www.childline.example/help", ALLOW, "help-always"),
        ("Year 2", LESSON, "https://childline.example", ALLOW, "help-always"),
        ("Year 10", NIGHT, "https://childline.example/search?q=rude+sadness", ALLOW, "help-always"),
        # young children reach what was chosen, and an empty list means nothing
        ("Reception", LESSON, "https://plain.example", BLOCK, "allow-only"),
        ("Year 2", LESSON, "https://learn.example", BLOCK, "allow-only"),  # chosen for KS2, not for KS1
        ("Year 4", LESSON, "https://learn.example", ALLOW, "chosen-for-ks2"),
        ("Year 4", LESSON, "https://kiddle.co/s.php?q=cats", ALLOW, "chosen-for-ks2"),
        ("Year 4", LESSON, "https://google.com/search?q=cats", BLOCK, "allow-only"),
        ("Year 4", LESSON, "https://tube.example/lessons/7", ALLOW, "chosen-for-ks2"),
        ("Year 4", LESSON, "https://tube.example/lessonsx", BLOCK, "allow-only"),  # a path border is a border
        ("Year 4", LESSON, "https://plain.example", BLOCK, "allow-only"),
        ("nobody known", LESSON, "https://plain.example", BLOCK, "allow-only"),
        ("nobody known", LESSON, "https://learn.example", BLOCK, "allow-only"),
        # older pupils: all that no rule closes
        ("Year 8", LESSON, "https://plain.example", ALLOW, "allow-the-rest"),
        ("a visitor", LESSON, "https://plain.example", ALLOW, "allow-the-rest"),
        # games in lessons, by time and group
        ("Year 8", LESSON, "https://games.example", BLOCK, "games-in-lessons"),
        ("Year 8", EVENING, "https://games.example", ALLOW, "allow-the-rest"),
        ("Year 8", HALF_TERM, "https://games.example", ALLOW, "allow-the-rest"),
        ("Year 8", INSET, "https://games.example", ALLOW, "allow-the-rest"),
        ("Year 8", LUNCH, "https://games.example", BLOCK, "games-in-lessons"),  # lunch is later at Riverside
        ("Year 10 esports", LESSON, "https://games.example", ALLOW, "allow-the-rest"),
        ("Year 8", LESSON, "https://maths.example", ALLOW, "allow-the-rest"),  # a game, but education
        ("a teacher", LESSON, "https://games.example", ALLOW, "allow-the-rest"),
        ("Year 8", LESSON, "https://tube.example/games/1", BLOCK, "games-in-lessons"),
        # the first tier that fits decides, whatever the order in the file
        ("Year 10", LESSON, "https://video.example", BLOCK, "video-ks4"),  # TRUST above the OVERRIDE
        ("Year 10 at Oakwood", LESSON, "https://mail.example", ALLOW, "oakwood-open"),  # SITE above DEFAULT
        ("Year 10", LESSON, "https://mail.example", BLOCK, "pupils-mail"),  # not at Riverside
        ("Year 10 without a site", LESSON, "https://mail.example", BLOCK, "pupils-mail"),  # no site, no site's policy
        # a site's own time
        ("Year 4", LUNCH, "https://www.chess.example/play", ALLOW, "oakwood-chess"),
        ("Year 4", LESSON, "https://www.chess.example/play", BLOCK, "allow-only"),
        ("Year 4", LUNCH, "https://notchess.example/play", BLOCK, "allow-only"),  # a suffix never crosses a label
        # over midnight
        ("sixth form", NIGHT, "https://social.example", WARN, "night-warning"),
        ("sixth form", LESSON, "https://social.example", ALLOW, "allow-the-rest"),
        # one machine, one person
        ("lab machine", LESSON, "https://forum.example", BLOCK, "lab"),
        ("Year 10", LESSON, "https://forum.example", BLOCK, "lab"),
        ("Year 8", LESSON, "https://forum.example", ALLOW, "allow-the-rest"),
        # what somebody searches for
        ("a teacher", LESSON, "https://google.com/search?q=a+Rude+word", BLOCK, "no-pornography"),
        ("Year 4", LESSON, "https://kiddle.co/s.php?q=rude", BLOCK, "no-pornography"),
        ("Year 8", LESSON, "https://google.com/search?q=sadness", BLOCK, "self-harm"),
        ("a teacher", LESSON, "https://google.com/search?q=sadness", ALLOW, "allow-the-rest"),
        ("a teacher", LESSON, "https://google.com/search?q=unspeakable", BLOCK, "locked-statutory"),
        ("a teacher", LESSON, "https://plain.example/?about=rude", ALLOW, "allow-the-rest"),  # no search
    ],
)
def test_at_our_school(who: str, when: datetime, url: str, action: Action, rule: str) -> None:
    """A row a case: the action and the row that decides it."""
    verdict = decide(who, url, when)
    assert (verdict.action, verdict.rule) == (action, rule)
    assert verdict.blocked is (action in {BLOCK, WARN})


@pytest.mark.parametrize(
    ("who", "when", "url", "reason", "tier", "because"),
    [
        (
            "Year 8",
            LESSON,
            "https://games.example",
            Reason.RULE,
            Tier.TRUST,
            "Games are blocked for Key Stage 3 during lessons.",
        ),
        ("Year 8", LESSON, "https://porn.example", Reason.RULE, Tier.TRUST, "Not here."),
        ("Year 8", LESSON, "https://google.com/search?q=sadness", Reason.SEARCH, Tier.TRUST, "words searched for"),
        ("Year 8", LESSON, "https://vpn.example", Reason.CIRCUMVENTION, Tier.TRUST, "blocked for Key Stage 3"),
        (
            "a teacher",
            LESSON,
            "https://vpn.example",
            Reason.DEFAULT,
            Tier.DEFAULT,
            "No rule speaks against it for Staff.",
        ),
        ("Year 2", LESSON, "https://plain.example", Reason.DEFAULT, Tier.DEFAULT, "only what an adult has chosen"),
        ("Year 2", LESSON, "https://illegal.example", Reason.STATUTORY, Tier.LOCKED, "illegal content"),
        ("Year 10", LESSON, "https://forum.example", Reason.OVERRIDE, Tier.OVERRIDE, "blocked for Key Stage 4"),
    ],
)
def test_a_verdict_says_why(who: str, when: datetime, url: str, reason: Reason, tier: Tier, because: str) -> None:
    """One word for machines, one sentence for people."""
    verdict = decide(who, url, when)
    assert (verdict.reason, verdict.tier) == (reason, tier)
    assert because in verdict.because


def test_a_verdict_carries_its_evidence() -> None:
    """The entry, the list, everything else that fitted, and what was outranked."""
    verdict = decide("Year 4", "https://maths.example/sums", at("2026-11-24 12:30"))
    assert (verdict.category, verdict.match and verdict.match.list) == ("education", "test/education")
    assert verdict.categories == ("games", "education")
    assert [(o.tier, o.rule) for o in verdict.outranked] == [(Tier.DEFAULT, "allow-only")]
    assert verdict.band is Band.KS2
    assert verdict.revision == ENGINE.revision


def test_an_override_ends_on_the_minute() -> None:
    """Until 09:50 the assembly may watch; at 09:50 it is over (here without the trust's own rule on video)."""
    engine = school_engine(SCHOOL.replace("rule: video-ks4, who: [ks4]", "rule: video-ks4, who: [ks1]"))
    asked = request("https://video.example")
    before = engine.decide(asked, PEOPLE["Year 10"], at("2026-11-24 09:49"))
    after = engine.decide(asked, PEOPLE["Year 10"], at("2026-11-24 09:50"))
    assert (before.rule, before.reason) == ("assembly", Reason.OVERRIDE)
    assert after.rule == "allow-the-rest"


@pytest.mark.parametrize(
    ("who", "url", "claims", "action", "rule"),
    [
        ("a teacher", "https://plain.example", ["https://porn.example"], BLOCK, "no-pornography"),
        ("a teacher", "https://porn.example", ["https://plain.example"], BLOCK, "no-pornography"),
        ("a teacher", "https://porn.example", ["https://illegal.example"], BLOCK, "locked-statutory"),
        ("Year 2", "https://childline.example", ["https://porn.example"], BLOCK, "no-pornography"),
        ("a teacher", "https://plain.example", ["https://plain.example"], ALLOW, "allow-the-rest"),
        ("Year 4", "https://tube.example/lessons/1", ["https://tube.example"], ALLOW, "chosen-for-ks2"),  # its own host
        ("Year 8", "https://plain.example", ["https://other.example"], BLOCK, "ways-round"),  # two owners
        ("Year 8", "https://www.plain.example", ["https://plain.example"], ALLOW, "allow-the-rest"),  # one owner
    ],
)
def test_the_strictest_of_what_it_claims_to_be_decides(
    who: str, url: str, claims: list[str], action: Action, rule: str
) -> None:
    """CONNECT says one thing, SNI another, Host a third: none of them can be used to get round another."""
    verdict = ENGINE.decide(request(url, claims=tuple(claims)), PEOPLE[who], LESSON)
    assert (verdict.action, verdict.rule) == (action, rule)


def test_a_wrapped_url_is_a_claim_but_no_mismatch() -> None:
    """A link that carries another address is decided by both, and is no attempt by itself."""
    inner = "https://porn.example/x"
    outer = f"https://go.plain.example/?to={inner}"
    blocked = ENGINE.decide(
        request(outer, Stage.REQUEST, Signal.WRAPPED_URL, claims=(inner,)), PEOPLE["Year 8"], LESSON
    )
    assert blocked.rule == "no-pornography"
    harmless = "https://news.other.example/x"
    asked = request(f"https://go.plain.example/?to={harmless}", Stage.REQUEST, Signal.WRAPPED_URL, claims=(harmless,))
    assert ENGINE.decide(asked, PEOPLE["Year 8"], LESSON).action is ALLOW


@pytest.mark.parametrize("signal", [s for s in Signal if s not in {Signal.WRAPPED_URL, Signal.HIDDEN_SEARCH}])
def test_signals_are_circumvention(signal: Signal) -> None:
    """A rule for category `circumvention` meets every signal, and says so."""
    verdict = ENGINE.decide(request("https://plain.example", Stage.REQUEST, signal), PEOPLE["Year 8"], LESSON)
    assert (verdict.action, verdict.reason, verdict.rule) == (BLOCK, Reason.CIRCUMVENTION, "ways-round")
    assert verdict.match is not None
    assert verdict.match.entry == signal.value


@pytest.mark.parametrize(
    ("who", "host", "signals", "action", "provisional"),
    [
        ("a teacher", "bank.example", (), Action.BYPASS, False),
        ("a teacher", "bank.example", (Signal.NO_SNI,), ALLOW, False),  # nobody knows that it is the bank
        ("a teacher", "bank.example", (Signal.NAME_MISMATCH,), ALLOW, False),
        ("a teacher", "shadybank.example", (), ALLOW, False),  # something LOCKED lies below: look inside
        ("Year 4", "tube.example", (), BLOCK, True),  # /lessons is chosen
        ("Year 4", "plain.example", (), BLOCK, False),
        ("Year 8", "tube.example", (), ALLOW, False),  # /games is not known yet
        ("Year 2", "illegal.example", (), BLOCK, False),
    ],
)
def test_at_connect_only_the_host_is_known(
    who: str, host: str, signals: tuple[Signal, ...], action: Action, provisional: bool
) -> None:
    """Bypass only what is sure; a block that a page below could escape is provisional."""
    verdict = ENGINE.decide(request(f"https://{host}", Stage.CONNECT, *signals), PEOPLE[who], LESSON)
    assert (verdict.action, verdict.provisional) == (action, provisional)
    assert verdict.stage is Stage.CONNECT


def test_a_listed_url_that_is_allowed_makes_a_block_at_connect_provisional() -> None:
    """One page of a host was chosen by list: the host is not closed before the page is known."""
    engine = school_engine(lists={"help": ["h.example"], "education": ["shared.example/lesson"]})
    verdict = engine.decide(request("https://shared.example", Stage.CONNECT), PEOPLE["Year 4"], LESSON)
    assert (verdict.action, verdict.provisional) == (BLOCK, True)
    assert engine.decide(request("https://shared.example/lesson/1"), PEOPLE["Year 4"], LESSON).action is ALLOW


def test_a_host_one_of_whose_pages_a_rule_names_is_not_passed_unread() -> None:
    """Undecrypted, nobody would see which page it is: the rule would never act."""
    closed = "{rule: page, what: ['url:bank.example/games'], action: block}"
    text = f"schoolgate: 1\npolicies:\n  - tier: default\n    rules:\n      - {closed}\n"
    text += "      - {rule: banks-unread, what: ['host:bank.example', 'host:other.example'], action: bypass}\n"
    engine = Engine(PlainIndex(LISTS), load_policy(text, file="test", categories=TAXONOMY))
    for host, action in (("bank", ALLOW), ("www.bank", ALLOW), ("other", Action.BYPASS)):
        asked = request(f"https://{host}.example", Stage.CONNECT)
        assert engine.decide(asked, PEOPLE["a teacher"], LESSON).action is action
    assert engine.decide(request("https://bank.example/games"), PEOPLE["a teacher"], LESSON).action is BLOCK


def test_bypass_never_wins_over_another_claim() -> None:
    """Two names, one of them a bank: it is decrypted."""
    both = request("https://bank.example", Stage.CONNECT, claims=("https://plain.example",))
    assert ENGINE.decide(both, PEOPLE["a teacher"], LESSON).action is ALLOW
    same = request("https://bank.example", Stage.CONNECT, claims=("https://bank.example",))
    assert ENGINE.decide(same, PEOPLE["a teacher"], LESSON).action is Action.BYPASS
    two = request("https://bank.example", Stage.CONNECT, claims=("https://shadybank.example",))
    assert ENGINE.decide(two, PEOPLE["a teacher"], LESSON).action is ALLOW


def test_once_decrypted_bypass_means_allow() -> None:
    """At the request there is nothing left to pass through."""
    assert decide("a teacher", "https://bank.example/login").action is ALLOW


def test_words_never_open_anything() -> None:
    """A search for the name of a good thing does not make the search good."""
    engine = school_engine(lists={"education": ["word: fractions"], "help": ["h.example", "word: childline"]})
    for words in ("fractions", "childline", "fractions+childline"):
        asked = request(f"https://www.google.com/search?q={words}")
        assert engine.decide(asked, PEOPLE["Year 4"], LESSON).rule == "allow-only"
        assert engine.decide(asked, PEOPLE["nobody known"], LESSON).rule == "allow-only"


def test_a_good_word_does_not_excuse_a_bad_one() -> None:
    """`not education` speaks of the site, not of what was typed."""
    lists = {"games": ["word: shooter"], "education": ["word: fractions"], "help": ["h.example"]}
    verdict = school_engine(lists=lists).decide(
        request("https://www.google.com/search?q=fractions+shooter"), PEOPLE["Year 8"], LESSON
    )
    assert (verdict.rule, verdict.reason) == ("games-in-lessons", Reason.SEARCH)


def test_terms_given_by_the_host_are_used() -> None:
    """Words from a form are judged like words from a URL."""
    asked = request("https://plain.example/find")._replace(terms=("a rude word",))
    verdict = ENGINE.decide(asked, PEOPLE["a teacher"], LESSON)
    assert (verdict.reason, verdict.terms) == (Reason.SEARCH, ("a rude word",))


def test_the_strictest_group_settles_the_band() -> None:
    """Somebody in Year 4 and in a staff group is in Year 4; somebody in no group with a band is unknown."""
    policy = ENGINE.policy
    assert policy.band_of(Client(groups=frozenset({"year-4", "teaching-staff", "esports"}))) is Band.KS2
    assert policy.band_of(Client(groups=frozenset({"esports", "no-such-group"}))) is Band.EYFS
    assert policy.band_of(Client(band=Band.STAFF)) is Band.EYFS  # a band nobody vouches for
    assert policy.band_of(Client(band=Band.STAFF, band_known=True, groups=frozenset({"year-4"}))) is Band.STAFF


def test_a_time_without_a_zone_is_refused() -> None:
    """A wall clock without a zone decides nothing."""
    with pytest.raises(ValueError, match="aware"):
        ENGINE.decide(request("https://plain.example"), PEOPLE["Year 8"], datetime(2026, 11, 24, 10, 20))
