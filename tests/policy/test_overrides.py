"""One-click decisions as rules: below LOCKED and TRUST, above the rest, the newest first, over when they are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import NameProblem
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Reason, Stage, Tier
from policy.overrides import Override, pack, rule_of, sentence, target, unpack, with_overrides
from policy.rules import load_policy
from tests.policy.lists import PlainIndex
from tests.policy.school import LESSON, LISTS, PEOPLE, TAXONOMY, request, school_policy

POLICY = school_policy()


def decided(*made: Override, who: str, url: str, at: datetime = LESSON) -> Any:
    """The verdict with these decisions made."""
    return Engine(PlainIndex(LISTS), with_overrides(POLICY, made)).decide(request(url), PEOPLE[who], at)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Games.Example.", "host:games.example"),
        ("https://games.example/", "host:games.example"),
        ("games.example:443", "host:games.example"),
        ("tube.example/lessons", "url:http://tube.example/lessons"),
        ("url:https://tube.example/a?b=c", "url:https://tube.example/a?b=c"),
        ("host:10.0.0.1", "host:10.0.0.1"),
        ("category:games", "category:games"),
        ("games.example/#", "host:games.example"),
        ("tube.example/lessons#intro", "url:http://tube.example/lessons"),
    ],
)
def test_what_people_write_has_one_meaning(written: str, meant: str) -> None:
    assert target(written, TAXONOMY) == meant
    assert target(meant, TAXONOMY) == meant


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("category:gamse", "did you mean 'games'?"),
        ("no..host", "empty label"),
        ("", "names no host"),
        ("https://forum.example/#one-thread", "write forum.example if the whole host is meant"),
    ],
)
def test_what_means_nothing_is_told(written: str, says: str) -> None:
    with pytest.raises(NameProblem, match=says.replace("?", r"\?")):
        target(written, TAXONOMY)


def test_a_class_gets_what_its_teacher_chose_and_others_do_not() -> None:
    """B-47: an override of a site-blocked page, for one group."""
    made = Override(7, Action.ALLOW, "host:unknown.example", group="year-4")
    assert decided(made, who="Year 4", url="https://unknown.example/").action is Action.ALLOW
    assert decided(made, who="Year 2", url="https://unknown.example/").action is Action.BLOCK
    verdict = decided(made, who="Year 4", url="https://unknown.example/")
    assert (verdict.rule, verdict.tier, verdict.reason) == ("override-7", Tier.OVERRIDE, Reason.OVERRIDE)


@pytest.mark.parametrize(
    ("url", "who", "rule"),
    [
        ("https://illegal.example/", "a teacher", "locked-statutory"),
        ("https://porn.example/", "a teacher", "no-pornography"),
        ("https://vpn.example/", "Year 10", "ways-round"),
    ],
)
def test_locked_and_trust_stand_above_it(url: str, who: str, rule: str) -> None:
    """Whatever is opened with one click, by host, URL or category, for everybody."""
    things = (
        "host:illegal.example",
        "host:porn.example",
        "category:vpn",
        "category:child-abuse",
        "url:http://vpn.example/",
    )
    made = [Override(number, Action.ALLOW, what) for number, what in enumerate(things, 1)]
    assert decided(*made, who=who, url=url).rule == rule


UNREAD = Override(7, Action.BYPASS, "host:a.example")


def at_connect(*made: Override, who: str, host: str, lists: dict[str, list[str]] | None = None) -> Any:
    """The verdict when only the host is known."""
    engine = Engine(PlainIndex({**LISTS, **(lists or {})}), with_overrides(POLICY, made))
    return engine.decide(request(f"https://{host}", Stage.CONNECT), PEOPLE[who], LESSON)


def test_what_is_allowed_passes_unread_by_one_click() -> None:
    """The rule that lets it pass is named; once decrypted all the same, it is allowed as before."""
    verdict = at_connect(UNREAD, who="a teacher", host="login.a.example")
    assert (verdict.action, verdict.rule, verdict.tier) == (Action.BYPASS, "override-7", Tier.OVERRIDE)
    assert verdict.outranked[0].action is Action.ALLOW
    assert decided(UNREAD, who="a teacher", url="https://a.example/x").action is Action.ALLOW
    assert at_connect(UNREAD, who="a teacher", host="b.example").action is Action.ALLOW


def test_passing_unread_opens_nothing() -> None:
    """What another rule closes or warns of stays so, whichever tier it is of: the click says how, never whether."""
    before = at_connect(who="Year 4", host="a.example")
    assert before.blocked
    after = at_connect(UNREAD, who="Year 4", host="a.example")
    assert (after.action, after.rule, after.provisional) == (before.action, before.rule, before.provisional)
    closed = Override(3, Action.BLOCK, "host:a.example")
    for made in ((UNREAD, closed), (UNREAD, replace(closed, id=9))):
        assert at_connect(*made, who="a teacher", host="a.example").action is Action.BLOCK


@pytest.mark.parametrize(
    "lists",
    [
        {"pornography": ["a.example"]},
        {"vpn": ["a.example"]},
        {"child-abuse": ["a.example/page"]},
        {"child-abuse": ["a.example"]},
    ],
    ids=["harmful", "a way round", "a LOCKED page below", "LOCKED"],
)
def test_what_must_be_read_is_read_whatever_was_clicked(lists: dict[str, list[str]]) -> None:
    """Also when a list learns of it after the click."""
    for who in PEOPLE:
        assert at_connect(UNREAD, who=who, host="a.example", lists=lists).action is not Action.BYPASS


def test_a_listed_page_below_is_still_closed_after_one_click() -> None:
    """The host is read for whom the policy closes a page of it, of any kind; a page it opens for them stops nothing."""
    policy = load_policy(CLOSES_BELOW, file="below.yaml", categories=load_taxonomy())
    lists = {"pornography": ["wiki.example/bad"], "games": ["play.example/chess"], "help": ["aid.example/page"]}
    made = [Override(n, Action.BYPASS, f"host:{name}.example") for n, name in enumerate(("wiki", "play", "aid"), 1)]
    engine = Engine(PlainIndex(lists), with_overrides(policy, made))
    pupil, teacher = Client(band=Band.KS4, band_known=True), Client(band=Band.STAFF, band_known=True)

    def action(client: Client, url: str, stage: Stage = Stage.CONNECT) -> Action:
        return engine.decide(request(url, stage), client, LESSON).action

    for client in (pupil, teacher):
        for host in ("wiki.example", "a.wiki.example"):
            assert action(client, f"https://{host}") is Action.ALLOW, "read, so that its pages are decided"
        assert action(client, "https://wiki.example/bad", Stage.REQUEST) is Action.BLOCK
        assert action(client, "https://aid.example") is Action.BYPASS
    assert action(pupil, "https://play.example") is Action.ALLOW
    assert action(pupil, "https://play.example/chess", Stage.REQUEST) is Action.WARN
    assert action(teacher, "https://play.example") is Action.BYPASS


CLOSES_BELOW = """
schoolgate: 1
policies:
  - tier: default
    rules:
      - {rule: porn, what: [pornography], action: block}
      - {rule: games, who: [ks4], what: [games], action: warn}
      - {rule: rest, what: [anything], action: allow}
