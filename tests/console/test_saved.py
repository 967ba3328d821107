"""A saved search stays while it is of use, and one that names somebody no longer than what it finds.

Shows: `console.saved`, `console.lastused`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from console.lastused import forget, note
from console.roles import Role
from console.saved import of_use
from registry.change import from_us
from registry.schema import console_view
from tests.console.rig import AT, Console, send, sign_in

LONG_AGO = AT - timedelta(days=100)
LATER = AT + timedelta(days=2)
PUPIL = "pupil-0417"


@pytest.mark.parametrize(
    ("query", "newest", "used"),
    [
        ({}, None, AT),
        ({"category": "games", "since": "7d"}, None, AT),
        ({"category": "games", "without": "host:a.example"}, LONG_AGO, AT),
        ({"user": PUPIL}, LONG_AGO, LONG_AGO),
        ({"user": PUPIL}, None, None),
        ({"user": PUPIL}, AT + timedelta(days=99), AT),
        ({"device": "oak-1"}, LONG_AGO, LONG_AGO),
        ({"address": "10.0.0.1"}, LONG_AGO, LONG_AGO),
        ({"terms": PUPIL}, LONG_AGO, LONG_AGO),
        ({"title": PUPIL}, LONG_AGO, LONG_AGO),
        ({"text": PUPIL}, LONG_AGO, LONG_AGO),
        ({"group": "headteacher"}, LONG_AGO, LONG_AGO),
        ({"category": "games", "without": f"host:a.example,user:{PUPIL}"}, LONG_AGO, None),
        ({"without": "address:10.0.0.1"}, LONG_AGO, None),
        ({"without": "client_address:10.0.0.1"}, LONG_AGO, None),
    ],
)
def test_what_counts_as_use(query: dict[str, str], newest: datetime | None, used: datetime | None) -> None:
    """A clock that ran ahead makes no search younger than now."""
    assert of_use(query, newest, AT) == used


def test_a_search_that_shows_nothing_of_somebody_any_more_goes(console: Console) -> None:
    """Though it is opened every day; one that asks for nobody stays, and so does one that still finds somebody."""
    console.store({"user": PUPIL}, {"user": "pupil-0999"})
    asked = {
        "nobody": "category=games&since=7d",
        "gone": f"user={PUPIL}&since=all",
        "there": "user=pupil-0999&since=all",
        "left out": f"since=all&without=user%3A{PUPIL}",
        "not opened": "since=all",
    }
    browser = console.signed_in(Role.TECHNICIAN)
    for name, query in asked.items():
        assert send(browser, "/log", "/log/views", name=name, query=query).status_code == 303
    console.now = LATER
    console.store({"user": "pupil-0999"})
    sign_in(browser, "technician-1")
    for who in (PUPIL, "pupil-0999"):
        send(browser, f"/reason?user={who}", "/reason", user=who, why="asked by the head", next="/log")
    for name in set(asked) - {"not opened"}:
        assert browser.get(f"/log?{asked[name]}").status_code == 200
    assert used(console) == {
        "nobody": LATER,
        "gone": AT - timedelta(minutes=5, seconds=1),
        "there": LATER - timedelta(minutes=5),
        "left out": AT,
        "not opened": AT,
    }
    with console.engine.begin() as connection:
        assert forget(connection, AT + timedelta(days=1), dry_run=True) == 3
        assert forget(connection, AT + timedelta(days=1)) == 3
        assert forget(connection, AT + timedelta(days=1)) == 0
    assert kept(browser) == {"nobody", "there"}


def test_nobody_keeps_somebody_elses_search_and_saving_again_is_use(console: Console) -> None:
    """The same search of another account is as old as it was; one that is saved again is new."""
    first, second = console.signed_in(Role.TECHNICIAN), console.signed_in(Role.TECHNICIAN)
    for browser in (first, second):
        send(browser, "/log", "/log/views", name=f"of {browser is first}", query="category=games")
    console.now = LATER
    sign_in(first, "technician-1")
    first.get("/log?category=games")
    assert used(console) == {"of True": LATER, "of False": AT}
    sign_in(second, "technician-2")
    send(second, "/log", "/log/views", name="of False", query="category=games")
    assert used(console) == {"of True": LATER, "of False": LATER}


@pytest.mark.parametrize(
    ("search", "asked", "used_at"),
    [
        ("site=oakwood&category=games", "site=oakwood&category=games", LATER),
        ("site=oakwood&category=games", "category=games", LATER),
        ("category=games", "site=oakwood&category=games", LATER),
        ("category= games ", "category=games", LATER),
        ("site=oakwood&category=games", "category=news", AT),
        ("category=games", f"category=games&user={PUPIL}", AT),
    ],
)
def test_opened_in_a_role_for_one_site_it_is_of_use(
    console: Console, search: str, asked: str, used_at: datetime
) -> None:
    """Its page says no site then, because there is one; what is saved may."""
    browser = console.signed_in(Role.TECHNICIAN, "oakwood")
    send(browser, "/log", "/log/views", name="games", query=search)
    console.now = LATER
    sign_in(browser, "technician-1")
    browser.get(f"/log?{asked}")
    assert used(console) == {"games": used_at}


def test_of_two_looks_at_once_the_later_counts(console: Console) -> None:
    """Whichever of them is the last to write."""
    send(console.signed_in(Role.TECHNICIAN), "/log", "/log/views", name="games", query="category=games")
    with console.engine.begin() as connection:
        searches = [row.id for row in connection.execute(console_view.select())]
        for moment in (LATER, LATER - timedelta(days=1)):
            note(connection, searches, moment)
    assert used(console) == {"games": LATER}


def test_saving_is_no_use_of_a_search_for_somebody(console: Console) -> None:
    """It counts from the newest row it finds, saved again or not; from the save while it finds none."""
    console.store({"user": PUPIL}, ago=timedelta(days=100))
    browser = console.signed_in(Role.TECHNICIAN)
    for moment in (AT, LATER):
        console.now = moment
        sign_in(browser, "technician-1")
        for name, query in (("old", f"user={PUPIL}&since=all"), ("none", f"user={PUPIL}"), ("group", "group=nobody")):
            assert send(browser, "/log", "/log/views", name=name, query=query).status_code == 303
        assert used(console) == {"old": LONG_AGO, "none": moment, "group": moment}


def test_saved_in_the_version_before_it_counts_from_then(console: Console) -> None:
    """That console writes no use, and the next night is no end of six months."""
    browser = console.signed_in(Role.TECHNICIAN)
    send(browser, "/log", "/log/views", name="games", query="category=games")
    with console.engine.begin() as connection:
        connection.execute(console_view.update().values(used_us=0))
        assert forget(connection, AT - timedelta(days=1)) == 0
        assert forget(connection, AT + timedelta(days=1)) == 1


def used(console: Console) -> dict[str, datetime | None]:
    """When each search was last of use."""
    with console.engine.connect() as connection:
        return {row.name: from_us(row.used_us) for row in connection.execute(console_view.select())}


def kept(browser: TestClient) -> set[str]:
    """Searches of whoever looks, by name."""
    return {one["name"] for one in browser.get("/log/views.json").json()["views"]}
