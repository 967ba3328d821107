"""Lists and own entries in the console: what is in force, what names a host, what an entry does to the next overlay.

Shows: `console.pages.lists`, `console.pages.entries`, `console.listdoors`, `proxy.consolelists`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.roles import Role
from identity.overlay import read_overlay
from proxy.listlife import ListLife
from proxy.settings import Settings
from proxy.sourcestore import State, read_state, store_of, write_state
from registry import entries, sources
from registry.sources import Source
from tests.console.rig import AT, OFFICE, Console, send


def test_what_is_in_force_and_which_lists_name_a_host(console: Console) -> None:
    browser = console.signed_in(Role.GOVERNOR)
    told = browser.get("/lists.json?host=games.schoolgate.test").json()
    assert {one["name"] for one in told["lists"]} >= {"starter/games", "starter/education"}
    assert [(one["category"], one["list"]) for one in told["found"]] == [("games", "starter/games")]
    assert told["found"][0]["line"] > 0
    page = browser.get("/lists?host=no..host").text
    assert "empty label" in page
    assert "<caption" in page
    assert browser.get("/lists?host=nobody.example").text.count("No compiled list names it") == 1
    assert "starter/games" in browser.get("/lists.csv").text
    assert "Update now" not in page


@pytest.fixture
def source(console: Console) -> Console:
    """A console whose gateway has a source that was updated once, and failed since."""
    with console.engine.begin() as connection:
        sources.add(connection, Source("city", "https://lists.example/city.txt", "domains", "games"), OFFICE, taken=())
    settings = Settings(data=console.data)
    changes = {"before": 5, "after": 7, "added": 3, "removed": 1, "added_sample": ["city: <new>.example"],
               "removed_sample": ["city: old.example"]}  # fmt: skip
    seen = AT.timestamp()
    state = State(version="v", last_try=seen, last_success=seen - 60, changed=seen - 60, changes=changes)
    (store_of(settings, "city") / "v").mkdir(parents=True)
    (store_of(settings, "city") / "v" / "list").write_text("new.example\nother.example\n")
    write_state(settings, "city", state.failed("the server said 404", AT))
    console.house.doors.put_in_force()
    return console


def test_a_source_tells_how_updating_goes_and_what_changed(source: Console) -> None:
    browser = source.signed_in(Role.LEADER)
    (one,) = browser.get("/lists.json").json()["sources"]
    assert (one["name"], one["problem"], one["entries"]) == ("city", "the server said 404", 7)
    page = browser.get("/lists/of/city").text
    assert "5 entries before, 7 now" in page
    assert "city: games, 2 entries" in page
    assert "city: &lt;new&gt;.example" in page
    assert "city: old.example" in browser.get("/lists/of/city.csv").text
    assert browser.get("/lists/of/town").status_code == 404
    assert browser.get("/lists/of/starter").status_code == 404


def test_an_update_is_ordered_from_the_gateway_and_written_down(source: Console, orders: list[dict[str, Any]]) -> None:
    browser = source.signed_in(Role.TECHNICIAN)
    answer = send(browser, "/lists", "/lists/update", name="city", why="it is new")
    assert answer.headers["location"] == "/lists?done=yes", answer.text
    assert {"do": "update-lists", "name": "city"} in orders
    line = source.trail("change")[0]
    assert (line.what, line.subject, line.why) == ("list.update.asked", "city", "it is new")
    assert "The gateway is updating lists" in browser.get("/lists?done=yes").text
    assert send(browser, "/lists", "/lists/update", name="--anyway").status_code == 422
    leader = source.signed_in(Role.LEADER)
    assert send(leader, "/me", "/lists/update", name="city").status_code == 403


def test_without_a_gateway_the_page_says_what_to_do(source: Console) -> None:
    browser = source.signed_in(Role.ICT)
    answer = send(browser, "/lists", "/lists/update", name="")
    assert (answer.status_code, "schoolgate lists update" in answer.text) == (422, True)


def test_what_was_asked_for_is_run_once_and_told_meanwhile() -> None:
    life = ListLife(Settings, None)
    assert life.status()["running"] == ""
    life.ask("city")
    life.ask("city")
    assert life.status()["running"] == "updating"


def test_a_gateway_that_is_asked_updates_a_list_that_is_not_due(console: Console, tmp_path: Path) -> None:
    """By the same process aside as its own schedule uses."""
    file = tmp_path / "city.txt"
    file.write_text("one.example\ntwo.example\n")
    with console.engine.begin() as connection:
        sources.add(connection, Source("city", str(file), "domains", "games"), OFFICE, taken=())
    console.house.doors.put_in_force()
    settings = Settings(data=console.data)

    async def asked() -> dict[str, Any]:
        life = ListLife(lambda: settings, None)
        life.ask("city")
        keeping = asyncio.create_task(life.keep())
        async with asyncio.timeout(240):
            while not life.status()["last"]:
                await asyncio.sleep(0.1)
        keeping.cancel()
        return life.status()

    status = asyncio.run(asked())
    assert (status["last"]["ok"], status["running"]) == (True, ""), status
    assert read_state(settings, "city").changes["after"] == 2


def test_an_entry_is_in_force_and_taken_out_again(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    form = {"category": "games", "what": "Chess.example/play", "why": "a game", "length": "1w"}
    answer = send(browser, "/entries", "/entries/change", do="add", **form)
    assert answer.status_code == 303, answer.text
    (row,) = browser.get("/entries.json").json()["rows"]
    assert (row["entry"], row["why"]) == ("chess.example/play", "a game")
    with console.engine.connect() as connection:
        (made,) = entries.made(connection)
    assert made.entry.until == AT + timedelta(days=7)
    overlay = read_overlay(console.data / "overlay" / "overlay.msgpack")
    assert "chess.example/play" in str(overlay.decided["entries"])
    assert "Added." in browser.get(answer.headers["location"]).text
    assert browser.get("/entries.json?q=nothing").json()["rows"] == []
    assert browser.get("/entries.json?category=games&before=1").json()["rows"] == []
    gone = {"category": "games", "what": "chess.example/play", "why": "a mistake"}
    assert send(browser, "/entries", "/entries/change", do="remove", **gone).status_code == 303
    assert browser.get("/entries.json").json()["count"] == 0
    assert [line.what for line in console.trail("change")[:2]] == ["entry.remove", "entry.add"]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"category": "help", "what": "x.example", "why": "x"}, "by the product alone"),
        ({"category": "games", "what": "no..host", "why": "x"}, "empty label"),
        ({"category": "games", "what": "x.example", "why": ""}, "reason"),
        ({"category": "gamez", "what": "x.example", "why": "x"}, "did you mean"),
        ({"category": "games", "what": "x.example", "why": "x", "until": "never"}, "not a time"),
    ],
)
def test_an_entry_that_cannot_be_made_says_why(console: Console, form: dict[str, str], says: str) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    answer = send(browser, "/entries", "/entries/change", do="add", **form)
    assert (answer.status_code, says in answer.text) == (422, True)
    assert browser.get("/entries.json").json()["count"] == 0


def test_entries_hold_in_the_whole_trust_so_a_role_of_one_site_makes_none(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN, "oakwood")
    form = {"do": "add", "category": "games", "what": "x.example", "why": "x"}
    answer = send(browser, "/me", "/entries/change", **form)
    assert (answer.status_code, "whole trust" in answer.text) == (422, True)
    assert browser.get("/entries.json").json()["count"] == 0
    assert "A new entry" not in browser.get("/entries").text
