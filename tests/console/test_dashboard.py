"""Is it working?: health first, today's numbers beside last week's, each a link to its rows.

Shows: `console.pages.dashboard`.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from console.roles import Role
from logstore.record import EndingKind
from tests.console.rig import Console


@pytest.fixture
def week(console: Console) -> Console:
    """A gateway with rows of today and of this day last week."""
    console.store(
        *({"host": f"{n % 3}.example", "domain": f"{n % 3}.example"} for n in range(30)),
        *(
            {"blocked": True, "action": "block", "category": "games", "rule": "no-games", "page": False}
            for _ in range(10)
        ),
        {"reason": "circumvention", "blocked": True, "action": "block", "site": "hillview"},
    )
    console.store(*({} for _ in range(7)), ago=timedelta(days=7, minutes=5))
    return console


def test_numbers_are_those_of_the_log_they_lead_to(week: Console) -> None:
    browser = week.signed_in(Role.TECHNICIAN)
    today = browser.get("/dashboard.json").json()["today"]
    assert (today["requests"], today["blocked"], today["circumvention"]) == (41, 11, 1)
    assert today["last_week"]["requests"] == 7
    page = browser.get("/dashboard").text
    for number in ("requests", "blocked", "circumvention"):
        found = [
            link.replace("&amp;", "&")
            for link, value in re.findall(r'<a class="plain" href="(/log[^"]*)">([\d,]+)<', page)
            if value == str(today[number])
        ]
        assert any(
            browser.get(link.replace("/log", "/log.json", 1)).json()["count"] == str(today[number]) for link in found
        ), number


def test_rankings_lead_to_their_rows(week: Console) -> None:
    browser = week.signed_in(Role.TECHNICIAN)
    rankings = browser.get("/dashboard.json").json()["rankings"]
    (games,) = next(one for one in rankings if one["by"] == "rule")["places"]
    assert (games["name"], games["requests"]) == ("no-games", 10)
    assert browser.get(games["link"].replace("/log", "/log.json", 1)).json()["count"] == "10"


def test_it_says_what_part_nobody_could_read(week: Console) -> None:
    """Of requests and of bytes, today and a week ago, and the number leads to the rows."""
    tunnel = {"action": "bypass", "rule": "banks", "method": "CONNECT", "path": None}
    week.store(
        *({**tunnel, "ending": {"bytes_down": 30_000, "bytes_up": 0}} for _ in range(9)), ago=timedelta(minutes=20)
    )
    week.store(tunnel, ago=timedelta(days=7, minutes=20))
    browser = week.signed_in(Role.TECHNICIAN)
    told = browser.get("/dashboard.json").json()["today"]
    assert told["traffic"]["requests"] == {"inspected": 0.6, "bypassed": 0.18, "refused": 0.22}
    assert 0.5 < told["traffic"]["bytes"]["bypassed"] < 1.0
    assert sum(told["traffic"]["bytes"].values()) == pytest.approx(1.0)
    assert told["last_week"]["traffic"]["requests"]["bypassed"] == 0.125
    page = browser.get("/dashboard").text
    assert "18.0 %" in page
    assert "last week: 12.5 %" in page
    assert browser.get("/log.json?parts=yes&action=bypass").json()["count"] == "9"


def test_what_a_device_refused_was_not_read(week: Console) -> None:
    """It broke off over our certificate: let through, but there was nothing to read. What we blocked counts once."""
    ended = {"kind": EndingKind.TLS_REFUSED, "error": "tls"}
    refused = {"method": "CONNECT", "path": None, "ending": {**ended, "reason": "device"}}
    closed = {"action": "block", "blocked": True, "method": "CONNECT", "path": None, "ending": ended}
    browser = week.signed_in(Role.TECHNICIAN)
    before = browser.get("/dashboard.json").json()["today"]
    week.store(*({**refused} for _ in range(9)), closed, ago=timedelta(minutes=20))
    told = browser.get("/dashboard.json").json()["today"]
    assert (told["requests"], told["blocked"]) == (before["requests"] + 10, before["blocked"] + 1)
    read = before["traffic"]["requests"]["inspected"] * before["requests"]
    shares = told["traffic"]["requests"]
    assert shares["inspected"] == pytest.approx(read / told["requests"], abs=0.0002)
    assert shares["refused"] == pytest.approx(1 - shares["inspected"] - shares["bypassed"], abs=0.0002)


def test_one_site_counts_its_own(week: Console) -> None:
    told = week.signed_in(Role.TECHNICIAN, "hillview").get("/dashboard.json").json()
    assert told["today"]["requests"] == 1


def test_health_says_what_is_wrong_first_and_never_shows_green_without_statutory_lists(week: Console) -> None:
    told = week.signed_in(Role.TECHNICIAN).get("/dashboard.json").json()
    assert told["working"] is False
    assert told["health"][0]["level"] == "bad"
    assert "not compliant" in str([one for one in told["health"] if one["what"] == "statutory lists"])
    levels = [one["level"] for one in told["health"]]
    assert levels == sorted(levels, key=["bad", "note", "good"].index)


def test_a_governor_sees_whether_it_works_and_no_name_or_path(week: Console) -> None:
    governor = week.signed_in(Role.GOVERNOR)
    page = governor.get("/dashboard").text
    assert "statutory lists" in page
    for word in (str(week.data), "pupil-", "/log?", "10.4.2.17"):
        assert word not in page, word
