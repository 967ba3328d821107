"""Sources of lists in the console: one more by URL or file, how one is looked for, one no longer.

Shows: `console.pages.listchanges`, `proxy.consolesources`.
"""

from __future__ import annotations

import asyncio
import html
import re
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from console.roles import Role
from proxy.listlife import ListLife
from proxy.settings import Settings
from proxy.sourcestore import read_state, registered
from registry import sources
from registry.sources import Source
from tests.console.rig import OFFICE, ORIGIN, Console, send, token_of

WANTED = {"name": "city", "format": "domains", "category": "games", "every": "24", "licence": "CC0", "why": "asked for"}
FILE = b"one.example\n*.two.example\nhttp://three.example/path\nno..host\n# remark\n"


def known(console: Console) -> list[Source]:
    with console.engine.connect() as connection:
        return [one.source for one in sources.sources(connection)]


def send_file(browser: TestClient, data: bytes, **form: str) -> Response:
    token = token_of(browser.get("/lists/new"))
    files = {"file": ("city.txt", data, "text/plain")}
    return browser.post("/lists/new", data={"token": token, **form}, files=files, headers={"Origin": ORIGIN})


def hidden(page: Response) -> dict[str, str]:
    """What the form that follows a preview holds."""
    form = page.text[page.text.index('id="look"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[: form.index("</form>")])
    return {name: html.unescape(value) for name, value in found}


def run(settings: Settings, name: str, how: str) -> dict[str, Any]:
    """What a running gateway does about an order."""

    async def ordered() -> dict[str, Any]:
        life = ListLife(lambda: settings, None)
        life.ask(name, how)
        keeping = asyncio.create_task(life.keep())
        async with asyncio.timeout(240):
            while not life.status()["last"]:
                await asyncio.sleep(0.1)
        keeping.cancel()
        return life.status()["last"]

    return asyncio.run(ordered())


def test_by_url_it_is_in_the_register_and_ordered_from_the_gateway(
    console: Console, orders: list[dict[str, Any]]
) -> None:
    browser = console.signed_in(Role.ICT)
    answer = send(browser, "/lists/new", **WANTED, url="https://lists.example/city.txt", sha256="A" * 64)
    assert answer.headers["location"] == "/lists?done=add&name=city", answer.text
    (one,) = known(console)
    assert (one.location, one.category, one.every, one.licence, one.sha256) == (
        "https://lists.example/city.txt", "games", timedelta(days=1), "CC0", "a" * 64,
    )  # fmt: skip
    assert orders[-1] == {"do": "update-lists", "name": "city", "how": "first"}
    line = console.trail("change")[0]
    assert (line.what, line.who, line.why) == ("list.add", "console:ict-services-1", "asked for")
    assert [one.name for one in registered(Settings(data=console.data))] == ["city"]
    assert "fetches and checks it" in browser.get("/lists?done=add&name=city").text


def test_how_it_is_read_and_how_large_it_may_be_as_on_the_command_line(
    console: Console, orders: list[dict[str, Any]]
) -> None:
    browser = console.signed_in(Role.ICT)
    reading = {"url_match": "parents", "limit": "80", "apply_to": "search,page", "max_mb": "8"}
    url = "https://lists.example/city.txt"
    for field, said in (
        ("limit", "eighty"),
        ("max_mb", "-1"),
        ("apply_to", "mail"),
        ("url_match", "all"),
        ("max_mb", "9999"),
    ):
        refused = send(browser, "/lists/new", **{**WANTED, **reading, "url": url, field: said})
        assert (refused.status_code, known(console)) == (422, []), field
    assert send(browser, "/lists/new", **WANTED, **reading, url=url).status_code == 303
    (one,) = known(console)
    assert (one.url_match, one.limit, one.apply_to, one.max_bytes) == ("parents", 80, ("search", "page"), 8 * 1024**2)
    assert send(browser, "/lists/new", **{**WANTED, "name": "usual"}, url=url).status_code == 303
    (usual,) = (one for one in known(console) if one.name == "usual")
    assert usual == replace(Source("usual", url, "domains", "games"), every=usual.every, licence=usual.licence)


def test_of_a_file_every_line_that_changes_is_told_before_it_is_taken(
    console: Console, orders: list[dict[str, Any]]
) -> None:
    browser = console.signed_in(Role.ICT)
    page = send_file(browser, FILE, **WANTED)
    assert page.status_code == 200, page.text
    assert "no..host" in page.text
    assert re.search(r"<strong>[1-9]\d* lines? taken</strong>, [1-9]\d* left out", page.text)
    assert known(console) == []
    form = hidden(page)
    other = {**form, "token": token_of(page), "format": "urls"}
    refused = browser.post("/lists/new", data=other, headers={"Origin": ORIGIN})
    assert (refused.status_code, "not the one that was shown" in refused.text) == (422, True)
    answer = browser.post("/lists/new", data={**form, "token": token_of(page)}, headers={"Origin": ORIGIN})
    assert answer.status_code == 303, answer.text
    (one,) = known(console)
    file = Path(one.location)
    assert file.read_bytes() == FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(Settings(data=console.data), "city", "first")["ok"]
    assert read_state(Settings(data=console.data), "city").changes["after"] > 0
    lines = browser.get("/lists/of/city/change")
    assert "no..host" in lines.text
    assert lines.text.count("left out") > 0


def test_what_cannot_be_had_is_not_added(console: Console) -> None:
    """The gateway takes it out of the register again, and says why."""
    with console.engine.begin() as connection:
        gone = Source("city", str(console.data / "nothing.txt"), "domains", "games")
        sources.add(connection, gone, OFFICE, taken=())
    console.house.doors.put_in_force()
    last = run(Settings(data=console.data), "city", "first")
    assert (last["ok"], last["name"]) == (False, "city")
    assert last["problem"].endswith("city was not added")
    assert known(console) == []
    assert [(line.what, line.who) for line in console.trail("change")[:1]] == [("list.remove", "schoolgate")]


def test_changed_and_removed_with_a_reason(console: Console, orders: list[dict[str, Any]]) -> None:
    browser = console.signed_in(Role.ICT)
    assert send(browser, "/lists/new", **WANTED, url="https://lists.example/city.txt").status_code == 303
    change = {"every": "6", "licence": "MIT", "sha256": "", "checksum_url": ""}
    page = "/lists/of/city/change"
    assert send(browser, page, **change, do="change", why="").status_code == 422
    assert send(browser, page, **change, do="change", why="it changes often").status_code == 303
    (one,) = known(console)
    assert (one.every, one.licence, one.category) == (timedelta(hours=6), "MIT", "games")
    line = console.trail("change")[0]
    assert (line.what, line.before["every"], line.after["every"]) == ("list.change", "1 day, 0:00:00", "6:00:00")
    assert "selected>every six hours" in browser.get(page).text
    assert send(browser, page, do="remove", why="").status_code == 422
    assert send(browser, page, do="remove", why="unused").status_code == 303
    assert known(console) == []
    assert orders[-1]["how"] == "compile"
    assert console.trail("change")[0].what == "list.remove"
    assert browser.get(page).status_code == 404


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"url": "https://lists.example/x", "why": ""}, "reason"),
        ({"url": "/etc/hostname"}, "no URL"),
        ({"url": "file:///etc/hostname"}, "no URL"),
        ({"url": ""}, "no URL"),
        ({"url": "https://me:secret@lists.example/x"}, "password"),
        ({"url": "https://lists.example/x", "name": "../../policy"}, "no name for a list"),
        ({"url": "https://lists.example/x", "name": "starter"}, "another list has this name"),
        ({"url": "https://lists.example/x", "category": "help"}, "product alone"),
        ({"url": "https://lists.example/x", "category": "child-abuse"}, "statutory"),
        ({"url": "https://lists.example/x", "sha256": "abc"}, "SHA-256"),
        ({"url": "https://lists.example/x", "every": "0.1"}, "too often"),
        ({"url": "https://lists.example/x", "every": "soon"}, "no number of hours"),
    ],
)
def test_a_list_that_cannot_be_added_says_why(
    console: Console, orders: list[dict[str, Any]], form: dict[str, str], says: str
) -> None:
    answer = send(console.signed_in(Role.ICT), "/lists/new", **{**WANTED, **form})
    assert (answer.status_code, says in answer.text) == (422, True), answer.text
    assert known(console) == []
    assert all("update-lists" not in one.values() for one in orders)