"""


def test_help_stays_open() -> None:
    """B-53."""
    made = (Override(1, Action.BLOCK, "host:childline.example"), Override(2, Action.BLOCK, "category:help"))
    assert decided(*made, who="Year 2", url="https://childline.example/").action is Action.ALLOW


def test_the_newest_decision_counts() -> None:
    older, newer = Override(1, Action.BLOCK, "host:a.example"), Override(2, Action.ALLOW, "host:a.example")
    assert decided(older, newer, who="a teacher", url="http://a.example/").action is Action.ALLOW
    assert decided(newer, older, who="a teacher", url="http://a.example/").rule == "override-2"


@pytest.mark.parametrize(("minutes", "action"), [(-1, Action.BLOCK), (0, Action.ALLOW), (1, Action.ALLOW)])
def test_it_is_over_when_it_is_over(minutes: int, action: Action) -> None:
    made = Override(1, Action.BLOCK, "host:a.example", until=LESSON)
    assert (
        decided(made, who="a teacher", url="http://a.example/", at=LESSON + timedelta(minutes=minutes)).action is action
    )


@pytest.mark.parametrize(
    ("made", "who", "fits"),
    [
        (Override(1, Action.BLOCK, "host:a.example", site="oakwood"), "Year 10 at Oakwood", True),
        (Override(1, Action.BLOCK, "host:a.example", site="oakwood"), "Year 10", False),
        (Override(1, Action.BLOCK, "host:a.example", band=Band.KS4), "Year 10", True),
        (Override(1, Action.BLOCK, "host:a.example", band=Band.KS4), "sixth form", False),
        (Override(1, Action.BLOCK, "host:a.example", user="Pupil-0417"), "Year 10", True),
        (Override(1, Action.BLOCK, "host:a.example", user="pupil-0417", site="oakwood"), "Year 10", False),
    ],
)
def test_for_whom_and_where(made: Override, who: str, fits: bool) -> None:
    assert (decided(made, who=who, url="http://a.example/").rule == "override-1") is fits


def test_a_category_is_opened_and_a_page_closed() -> None:
    made = (
        Override(1, Action.ALLOW, "category:webmail", band=Band.KS4),
        Override(2, Action.BLOCK, "url:http://mail.example/x"),
    )
    assert decided(*made, who="Year 10", url="https://mail.example/").rule == "override-1"
    assert decided(*made, who="Year 10", url="https://mail.example/x/y").rule == "override-2"


def test_pages_say_what_and_until_when_on_the_schools_clock_and_never_why() -> None:
    until = datetime(2026, 6, 1, 10, 5, tzinfo=UTC)
    made = Override(1, Action.ALLOW, "host:a.example", group="year-4", until=until)
    unread = (
        "This refuses to be read, so a member of staff lets it pass unread for Year 4 until 11:05 on Monday 1 June."
    )
    assert sentence(replace(made, action=Action.BYPASS), POLICY) == unread
    assert sentence(made, POLICY) == "A member of staff has opened this for Year 4 until 11:05 on Monday 1 June."
    assert rule_of(made, POLICY).because == sentence(made, POLICY)
    assert "pupil" not in sentence(Override(1, Action.BLOCK, "host:a.example", user="pupil-0417"), POLICY)


def test_equal_decisions_make_equal_engines_and_none_changes_nothing() -> None:
    one, two = Override(1, Action.BLOCK, "host:a.example"), Override(2, Action.BLOCK, "host:b.example")
    assert with_overrides(POLICY, (one, two)).digest == with_overrides(POLICY, (two, one)).digest
    assert with_overrides(POLICY, (one,)).digest != with_overrides(POLICY, (replace(one, id=2),)).digest
    assert with_overrides(POLICY, ()) is POLICY


NAMES = st.none() | st.text("abcdefgh-", min_size=1, max_size=12)


@given(
    st.builds(
        Override,
        id=st.integers(1, 2**40),
        action=st.sampled_from([Action.ALLOW, Action.BLOCK]),
        what=st.sampled_from(["host:a.example", "url:http://b.example/x?y", "category:games"]),
        site=NAMES,
        group=NAMES,
        band=st.none() | st.sampled_from(Band),
        user=NAMES,
        until=st.none() | st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    )
)
def test_the_overlay_keeps_every_word(made: Override) -> None:
    assert unpack([[*pack(made), "a later column"]]) == (made,)


@pytest.mark.parametrize("row", [[], [1], [1, "shout", "host:a", *[None] * 5], [1, "allow", "what", *[None] * 5]])
def test_what_is_no_decision_is_refused(row: list[Any]) -> None:
    """Half a set of decisions is never put in force."""
    with pytest.raises((ValueError, TypeError)):
        unpack([row])
