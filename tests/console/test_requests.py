"""The queue of review requests: what it shows, to whom, and what deciding does in the register and to the next page.

Shows: `console.filling`, `console.registerdoors`, `console.pages.requests`,
`proxy.consoleregister`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.roles import Role
from identity.overlay import read_overlay
from proxy.consoledoors import GatewayDoors
from proxy.settings import Settings
from registry import entries, overrides, requests
from tests.console.rig import AT, Console, send

ASKED: dict[str, Any] = {
    "mark": "m1",
    "url": "https://games.schoolgate.test/play",
    "user": "pupil-0417",
    "address": "10.4.2.14",
    "band": "ks3",
    "verified": True,
    "why": "the club meets there",
    "action": "block",
    "rule": "no-games",
    "at": AT.isoformat(),
}


def ask_for(console: Console, *more: dict[str, Any]) -> None:
    """File requests as the shipper does."""
    with console.engine.begin() as connection:
        assert requests.file_all(connection, [{**ASKED, "mark": f"m{n}", **one} for n, one in enumerate(more)])


def test_the_queue_tells_who_asks_for_what_and_the_verdict_then_and_now(console: Console) -> None:
    """And the look is in the trail before it is shown."""
    ask_for(console, {}, {"url": "https://www.bbc.co.uk/bitesize", "why": "<b>revision</b>", "user": None})
    browser = console.signed_in(Role.TECHNICIAN)
    told = browser.get("/requests.json").json()
    assert told["waiting"] == 2
    assert [(row["user"], row["then"]["rule"], row["why"]) for row in told["rows"]] == [
        ("pupil-0417", "no-games", "the club meets there"),
        (None, "no-games", "<b>revision</b>"),
    ]
    assert {row["now"]["action"] for row in told["rows"]} <= {"allow", "block", "warn"}
    page = browser.get("/requests").text
    assert "&lt;b&gt;revision" in page
    assert "<caption" in page
    assert "pupil-0417" in browser.get("/requests.csv").text
    assert [line.subject for line in console.trail("look")] == ["review requests"] * 3


def test_opened_for_the_band_that_asked_the_next_page_passes(console: Console) -> None:
    """An override in the register, in the overlay that workers read, with the answer for whoever asked."""
    ask_for(console, {})
    browser = console.signed_in(Role.TECHNICIAN)
    assert browser.get("/requests/1.json").json()["request"]["now"]["action"] == "block"
    answer = send(
        browser, "/requests/1", "/requests/1/decide",
        do="allow", what="host", whom="band", band="ks3", length="2h", why="a chess club", answer="Enjoy.",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    with console.engine.connect() as connection:
        one = requests.get(connection, 1)
        (made,) = overrides.decisions(connection)
    assert (one.state, one.answer, one.made) == ("allowed", "it is open now. Enjoy.", made.override.name)
    assert (made.override.what, made.override.band, made.override.until) == (
        "host:games.schoolgate.test", "ks3", AT + timedelta(hours=2),
    )  # fmt: skip
    overlay = read_overlay(console.data / "overlay" / "overlay.msgpack")
    assert overlay.decided["overrides"][0][2] == "host:games.schoolgate.test"
    assert overlay.decided["answers"][0][4] == "it is open now. Enjoy."
    assert [line.what for line in console.trail("change")][:2] == ["request.decide", "override.add"]
    seen = browser.get(answer.headers["location"])
    assert "Whoever asked is told" in seen.text
    assert browser.get("/requests.json").json()["waiting"] == 0
    (row,) = browser.get("/requests.json?decided=yes").json()["rows"]
    assert row["state"] == "allowed"
    (again,) = GatewayDoors(Settings(data=console.data)).again([one], AT)
    assert again is not None
    assert again.verdict.rule == made.override.name


def test_put_into_a_category_by_an_entry(console: Console) -> None:
    ask_for(console, {})
    browser = console.signed_in(Role.ICT)
    answer = send(
        browser, "/requests/1", "/requests/1/decide", do="entry", what="host", category="class-chosen", why="for all"
    )
    assert answer.status_code == 303, answer.text
    with console.engine.connect() as connection:
        (made,) = entries.made(connection)
        assert requests.get(connection, 1).made == "entry 1 in class-chosen"
    assert (made.entry.category, made.entry.value, made.entry.until) == ("class-chosen", "games.schoolgate.test", None)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"do": "no-change", "why": ""}, "needs a reason"),
        ({"do": "burn", "why": "x"}, "what is decided?"),
        ({"do": "allow", "whom": "band", "band": "ks9", "why": "x"}, "no band"),
        ({"do": "allow", "whom": "everybody", "until": "soon", "why": "x"}, "not a time"),
        ({"do": "entry", "category": "help", "why": "x"}, "by the product alone"),
        ({"do": "entry", "category": "class-chosen", "until": "never", "why": "x"}, "not a time"),
        ({"do": "allow", "whom": "everybody", "why": "=1+1"}, "formula"),
    ],
)
def test_what_cannot_be_decided_stays_waiting_and_says_why(console: Console, form: dict[str, str], says: str) -> None:
    ask_for(console, {})
    browser = console.signed_in(Role.TECHNICIAN)
    answer = send(browser, "/requests/1", "/requests/1/decide", **form)
    assert answer.status_code == 422
    assert says in answer.text
    assert browser.get("/requests.json").json()["waiting"] == 1
    assert console.trail("change")[0].what != "request.decide"


def test_what_a_trust_rule_closes_no_request_opens(console: Console) -> None:
    """What is LOCKED is tried in `test_locked.py`."""
    ask_for(console, {"url": "https://malware.schoolgate.test/"})
    browser = console.signed_in(Role.ICT)
    answer = send(browser, "/requests/1", "/requests/1/decide", do="allow", whom="everybody", length="none", why="x")
    assert answer.status_code == 422
    assert "decides" in answer.text
    with console.engine.connect() as connection:
        assert overrides.decisions(connection) == []


def test_a_role_of_one_site_sees_and_decides_its_own(console: Console) -> None:
    """Whatever number or site the address says; and an entry, which holds everywhere, is not for it."""
    ask_for(console, {"site": "oakwood"}, {"site": "hillview"})
    browser = console.signed_in(Role.TECHNICIAN, "oakwood")
    told = browser.get("/requests.json").json()
    assert ([row["site"] for row in told["rows"]], told["waiting"]) == (["oakwood"], 1)
    assert browser.get("/requests/2").status_code == 404
    assert send(browser, "/requests/1", "/requests/2/decide", do="no-change", why="x").status_code == 404
    answer = send(browser, "/requests/1", "/requests/1/decide", do="entry", category="class-chosen", why="x")
    assert (answer.status_code, "whole trust" in answer.text) == (422, True)
    with console.engine.connect() as connection:
        assert entries.made(connection) == []


def test_a_leader_reads_and_nobody_decides_their_own(console: Console) -> None:
    ask_for(console, {"user": "jo"})
    leader = console.signed_in(Role.LEADER)
    assert "Decide" not in leader.get("/requests/1").text
    assert send(leader, "/me", "/requests/1/decide", do="no-change", why="x").status_code == 403
    own = console.signed_in(Role.TECHNICIAN, proxy="JO")
    assert "Somebody else decides it" in own.get("/requests/1").text
    assert send(own, "/me", "/requests/1/decide", do="no-change", why="x").status_code == 403
    with console.engine.connect() as connection:
        assert requests.get(connection, 1).state == "waiting"


def test_a_teacher_asks_and_reads_the_answer(console: Console) -> None:
    teacher, technician = console.signed_in(Role.TEACHER), console.signed_in(Role.TECHNICIAN)
    assert send(teacher, "/requests/new", url="Forum.example/x", wanted="block", why="bullying").status_code == 303
    assert send(teacher, "/requests/new", url="no..host", why="x").status_code == 422
    (row,) = technician.get("/requests.json").json()["rows"]
    assert (row["url"], row["wanted"], row["user"].partition("-")[0]) == (
        "http://forum.example/x",
        "block",
        "console:teacher",
    )
    form = {"do": "no-change", "why": "fine", "answer": "It is theirs."}
    decided = send(technician, "/requests/1", "/requests/1/decide", **form)
    assert decided.status_code == 303
    assert "It is theirs." in teacher.get("/requests/new").text
    assert technician.get("/requests/new.json").json()["rows"] == []


def test_nobody_decides_what_they_asked_for_in_the_console(console: Console) -> None:
    """Neither opens, closes nor leaves it; somebody else does."""
    browser, other = console.signed_in(Role.TECHNICIAN), console.signed_in(Role.TECHNICIAN)
    assert send(browser, "/requests/new", url="games.example", why="I want it").status_code == 303
    for do in ("allow", "no-change"):
        form = {"do": do, "what": "host", "whom": "everybody", "length": "1h", "why": "fine"}
        assert send(browser, "/me", "/requests/1/decide", **form).status_code == 403
    assert "Somebody else decides it" in browser.get("/requests/1").text
    with console.engine.connect() as connection:
        assert requests.get(connection, 1).state == "waiting"
    assert send(other, "/requests/1", "/requests/1/decide", do="no-change", why="no need").status_code == 303


def test_a_long_queue_is_paged_by_number(console: Console) -> None:
    ask_for(console, *({"why": f"w{n}"} for n in range(60)))
    browser, seen, where = console.signed_in(Role.SAFEGUARDING), [], "/requests"
    while where:
        path, _, query = where.partition("?")
        told = browser.get(f"{path}.json?{query}").json()
        seen += [row["why"] for row in told["rows"]]
        where = told["more"]
    assert seen == [f"w{n}" for n in range(60)]