def test_statutory_lists_are_shown_and_nobodys_to_change(console: Console, orders: list[dict[str, Any]]) -> None:
    browser = console.signed_in(Role.ICT)
    assert "Nobody changes, opens or removes them here" in browser.get("/lists").text
    assert isinstance(browser.get("/lists.json").json()["statutory"], list)
    token = token_of(browser.get("/lists/new"))
    form = {"token": token, "do": "remove", "why": "x"}
    answer = browser.post("/lists/of/starter/change", data=form, headers={"Origin": ORIGIN})
    assert answer.status_code in {404, 422}


def test_a_role_of_one_site_and_a_technician_change_no_list(console: Console, orders: list[dict[str, Any]]) -> None:
    form = {**WANTED, "url": "https://lists.example/city.txt"}
    here = send(console.signed_in(Role.ICT, "oakwood"), "/lists/new", **form)
    assert (here.status_code, "whole trust" in here.text) == (422, True)
    technician = console.signed_in(Role.TECHNICIAN)
    assert send(technician, "/me", "/lists/new", **form).status_code == 403
    assert "/lists/new" not in technician.get("/lists").text
    assert known(console) == []


def test_without_a_gateway_nothing_is_decided(console: Console) -> None:
    answer = send(console.signed_in(Role.ICT), "/lists/new", **WANTED, url="https://lists.example/city.txt")
    assert (answer.status_code, "schoolgate lists add city" in answer.text) == (422, True)
    assert known(console) == []


def test_any_text_in_an_entry_is_found_by_those_who_look_after_lists(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    found = browser.get("/lists.json?host=mes.schoolgate&partial=yes").json()["found"]
    assert [one["entry"] for one in found] == ["games.schoolgate.test"]
    assert "three letters" in browser.get("/lists?host=ab&partial=yes").text
    governor = console.signed_in(Role.GOVERNOR)
    assert governor.get("/lists.json?host=mes.schoolgate&partial=yes").json()["found"] == []
