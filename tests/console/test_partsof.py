"""Parts under their pages, and values left out: the log says what it shows, and shows what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from console.roles import Role
from registry import people
from registry.people import Details
from tests.console.rig import HASH, OFFICE, Console, send

PART = {"page": False, "path": "/a.js"}


def test_a_part_is_under_the_last_page_of_the_same_person_and_machine(console: Console) -> None:
    """Not under another pupil's, nor another machine's, nor one that was long before."""
    ids = console.store(
        {"host": "early.example"},
        {"host": "lesson.example"},
        {**PART, "host": "cdn.example"},
        {**PART, "host": "ads.example", "blocked": True, "action": "block"},
        {**PART, "host": "other.example", "user": "pupil-0418"},
        {**PART, "host": "tablet.example", "device": "oak-tablet-1"},
    )
    console.store({**PART, "host": "late.example"}, ago=timedelta(minutes=4))
    told = console.signed_in(Role.TECHNICIAN).get("/log.json").json()
    assert [row["id"] for row in told["rows"]] == [str(ids[1]), str(ids[0])]
    assert {page: [part["host"] for part in some] for page, some in told["parts"].items()} == {
        str(ids[1]): ["cdn.example", "ads.example"],
    }
    page = console.signed_in(Role.TECHNICIAN).get("/log").text
    assert "2 parts, 1 blocked" in page
    assert "By person, machine and time" in page


def test_parts_of_a_page_that_is_not_shown_are_under_no_other(console: Console) -> None:
    """The search is for one host; the page between, of another host, took its parts along."""
    first, _, _ = console.store({"host": "a.example"}, {"host": "b.example"}, {**PART, "host": "cdn.example"})
    told = console.signed_in(Role.TECHNICIAN).get("/log.json?host=a.example").json()
    assert ([row["id"] for row in told["rows"]], told["parts"]) == ([str(first)], {})


def test_whoever_sees_no_names_is_told_no_parts(console: Console) -> None:
    """Paths are what somebody opened."""
    console.store({"host": "a.example"}, PART)
    browser = console.signed_in(Role.ICT)
    page = send(browser, "/tokens", name="numbers", days="9").text
    token = page.partition("sgt_")[2].partition("<")[0]
    told = console.client().get("/log.json", headers={"Authorization": f"Bearer sgt_{token}"}).json()
    assert len(told["rows"]) == 1
    assert told["parts"] == {}


def test_a_value_is_left_out_and_wanted_again(console: Console) -> None:
    """The sentence says it, the rows and the number agree, and a click takes it back."""
    console.store({"host": "a.example", "category": "games"}, {"host": "b.example", "user": "pupil-0418"}, {})
    browser = console.signed_in(Role.TECHNICIAN)
    told = browser.get("/log.json?without=user:Pupil-0418,category:games").json()
    assert [row["host"] for row in told["rows"]] == ["www.example.org"]
    assert told["sentence"].endswith(", not of pupil-0418, not in category games")
    assert told["count"] == "1"
    page = browser.get("/log?without=category:games").text
    assert 'href="/log?without=category%3Agames%2Chost%3Ab.example">not host b.example' in page
    assert 'data-not="/log?without=category%3Agames%2Chost%3Ab.example"' in page
    assert 'href="/log">not category games' in page
    assert 'name="without" value="category:games"' in page
    problems = browser.get("/log.json?without=title:x").json()
    assert (problems["rows"], "cannot be left out" in problems["problems"][0]) == ([], True)


def test_a_comma_within_a_value_is_kept(console: Console) -> None:
    console.store({"rule": "a,b"}, {"rule": "c"})
    told = console.signed_in(Role.TECHNICIAN).get("/log.json", params={"without": "rule:a%2Cb"}).json()
    assert [row["rule"] for row in told["rows"]] == ["c"]


@pytest.mark.parametrize("query", ["band=staff&without=user:staff-jo", "without=band:ks2,user:staff-jo"])
def test_whoever_leaves_everybody_else_out_says_why(console: Console, query: str) -> None:
    """An adult's history is theirs, by whatever way it is asked for."""
    with console.engine.begin() as connection:
        people.add(connection, "head", Details("Head", "staff", frozenset(), "oakwood"), OFFICE, password=HASH)
    staff = {"band": "staff", "groups": ()}
    console.store({}, {**staff, "user": "head"}, {**staff, "user": "staff-jo"})
    browser = console.signed_in(Role.TECHNICIAN)
    assert browser.get("/log.json?band=staff").status_code == 200
    assert browser.get(f"/log.json?{query}").status_code == 403
    send(browser, "/reason?user=head", "/reason", user="head", why="asked by the trust", next="/log")
    assert len(browser.get(f"/log.json?{query}").json()["rows"]) == 1
    assert console.trail("look")[0].subject == "head"
