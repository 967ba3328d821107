"""Think first: the button of a warning on the wire. Tokens and grants themselves: test_proceed.py, test_grants.py."""

from __future__ import annotations

import re
from html import unescape

import pytest

from addons.proceed import PATH
from tests.addons.host import Host
from tests.rig.clients import Answer, Browser, curl
from tests.rig.origin import Origin

WARNED = "http://chat.schoolgate.test/page"


def button(page: Answer) -> str:
    """Where the page's button posts to."""
    found = re.search(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page.text)
    assert found, page.text
    return "http://chat.schoolgate.test" + unescape(found[1])


@pytest.mark.parametrize(
    "host_name", ["fine.example", "games.schoolgate.test", "chat.schoolgate.test", "elsewhere.example"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_the_reserved_path_never_reaches_an_origin(host: Host, origin: Origin, host_name: str, method: str) -> None:
    """On every host, with whatever token: the answer is ours, and it sends the browser back where it may be."""
    before = origin.connections
    with Browser(host) as browser:
        answer = browser.fetch(f"http://{host_name}{PATH}?token=eyJ.made.up&back=//evil.example/", method=method)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert origin.connections == before
    row = host.rows()[-1]
    assert (row.blocked, row.rule, row.query) == (True, "guard:continue", None)
    assert (row.note or "").startswith("warn-")


def test_going_on_is_not_counted_as_a_block(host: Host, seat: str) -> None:
    """`blocked` is true only if the user was really blocked (design 5.2): the warning was, the button was not."""
    with Browser(host, source=seat) as browser:
        page = browser.fetch(WARNED)
        assert page.status == 403
        assert browser.fetch(button(page), method="POST", body=b"").status == 303
        assert browser.fetch(WARNED).status == 200
    rows = host.rows()[-3:]
    assert [(row.action, row.blocked, row.note) for row in rows] == [
        ("warn", True, None),
        ("allow", False, "warn-continued"),
        ("allow", False, "warn-continued"),
    ]
    assert rows[2].rule == "think"
    assert "token" not in repr(rows[1])


def test_who_went_on_is_a_fact_of_its_own(host: Host, seat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind, who, from where, which site, which rule; never the token."""
    told: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr("logstore.spool.SpoolWriter.fact", lambda _, kind, payload: told.append((kind, payload)))
    with Browser(host, source=seat) as browser:
        browser.fetch(button(browser.fetch(WARNED)), method="POST", body=b"")
    assert len(told) == 1
    kind, facts = told[0]
    assert kind == "warn-continued"
    assert facts | {"at": ""} == {
        "user": None,
        "address": seat,
        "website": "schoolgate.test",
        "rule": "think",
        "at": "",
    }


@pytest.mark.parametrize("change", ["token", "client", "fetch-site", "method"])
def test_a_button_that_is_not_pressed_by_its_reader_opens_nothing(host: Host, seat: str, change: str) -> None:
    """Forged, from another machine, from another website's page, or followed as a link."""
    with Browser(host, source=seat) as browser:
        url = button(browser.fetch(WARNED))
        words = ["-X", "GET" if change == "method" else "POST"]
        if change == "token":
            url = re.sub(r"token=.", "token=A", url)
        if change == "fetch-site":
            words += ["-H", "Sec-Fetch-Site: cross-site"]
        curl(host, url, *words, source="127.0.7.7" if change == "client" else seat)
        assert browser.fetch(WARNED).status == 403
        assert (host.rows()[-2].note or "").removeprefix("warn-") in (
            "forged",
            "malformed",
            "other-client",
            "foreign",
            "method",
        )


def test_a_warned_upload_goes_back_to_the_front_page(host: Host, seat: str) -> None:
    """What was posted is not repeated by a redirect."""
    with Browser(host, source=seat) as browser:
        page = browser.fetch(WARNED, method="POST", body=b"x")
        assert browser.fetch(button(page), method="POST", body=b"").headers["location"] == "/"
