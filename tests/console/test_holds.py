"""Holds, retention and the trail in the console: placed by one, released by two, proved to whoever asks.

Shows: `console.pages.holds`, `console.pages.retention`, `console.pages.audit`.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from console.roles import Role
from logstore.holdrelease import WITHIN
from logstore.holds import find, holds
from logstore.retention import prune
from tests.console.rig import AT, LONDON, Console, send

FORM = {"case": "CASE-1", "why": "bullying", "review": "90d", "user": "pupil-0417"}


def placed(console: Console) -> None:
    """A hold of two rows."""
    console.store({"user": "pupil-0417"}, {"user": "pupil-0417"}, {"user": "pupil-0418"})
    answer = send(console.signed_in(Role.SAFEGUARDING), "/holds", "/holds/place", **FORM)
    assert answer.headers["location"] == "/holds/1?done=place", answer.text


def test_placed_by_one_its_rows_are_copied_and_the_trail_knows(console: Console) -> None:
    placed(console)
    (one,) = holds(console.data / "store")
    assert (one.case, one.rows, one.wanted.user, one.review_at) == ("CASE-1", 2, "pupil-0417", AT + timedelta(days=90))
    assert one.copied_at is not None
    assert one.placed_by.startswith("console:safeguarding")
    browser = console.signed_in(Role.LEADER)
    (row,) = browser.get("/holds.json").json()["rows"]
    assert (row["case"], row["rows"], row["review_due"]) == ("CASE-1", 2, False)
    assert "pupil-0417" in browser.get("/holds/1").text
    assert "Place a hold" not in browser.get("/holds").text
    assert {"placed a hold", "looked at holds", "looked at a hold"} <= {line.what for line in console.trail("hold")}
    assert send(browser, "/me", "/holds/place", **FORM).status_code == 403


def test_released_by_two_accounts_and_not_by_one(console: Console) -> None:
    placed(console)
    first, second = console.signed_in(Role.ICT), console.signed_in(Role.LEADER)
    step = "/holds/1/step"
    assert send(first, "/holds/1", step, do="approve", why="x").status_code == 422
    assert send(first, "/holds/1", step, do="sign", why="").status_code == 422
    assert send(first, "/holds/1", step, do="sign", why="closed").status_code == 303
    assert "You signed first" in first.get("/holds/1").text
    alone = send(first, "/holds/1", step, do="approve", why="closed")
    assert (alone.status_code, "two different people" in alone.text) == (422, True)
    assert find(console.data / "store", "CASE-1").rows == 2
    assert send(second, "/holds/1", step, do="approve", why="agreed").headers["location"] == "/holds/1?done=approve"
    assert find(console.data / "store", "CASE-1").state == "released"
    assert second.get("/holds.json").json()["rows"] == []
    assert [row["case"] for row in second.get("/holds.json?all=yes").json()["rows"]] == ["CASE-1"]
    released = next(line for line in console.trail("hold") if line.what == "released a hold")
    assert len(set(released.after["signed"])) == 2


def test_a_signature_grows_old(console: Console) -> None:
    placed(console)
    assert send(console.signed_in(Role.ICT), "/holds/1", "/holds/1/step", do="sign", why="x").status_code == 303
    console.now += WITHIN
    browser = console.signed_in(Role.LEADER)
    assert "Sign the release" in browser.get("/holds/1").text
    assert send(browser, "/holds/1", "/holds/1/step", do="approve", why="x").status_code == 422


def test_looked_at_again_and_copied_again(console: Console) -> None:
    placed(console)
    console.store({"user": "pupil-0417"}, ago=timedelta(minutes=1))
    browser = console.signed_in(Role.SAFEGUARDING)
    assert send(browser, "/holds/1", "/holds/1/step", do="copy").status_code == 303
    assert (
        send(browser, "/holds/1", "/holds/1/step", do="review", review="2027-06-01", why="still open").status_code
        == 303
    )
    one = find(console.data / "store", "CASE-1")
    assert (one.rows, one.review_at.astimezone(LONDON).date().isoformat()) == (3, "2027-06-01")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": ""}, "everybody"),
        ({"why": ""}, "needs a reason"),
        ({"case": " "}, "no case reference"),
        ({"review": "soon"}, "no date"),
        ({"since": "never"}, "no time"),
    ],
)
def test_a_hold_that_cannot_be_placed_says_why(console: Console, change: dict[str, str], says: str) -> None:
    browser = console.signed_in(Role.ICT)
    answer = send(browser, "/holds", "/holds/place", **{**FORM, **change})
    assert (answer.status_code, says in answer.text) == (422, True), answer.text
    assert holds(console.data / "store") == ()


def test_one_site_and_nobody_themselves(console: Console) -> None:
    """A hold of one's own rows is not seen, placed or released by the person it is about."""
    placed(console)
    own = console.signed_in(Role.ICT, proxy="Pupil-0417")
    assert own.get("/holds.json").json()["rows"] == []
    assert own.get("/holds/1").status_code == 404
    assert send(own, "/holds", "/holds/1/step", do="sign", why="x").status_code == 404
    assert send(own, "/holds", "/holds/place", **{**FORM, "case": "CASE-2"}).status_code == 422
    here = console.signed_in(Role.SAFEGUARDING, "oakwood")
    assert here.get("/holds.json").json()["rows"] == []
    assert here.get("/holds/1").status_code == 404
    assert send(here, "/holds", "/holds/place", **{**FORM, "case": "CASE-3", "user": ""}).status_code == 422
    form = {**FORM, "case": "CASE-3", "site": "hillview"}
    assert send(here, "/holds", "/holds/place", **form).status_code == 303
    assert find(console.data / "store", "CASE-3").wanted.site == "oakwood"


