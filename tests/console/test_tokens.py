"""Tokens of programs: read JSON and CSV, without names, until they end; shown once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from console.roles import Role
from tests.console.rig import Console, send


def make(console: Console, **form: str) -> str:
    boss = console.signed_in(Role.ICT)
    page = send(boss, "/tokens", name="dashboard", days="30", **form)
    assert page.status_code == 200, page.text
    return re.findall(r"sgt_[\w-]+", page.text)[0]


def test_a_token_reads_rows_without_names_and_changes_nothing(console: Console) -> None:
    console.store({"user": "pupil-0417", "device": "oak-1", "path": "/secret", "query": "q=1", "terms": ("x",)})
    header = {"Authorization": f"Bearer {make(console)}"}
    browser = console.client()
    (row,) = browser.get("/log.json", headers=header).json()["rows"]
    assert row["url"] == "https://www.example.org/"
    assert not {"user", "device", "client_address", "terms", "path", "query", "title"} & row.keys()
    assert browser.get("/log.json?user=pupil-0417", headers=header).json()["problems"]
    assert "pupil" not in browser.get("/log.csv", headers=header).text
    assert browser.get("/log", headers=header).status_code == 303, "pages are for people"
    assert browser.get("/audit.json", headers=header).status_code == 403
    assert browser.post("/tokens", data={"name": "x"}, headers=header).status_code == 401
    assert console.trail("look")[0].who == "token:dashboard"


def test_a_token_of_one_site_reads_that_site(console: Console) -> None:
    console.store({"site": "oakwood"}, {"site": "hillview"})
    header = {"Authorization": f"Bearer {make(console, site='hillview')}"}
    rows = console.client().get("/log.json", headers=header).json()["rows"]
    assert [row["site"] for row in rows] == ["hillview"]


def test_a_token_ends(console: Console) -> None:
    """By its time, and by a click; a wrong one never works."""
    token = make(console)
    ask = console.client().get
    assert ask("/log.json", headers={"Authorization": f"Bearer {token}x"}).status_code == 401
    assert ask("/log.json", headers={"Authorization": "Bearer "}).status_code == 401
    header = {"Authorization": f"bearer {token}"}
    assert ask("/log.json", headers=header).status_code == 200
    boss = console.signed_in(Role.ICT)
    assert token not in boss.get("/tokens").text
    assert send(boss, "/tokens", end="1").status_code == 303
    assert ask("/log.json", headers=header).status_code == 401
    other = {"Authorization": f"Bearer {make(console)}"}
    console.now += timedelta(days=31)
    assert ask("/log.json", headers=other).status_code == 401


def test_a_token_is_kept_as_a_hash_and_in_the_trail(console: Console) -> None:
    token = make(console)
    with console.engine.begin() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM console_token").all())
    assert token not in held + str(console.trail())
    assert console.trail("change")[0].what == "console.token.add"


@pytest.mark.parametrize("how", ["disable", "roles"])
def test_a_token_does_not_outlive_its_maker(console: Console, how: str) -> None:
    """Out of use, or without the role that makes tokens: it reads nothing; given back, it reads again."""
    header = {"Authorization": f"Bearer {make(console)}"}
    assert console.client().get("/log.json", headers=header).status_code == 200
    other = console.signed_in(Role.ICT)
    form = {"do": "disable"} if how == "disable" else {"do": "roles", "role": "technician", "site": ""}
    assert send(other, "/accounts/1", **form, why="they moved on").status_code == 303
    assert console.client().get("/log.json", headers=header).status_code == 401
    if how == "disable":
        assert send(other, "/accounts/1", do="enable", why="back").status_code == 303
        assert console.client().get("/log.json", headers=header).status_code == 200
