"""One click: what it would do before, what it does after, within what a role may; LOCKED says why not.

Shows: `console.deciding`, `console.pages.decide`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.roles import Role
from registry import people
from registry.people import Details
from tests.console.rig import OFFICE, Console, send

GAMES = "games.schoolgate.test"


@pytest.fixture
def console(console: Console) -> Console:
    """One whose clock is that of the engine."""
    from datetime import UTC, datetime

    console.now = datetime.now(UTC)
    return console


def decide(browser: TestClient, **form: str) -> Any:
    usual = {
        "action": "allow",
        "what": GAMES,
        "whom": "group",
        "group": "year-4",
        "length": "40m",
        "why": "coding club",
    }
    return send(browser, "/decide", **{**usual, **form})


def test_a_click_from_a_row_opens_the_page_for_the_class_and_says_so(console: Console) -> None:
    """Filled in from the row; tried first; then made, in force, and that very request asked again."""
    (row,) = console.store(
        {"host": GAMES, "path": "/play", "user": None, "action": "block", "blocked": True, "groups": ("year-4",)}
    )
    browser = console.signed_in(Role.TECHNICIAN)
    page = browser.get(f"/decide?row={row}&action=allow").text
    assert f'value="{GAMES}"' in page
    assert '<option value="year-4" selected>' in page
    assert "decides for" in page
    before = browser.get(f"/why.json?row={row}&at=").json()
    done = decide(browser, row=str(row), site="oakwood")
    where = done.headers["location"]
    assert where == f"/decisions/1?row={row}&done=yes"
    told = browser.get(where.replace("?", ".json?")).json()
    assert told["decision"]["holds"] is True
    assert (told["now"]["action"], told["now"]["rule"]) == ("allow", "override-1")
    assert before["answer"]["rule"] != "override-1"
    assert "That request, asked again now" in browser.get(where).text
    line = console.trail("change")[0]
    assert (line.what, line.who, line.why) == ("override.add", "console:technician-1", "coding club")
    assert line.after["until"] is not None


def test_it_ends_by_a_click_and_is_over_in_the_list(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    decide(browser)
    assert GAMES in browser.get("/decisions").text
    assert send(browser, "/decisions/1", why="lesson is over").status_code == 303
    assert browser.get("/decisions.json").json()["decisions"] == []
    (told,) = browser.get("/decisions.json?all=yes").json()["decisions"]
    assert (told["ended_why"], told["holds"]) == ("lesson is over", False)
    assert browser.get("/decisions/2").status_code == 404


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"why": ""}, "needs a reason"),
        ({"what": ""}, "a host, a URL"),
        ({"what": "category:gamse"}, "did you mean"),
        ({"what": "category:child-abuse"}, "LOCKED"),
        ({"what": "childline.org.uk", "action": "block"}, "help site"),
        ({"what": "category:malware"}, "(TRUST) decides"),
        ({"group": "year-44"}, "did you mean"),
        ({"whom": "band", "band": "ks22"}, "did you mean"),
        ({"whom": "user", "user": "nobody"}, "no such account"),
        ({"whom": "user", "user": ""}, "whom?"),
        ({"site": "oakwod"}, "did you mean"),
        ({"until": "soon"}, "not a time"),
        ({"until": "2020-01-01"}, "over before it began"),
        ({"length": "x"}, "no length of time"),
        ({"action": "bypass"}, "allow or block?"),
        ({"why": "=1+1"}, "starts like a formula"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_done(console: Console, form: dict[str, str], says: str) -> None:
    """With the rule in the way; the form keeps what was typed."""
    browser = console.signed_in(Role.TECHNICIAN)
    refused = decide(browser, **form)
    assert refused.status_code == 422
    assert says in refused.text.replace("&#39;", "'")
    assert browser.get("/decisions.json?all=yes").json()["decisions"] == []
    assert console.trail("change")[0].what != "override.add"


def test_a_locked_row_has_nothing_to_allow(console: Console) -> None:
    """And says why."""
    (row,) = console.store({"tier": "locked", "action": "block", "blocked": True, "reason": "statutory"})
    browser = console.signed_in(Role.TECHNICIAN)
    page = browser.get(f"/log/{row}").text
    assert "nothing and nobody opens it" in page
    assert "/decide" not in page
    assert "/decide" not in browser.get("/log").text


def test_a_teacher_decides_for_their_class_and_for_a_lesson(console: Console) -> None:
    teacher = console.signed_in(Role.TEACHER, "oakwood")
    assert "year-4" in teacher.get("/decide").text
    for form, says in (
        ({"group": "year-5"}, "their own classes"),
        ({"whom": "everybody"}, "their own classes"),
        ({"whom": "band", "band": "ks2"}, "their own classes"),
        ({"length": "1w"}, "within 4 hours"),
        ({"length": "none"}, "within 4 hours"),
    ):
        refused = decide(teacher, **form)
        assert (refused.status_code, says in refused.text) == (422, True), form
    assert decide(teacher).status_code == 303
    (told,) = teacher.get("/decisions.json").json()["decisions"]
    assert (told["site"], told["group"]) == ("oakwood", "year-4")


def test_who_decides_for_one_site_decides_for_that_site(console: Console) -> None:
    """Whatever the form says; and ends what is of that site only."""
    trust, here, there = (console.signed_in(Role.TECHNICIAN, site) for site in (None, "oakwood", "hillview"))
    decide(here, site="hillview", whom="everybody")
    (told,) = here.get("/decisions.json").json()["decisions"]
    assert told["site"] == "oakwood"
    assert there.get("/decisions.json").json()["decisions"] == []
    assert there.get("/decisions/1").status_code == 404
    decide(trust, whom="everybody", what="other.example")
    assert len(here.get("/decisions.json").json()["decisions"]) == 2
    assert send(here, "/decide", "/decisions/2", why="not mine").status_code == 403
    leader = console.signed_in(Role.LEADER)
    assert send(leader, "/me", "/decisions/1", why="no").status_code == 403


def test_a_decision_about_somebody_is_not_shown_to_them(console: Console) -> None:
    """Nor its reason, in the list or by its number; whoever else decides there reads it."""
    from registry.people import Details, add
    from tests.console.rig import HASH, OFFICE

    with console.engine.begin() as connection:
        add(connection, "jo", Details("Jo", "staff", frozenset(), "oakwood"), OFFICE, password=HASH)
    console.house.doors.put_in_force()
    form = {"whom": "user", "user": "jo", "action": "block", "what": "chat.example", "why": "enquiry 12"}
    lead = console.signed_in(Role.SAFEGUARDING)
    assert decide(lead, **form).status_code == 303
    themselves = console.signed_in(Role.ICT, proxy="jo")
    assert "enquiry 12" not in themselves.get("/decisions.json?all=yes").text
    assert themselves.get("/decisions/1").status_code == 404
    assert "enquiry 12" in console.signed_in(Role.ICT).get("/decisions.json").text


def test_a_role_of_one_site_sees_and_makes_no_decision_about_people_of_another(console: Console) -> None:
    """Not in the list, not by number; and in the form they are nobody."""
    from registry.people import Details, add
    from tests.console.rig import HASH, OFFICE

    with console.engine.begin() as connection:
        add(connection, "head-hill", Details("", "staff", frozenset(), "hillview"), OFFICE, password=HASH)
        add(connection, "jo", Details("", "staff", frozenset(), "oakwood"), OFFICE, password=HASH)
    console.house.doors.put_in_force()
    lead, here = console.signed_in(Role.SAFEGUARDING), console.signed_in(Role.TECHNICIAN, "oakwood")
    for name in ("head-hill", "jo"):
        form = {"whom": "user", "user": name, "action": "block", "what": "chat.example", "why": f"about {name}"}
        assert decide(lead, **form).status_code == 303
    assert [one["user"] for one in here.get("/decisions.json").json()["decisions"]] == ["jo"]
    assert (here.get("/decisions/1").status_code, here.get("/decisions/2").status_code) == (404, 200)
    asked = {"what": "a.example", "whom": "user"}
    problems = [
        here.get("/decide.json", params={**asked, "user": name}).json()["problems"] for name in ("head-hill", "nobody")
    ]
    assert str(problems[0]).replace("head-hill", "nobody") == str(problems[1]) != "[]"


def test_a_decision_ends_by_itself(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    decide(browser, length="15m")
    console.now += timedelta(minutes=14)
    assert browser.get("/decisions/1.json").json()["decision"]["holds"] is True
    console.now += timedelta(minutes=2)
    assert browser.get("/decisions/1.json").json()["decision"]["holds"] is False


def test_who_decided_reads_in_the_trail_that_it_is_over(console: Console) -> None:
    """A decision that ends by itself names who made it; that is no line about them."""
    from registry.overrides import end_expired

    browser = console.signed_in(Role.ICT)
    decide(browser, length="15m")
    console.now += timedelta(minutes=16)
    with console.engine.begin() as connection:
        end_expired(connection, console.now, "schoolgate")
    lines = browser.get("/audit.json").json()["rows"]
    assert [line["why"] for line in lines if line["what"] == "override.end"] == ["its time is over"]


def test_a_row_that_is_decided_about_is_looked_at_and_that_is_written_down(console: Console) -> None:
    """Its whole URL and its groups are shown: by the form, and by the decision that is asked again for it."""
    (row,) = console.store(
        {"user": "head", "groups": ("leadership",), "band": "staff", "path": "/clinic", "device": "office-1"}
    )
    browser = console.signed_in(Role.TECHNICIAN)
    assert decide(browser).headers["location"].startswith("/decisions/1?")
    leader = console.signed_in(Role.LEADER)
    before = len(console.trail("look"))
    for number, (reader, page) in enumerate(
        [(browser, "/decide.json"), (browser, "/decisions/1.json"), (leader, "/decisions/1.json")], 1
    ):
        assert "www.example.org" in reader.get(f"{page}?row={row}").text
        looks = console.trail("look")
        assert len(looks) == before + number, page
        assert looks[0].subject == "head"
        assert f"with record id {row} of head from office-1" in looks[0].after["asked"]


def test_nobody_decides_for_themselves(console: Console) -> None:
    """In whatever spelling; and for others they still do."""
    with console.engine.begin() as connection:
        for name in ("staff-jo", "technician-2", "pupil-0417"):
            people.add(connection, name, Details("", "staff", frozenset({"staff"}), "oakwood"), OFFICE)
    console.house.doors.put_in_force()
    browser = console.signed_in(Role.TECHNICIAN, proxy="staff-jo")
    for name in ("staff-jo", " Staff-JO"):
        answer = decide(browser, whom="user", user=name)
        assert (answer.status_code, "your own account" in answer.text) == (422, True)
    assert browser.get("/decisions.json").json()["decisions"] == []
    assert decide(browser, whom="user", user="Pupil-0417").status_code == 303
    unnamed = console.signed_in(Role.TECHNICIAN)
    own = decide(unnamed, whom="user", user="technician-2")
    assert (own.status_code, "your own account" in own.text) == (422, True)