@pytest.mark.parametrize(
    "typed",
    [{"user": " Pupil-0417"}, {"host": "WWW.Example.org."}, {"domain": "Example.ORG"}, {"address": "::ffff:10.4.2.14"}],
)
def test_a_name_as_people_type_it_keeps_the_rows(console: Console, typed: dict[str, str]) -> None:
    """In the spelling of the record, or the rows would go at retention while the hold says that it is in force."""
    console.store({"user": "pupil-0417", "host": "www.example.org", "client_address": "10.4.2.14"})
    browser = console.signed_in(Role.SAFEGUARDING)
    answer = send(browser, "/holds", "/holds/place", **{**FORM, "user": "", **typed})
    assert answer.status_code == 303, answer.text
    assert find(console.data / "store", "CASE-1").rows == 1
    assert "keeps no row" not in browser.get("/holds/1").text


def test_a_hold_of_nothing_says_so_loudly(console: Console) -> None:
    browser = console.signed_in(Role.SAFEGUARDING)
    assert send(browser, "/holds", "/holds/place", **{**FORM, "user": "pupil-o417"}).status_code == 303
    assert "keeps no row" in browser.get("/holds/1?done=place").text
    poor = send(browser, "/holds", "/holds/place", **{**FORM, "case": "CASE-2", "user": "", "host": "a b"})
    assert (poor.status_code, "is no host" in poor.text) == (422, True)


def test_retention_tells_its_runs_and_its_proof(console: Console) -> None:
    console.store({"user": "pupil-0417"}, ago=timedelta(days=220))
    console.store({"user": "pupil-0418"})
    browser = console.signed_in(Role.SAFEGUARDING)
    assert browser.get("/retention.json").json()["behind"]
    prune(console.data / "store", AT, LONDON)
    told = browser.get("/retention.json").json()
    (run,) = told["runs"]
    assert (run["rows"], run["days"], run["finished"], run["left"]) == (1, 1, True, [])
    assert (told["behind"], told["oldest_day"]) == (None, AT.date().isoformat())
    assert [line["what"] for line in told["lines"]] == ["removed old rows", "removed a day"]
    page = browser.get("/retention").text
    assert "<caption" in page
    assert console.trail("retention")[0].hash[:16] in page
    governor = console.signed_in(Role.GOVERNOR)
    assert governor.get("/retention.json").json()["lines"] == []
    assert "removed old rows" not in governor.get("/retention").text
    assert governor.get("/holds").status_code == 403


def test_the_trail_is_searched_by_who_what_and_when(console: Console) -> None:
    """Paged by number within the search; a time that cannot be read shows nothing and says so."""
    placed(console)
    browser = console.signed_in(Role.ICT)
    who = holds(console.data / "store")[0].placed_by

    def whats(query: str) -> set[str]:
        return {row["what"] for row in browser.get(f"/audit.json?{query}").json()["rows"]}

    assert whats(f"who={who}&what=placed") == {"placed a hold"}
    assert "looked at holds" in whats("what=looked at")
    assert whats("what=100%25") == set()
    console.now += timedelta(minutes=20)
    assert whats("since=10m") <= {"looked at holds", "looked at rows", "console.sign-in"}
    assert "placed a hold" in whats("until=10m")
    told = browser.get("/audit.json?since=gibberish").json()
    assert (told["rows"], len(told["problems"])) == ([], 1)
    assert "is no time" in browser.get("/audit?since=gibberish").text
