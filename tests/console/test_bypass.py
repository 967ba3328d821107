"""Programs that refuse to be read, in the console: what is suggested, to whom, and what accepting does.

Shows: `console.pages.bypass`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.roles import Role
from identity.overlay import read_overlay
from logstore.encoding import Fact
from registry import overrides, refusals
from registry.caution import SHORT
from tests.console.rig import AT, Console, send

APP = "api.app.example"


def refuse(console: Console, *hosts: str, site: str = "oakwood", devices: int = 3) -> None:
    """Devices that trust us refuse these hosts."""
    facts = []
    for device in (f"{site}-{n}" for n in range(devices)):
        told = {"at": AT.isoformat(), "device": device}
        facts.append(Fact("tls-accepts", 0, told))
        facts += [
            Fact("tls-refused", 0, {**told, "host": host, "site": site, "sign": "left", "named": True})
            for host in hosts
        ]
    with console.engine.begin() as connection:
        assert refusals.file_all(connection, facts, timedelta(days=14)) == len(facts)


def hosts(browser: Any) -> list[str]:
    return [row["host"] for row in browser.get("/bypass.json").json()["suggested"]]


def test_what_is_suggested_names_no_device(console: Console) -> None:
    """And says how many there are, how they refused, and what to think of; what must be read is not there."""
    refuse(console, APP, "app.example", "www.pornography.schoolgate.test")
    browser = console.signed_in(Role.TECHNICIAN)
    told = browser.get("/bypass.json").json()["suggested"]
    assert [(row["host"], row["devices"], row["staff_devices"]) for row in told] == [(APP, 3, 0), ("app.example", 3, 0)]
    assert "whole domain" in told[1]["caution"]
    page = browser.get("/bypass").text
    assert "looks at the certificate and leaves" in page
    for text in (page, browser.get("/bypass.csv").text):
        assert APP in text
        assert "oakwood-1" not in text


def test_accepted_it_is_in_force_and_no_longer_suggested(console: Console) -> None:
    refuse(console, APP)
    browser = console.signed_in(Role.TECHNICIAN)
    assert send(browser, "/bypass", "/bypass/decide", host=APP, do="accept", why="").status_code == 422
    sent = send(browser, "/bypass", "/bypass/decide", host=APP, do="accept", whom="everybody", why="the canteen's app")
    assert (sent.status_code, sent.headers["location"]) == (303, "/bypass?done=accept")
    with console.engine.connect() as connection:
        (made,) = overrides.decisions(connection)
    assert (made.override.action.value, made.override.what, made.why) == ("bypass", f"host:{APP}", "the canteen's app")
    assert made.override.until == AT + SHORT, "it is in no list"
    (packed,) = read_overlay(console.data / "overlay" / "overlay.msgpack").decided["overrides"]
    assert packed[1:3] == ["bypass", f"host:{APP}"]
    assert console.trail("change")[0].what == "override.add"
    assert hosts(browser) == []
    assert "Passed unread: " in browser.get("/decisions/1").text
    assert "↷" in browser.get("/decisions").text
    page = browser.get("/bypass?done=accept").text
    assert "Accepted." in page
    assert "the canteen" in page
    again = send(browser, "/bypass", "/bypass/decide", host=APP, do="accept", whom="everybody", why="once more")
    assert again.status_code == 422
    assert "not suggested any more" in again.text


def test_a_role_of_one_site_decides_for_that_site(console: Console) -> None:
    """It sees what its own devices refused, and silences nothing for the others."""
    refuse(console, APP)
    refuse(console, "other.app.example", site="hillview")
    browser = console.signed_in(Role.ICT, "oakwood")
    assert hosts(browser) == [APP]
    silenced = send(browser, "/bypass", "/bypass/decide", host=APP, do="dismiss", why="a game")
    assert silenced.status_code == 422
    theirs = send(
        browser, "/bypass", "/bypass/decide", host="other.app.example", do="accept", whom="everybody", why="x"
    )
    assert theirs.status_code == 422
    ours = send(browser, "/bypass", "/bypass/decide", host=APP, do="accept", whom="everybody", why="x")
    assert ours.status_code == 303, ours.text
    with console.engine.connect() as connection:
        assert [one.override.site for one in overrides.decisions(connection)] == ["oakwood"]


def test_dismissed_it_is_quiet(console: Console) -> None:
    refuse(console, APP)
    browser = console.signed_in(Role.ICT)
    assert send(browser, "/bypass", "/bypass/decide", host=APP, do="dismiss", why="a game").status_code == 303
    assert hosts(browser) == []
    assert console.trail("change")[0].what == "bypass.dismiss"


@pytest.mark.parametrize("role", [Role.SAFEGUARDING, Role.LEADER])
def test_others_read(console: Console, role: Role) -> None:
    refuse(console, APP)
    browser = console.signed_in(role)
    assert hosts(browser) == [APP]
    assert "<form" not in browser.get("/bypass").text.partition("<h1")[2]
