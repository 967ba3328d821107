"""Why?: the engine's own words, for a URL, a person, a place and a time, or for a row of the log.

Shows: `console.pages.why`, `console.pages.openapi`.
"""

from __future__ import annotations

import json
import re

import pytest

from console.pages import pages
from console.roles import MAY, Role
from tests.console.rig import Console

GAMES = "https://games.schoolgate.test/play"
"""In the starter lists."""


def test_the_page_says_what_the_command_says(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word: they ask the same function of the same engine."""
    from proxy.cli import main

    answer = console.signed_in(Role.TECHNICIAN).get(
        "/why.json", params={"url": GAMES, "band": "ks2", "at": "2026-11-24T10:20"}
    )
    told = answer.json()["answer"]
    status = main(
        ["--data", str(console.data), "explain", GAMES, "--band", "ks2", "--at", "2026-11-24T10:20", "--json"]
    )
    said = json.loads(capsys.readouterr().out)
    assert told == said
    assert (told["blocked"], status) == (True, 1)
    page = console.signed_in(Role.TECHNICIAN).get("/why", params={"url": GAMES, "band": "ks2"}).text
    assert told["because"].replace("'", "&#39;") in page
    assert "BLOCKED for" in page


def test_what_would_change_it_and_where_to_do_it(console: Console) -> None:
    page = console.signed_in(Role.TECHNICIAN).get("/why", params={"url": GAMES, "band": "ks2"}).text
    assert "It would be allowed" in page
    assert "by an override" in page
    assert "/decide?action=allow&amp;what=games.schoolgate.test" in page
    governor = console.signed_in(Role.GOVERNOR).get("/why", params={"url": GAMES, "band": "ks2"}).text
    assert "BLOCKED for" in governor
    assert "/decide" not in governor


def test_a_row_is_asked_again_for_whom_and_when_it_was(console: Console) -> None:
    (row,) = console.store({"host": "games.schoolgate.test", "path": "/play", "user": None, "action": "block"})
    page = console.signed_in(Role.TECHNICIAN).get(f"/why?row={row}")
    assert "games.schoolgate.test/play" in page.text
    assert "then it was <strong>block</strong>" in page.text
    look = console.trail("look")[0]
    assert look.after["asked"].startswith("why was this decided")
    assert console.signed_in(Role.TECHNICIAN, "hillview").get(f"/why?row={row}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"url": "no..host"}, "empty label"),
        ({"url": "a.example", "band": "ks22"}, "ks2"),
        ({"url": "a.example", "at": "soon"}, "not a time"),
        ({"url": "a.example", "site": "oakwod"}, "oakwood"),
        ({"url": "a.example", "user": "nobody-here"}, "no account is called"),
    ],
)
def test_what_cannot_be_asked_says_what_can(console: Console, asked: dict[str, str], says: str) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    assert says in browser.get("/why", params=asked).text


def test_who_sees_no_names_asks_about_nobody(console: Console) -> None:
    """A teacher cannot find out what band or groups an account has."""
    told = console.signed_in(Role.TEACHER).get("/why.json", params={"url": GAMES, "user": "pupil-0417"}).json()
    assert told["asked"]["user"] == ""
    assert told["answer"]["client"]["user"] is None


def test_a_role_of_one_site_asks_about_people_of_that_site_and_every_such_question_is_written_down(
    console: Console,
) -> None:
    """Somebody of another site is answered as somebody there is not."""
    from registry.people import Details, add
    from tests.console.rig import HASH, OFFICE

    with console.engine.begin() as connection:
        for name, site in (("head-hill", "hillview"), ("head-oak", "oakwood")):
            details = Details("", "staff", frozenset({"staff"}), site)
            add(connection, name, details, OFFICE, password=HASH)
    console.house.doors.put_in_force()
    browser = console.signed_in(Role.TECHNICIAN, "oakwood")
    told = {
        name: browser.get("/why.json", params={"url": GAMES, "user": name}).json()
        for name in ("head-hill", "nobody-9", "head-oak")
    }
    assert told["head-hill"]["problem"].replace("head-hill", "nobody-9") == told["nobody-9"]["problem"] != ""
    assert told["head-hill"]["answer"] is None
    assert told["head-oak"]["answer"]["client"]["user"] == "head-oak"
    assert [look.subject for look in console.trail("look")] == ["head-oak", "nobody-9", "head-hill"]
    trust = console.signed_in(Role.TECHNICIAN).get("/why.json", params={"url": GAMES, "user": "head-hill"}).json()
    assert trust["answer"]["client"]["user"] == "head-hill"


def test_the_document_for_programs_names_every_page_with_a_twin(console: Console) -> None:
    """OpenAPI, made from the pages: none is forgotten, none is there that programs cannot have."""
    document = console.signed_in(Role.ICT).get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    wanted = {re.sub(r":\w+}", "}", page.path) + ".json" for page in pages() if page.twins and page.name in MAY}
    assert set(document["paths"]) == wanted
    names = [one["get"]["operationId"] for one in document["paths"].values()]
    assert len(names) == len(set(names))
