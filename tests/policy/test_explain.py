"""The explanation: the same words for console, command line and block page, in the order people ask."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from policy.explain import Explanation
from policy.model import Stage
from tests.policy.school import ENGINE, LESSON, PEOPLE, at, request

KEYS = (
    "action blocked reason tier rule category categories list entry band matches outranked revision "
    "because terms would_change client at url stage safesearch found"
)


def explain(who: str, url: str, when: datetime = LESSON) -> Explanation:
    """Why, at our school."""
    return ENGINE.explain(request(url), PEOPLE[who], when)


def test_the_keys_are_a_promise() -> None:
    """Programs read these names."""
    told = explain("Year 8", "https://games.example/x").as_json()
    assert sorted(told) == sorted(KEYS.split())
    assert json.loads(json.dumps(told)) == told
    assert (told["action"], told["blocked"], told["tier"], told["rule"]) == ("block", True, "trust", "games-in-lessons")
    assert (told["category"], told["list"], told["entry"]) == ("games", "test/games", "games.example")
    assert told["matches"] == [
        {"category": "games", "list": "test/games", "entry": "games.example", "line": 1, "kind": "domain", "weight": 0}
    ]
    assert told["outranked"] == [{"tier": "default", "rule": "allow-the-rest", "action": "allow", "category": None}]


def test_people_read_verdict_because_evidence_change_losers_identity() -> None:
    """In this order, every time."""
    text = explain("Year 10", "https://games.example").as_text()
    places = [
        text.index(part)
        for part in (
            "BLOCKED for pupil-0417 (Key Stage 4) at Riverside Academy on Tuesday 24 November 2026, 10:20",
            "because Games are blocked for Key Stage 4 during lessons.",
            "by rule 'games-in-lessons' (TRUST, school.yaml line",
            "games.example is in list 'test/games', line 1",
            "It would be allowed: from 10:30",
            "DEFAULT  allow-the-rest",
            "Who: pupil-0417",
            f"revision {ENGINE.revision}",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("who", "url", "when", "by", "text"),
    [
        ("Year 8", "https://games.example", LESSON, "time", "from 10:30 (after lessons)"),
        ("Year 8", "https://games.example", at("2026-11-24 12:00"), "time", "from 12:10 (lunch)"),
        ("Year 8", "https://games.example", at("2026-11-27 10:00"), "time", "from Monday 08:50 (lessons)"),  # INSET
        ("Year 4", "https://chess.example", LESSON, "time", "from 12:00 (lunch)"),
        ("Year 8", "https://games.example", LESSON, "band", "for Staff"),
        ("Year 4", "https://plain.example", LESSON, "override", "by an override"),
        ("Year 8", "https://porn.example", LESSON, "policy", "by the trust's policy"),
        ("Year 8", "https://illegal.example", LESSON, "nothing", "LOCKED: nothing opens it"),
        ("Year 8", "https://childline.example", LESSON, "nothing", "help sites are always open"),
    ],
)
def test_what_would_change_it(who: str, url: str, when: datetime, by: str, text: str) -> None:
    """Who is told no is also told when, for whom, and by whom it is yes."""
    changes = explain(who, url, when).changes
    assert (by, text) in [(change.by, change.text) for change in changes]


def test_a_change_that_is_told_really_comes() -> None:
    """At the named moment the verdict is the other one; a minute before it is not."""
    explanation = explain("Year 8", "https://games.example")
    moment = next(change.at for change in explanation.changes if change.at is not None)
    assert ENGINE.decide(request("https://games.example"), PEOPLE["Year 8"], moment).blocked is False


def test_losers_are_told_with_the_reason_why_they_lost() -> None:
    """Later rows, expired overrides, rows for other times and other people: all that is about this page."""
    losers = {loser.rule: loser.why for loser in explain("Year 10", "https://video.example").losers}
    assert losers == {"assembly": "ended 2026-11-24 09:50", "allow-the-rest": "later row"}
    losers = {loser.rule: loser.why for loser in explain("Year 10 esports", "https://games.example").losers}
    assert losers["games-in-lessons"] == "for others"
    losers = {loser.rule: loser.why for loser in explain("Year 4", "https://chess.example").losers}
    assert losers["oakwood-chess"] == "not at this time"


def test_search_terms_and_silence_are_told() -> None:
    """What was searched for is shown; a page in no list says so."""
    assert "searched for: sadness" in explain("Year 8", "https://google.com/search?q=sadness").as_text()
    assert "in no list" in explain("Year 8", "https://plain.example").as_text()
    assert "the strictest" in explain("nobody known", "https://plain.example").as_text()


def test_connect_can_be_explained_too() -> None:
    """A bypass is told as what it is."""
    explanation = ENGINE.explain(request("https://bank.example", Stage.CONNECT), PEOPLE["a teacher"], LESSON)
    assert explanation.as_text().startswith("PASSED THROUGH, not decrypted, for teacher-12 (Staff)")
    assert explanation.as_json()["stage"] == "connect"


def test_what_is_made_safe_is_shown() -> None:
    """For an allowed search: the address that is sent; not for what is blocked, and not where nothing changes."""
    told = explain("Year 10", "https://www.google.com/search?q=volcano&safe=off")
    assert not told.verdict.blocked
    assert told.safer is not None
    assert "safe=active" in str(told.safer.url)
    assert "safe=off" not in str(told.safer.url)
    assert "SafeSearch: sent to Google with https://www.google.com/search?" in told.as_text()
    assert told.as_json()["safesearch"]["url"] == str(told.safer.url)
    assert explain("Year 8", "https://games.example/x").as_json()["safesearch"] is None
    assert "SafeSearch" not in explain("Year 10", "https://unknown.example/").as_text()
