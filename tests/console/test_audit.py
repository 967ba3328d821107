"""The trail in the browser: whoever is looked into does not learn it, neither from a line nor from one that is missing.

Shows: `console.pages.audit`, `console.oneself`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.roles import Grant, Role
from tests.console.rig import Console, send, sign_in


@pytest.fixture
def suspect(console: Console) -> TestClient:
    """The browser of somebody of ICT services whose own rows are in the record, from their machine."""
    console.store({"user": "ict", "host": "own.example", "device": "ict-laptop", "client_address": "10.9.9.9"})
    return _ict(console)


@pytest.fixture
def lead(console: Console, suspect: TestClient) -> TestClient:
    """The browser of a safeguarding lead."""
    return console.signed_in(Role.SAFEGUARDING)


def _ict(console: Console, name: str = "ict") -> TestClient:
    console.person(name, Grant(0, Role.ICT))
    browser = console.client()
    sign_in(browser, name)
    return browser


def _reason(browser: TestClient, subject: str) -> None:
    assert send(browser, "/reason", user=subject, why="a concern was raised", next="/log").status_code == 303


def _trail(browser: TestClient, query: str = "") -> dict[str, Any]:
    return dict(browser.get(f"/audit.json?{query}").json())


def test_no_number_and_no_sentence_says_that_a_line_is_kept_back(suspect: TestClient, lead: TestClient) -> None:
    """A search that hits a line about the reader answers as one that hits nothing."""
    _reason(lead, "ict")
    assert lead.get("/log.json?user=ict").status_code == 200
    assert _trail(suspect, "kind=look&subject=ict") == _trail(suspect, "kind=look&subject=nobody")
    pages = [suspect.get(f"/audit?kind=look&subject={name}").text for name in ("ict", "nobody")]
    typed = [("subject=ict", "subject=nobody"), ('name="subject" value="ict"', 'name="subject" value="nobody"')]
    for was, other in typed:
        assert was in pages[0]
        pages[0] = pages[0].replace(was, other)
    assert pages[0] == pages[1]


def test_pages_are_full_of_lines_that_are_shown_and_carry_no_numbers(
    console: Console, suspect: TestClient, lead: TestClient
) -> None:
    """A shorter page, or a gap in numbers, is as good as a line. Paging shows every other line once."""
    _reason(lead, "ict")
    for number in range(130):
        lead.get(f"/log.json?host=h{number}.example")
        if number % 3 == 0:
            lead.get("/log.json?user=ict")
    first = _trail(suspect, "kind=look")
    assert (len(first["rows"]), "id" in first["rows"][0]) == (100, False)
    second = suspect.get(first["older"].replace("/audit", "/audit.json", 1)).json()
    assert (len(second["rows"]), second["older"]) == (30, None)
    asked = [row["after"]["asked"].split()[2] for row in first["rows"] + second["rows"]]
    assert asked == [f"h{number}.example" for number in reversed(range(130))], "all of one moment, each once"
    numbers = {str(one.id) for one in console.trail("look")}
    assert first["older"].rpartition("before=")[2] not in numbers


def test_no_line_of_a_hold_on_somebodys_rows_is_shown_to_them(
    console: Console, suspect: TestClient, lead: TestClient
) -> None:
    """Not that it was placed, nor that its rows were copied or that somebody looked at it; others read all of it."""
    form = {"why": "disciplinary", "user": "ict", "review": "90d"}
    assert send(lead, "/holds", "/holds/place", case="HEAD-ENQ-7", **form).status_code == 303
    assert send(lead, "/holds", "/holds/place", case="PUPIL-8", **{**form, "user": "pupil-1"}).status_code == 303
    assert send(
        lead, "/holds", "/holds/place", case="LAPTOP-9", why="x1", device="ict-laptop", review="90d"
    ).is_redirect
    lead.get("/holds/1")
    cases = {row["subject"] for row in _trail(suspect, "kind=hold")["rows"]}
    assert ("PUPIL-8" in cases, "HEAD-ENQ-7" in cases, "LAPTOP-9" in cases) == (True, False, False)
    others = _trail(_ict(console, "other"), "kind=hold")["rows"]
    assert {row["what"] for row in others if row["subject"] == "HEAD-ENQ-7"} > {"placed a hold", "copied rows"}
    copied = next(row["after"] for row in others if row["what"] == "copied rows" and row["subject"] == "HEAD-ENQ-7")
    assert not {"first", "last"} & set(copied), "by the number of a row its owner is found"


@pytest.mark.parametrize(("field", "machine"), [("device", "ict-laptop"), ("address", "10.9.9.9")])
def test_a_look_at_somebodys_machine_is_kept_from_them(
    console: Console, suspect: TestClient, lead: TestClient, field: str, machine: str
) -> None:
    console.store({"user": None, "device": "oak-1"}, ago=timedelta(minutes=1))
    for name, value in ((field, machine), ("device", "oak-1")):
        _reason(lead, value)
        assert lead.get(f"/log.json?{name}={value}").status_code == 200
    told = json.dumps(_trail(suspect, "kind=look")["rows"])
    assert (machine in told, "oak-1" in told) == (False, True)
    assert machine in json.dumps(_trail(_ict(console, "other"), "kind=look")["rows"])
