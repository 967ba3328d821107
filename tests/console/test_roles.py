"""Who may do what: the table, and every route of the real application asked by every role."""

from __future__ import annotations

import itertools

import pytest

from console.pages import pages
from console.roles import MAY, NAMES, PUBLIC, TITLES, Grant, Names, Role, may
from tests.console.rig import Console

PEOPLE = [role for role in Role if role is not Role.READER]
ONE_BY_ONE = ("log-row", "log-live", "log-export", "audit", "requests", "request", "people", "person", "holds", "hold")
"""Pages that name people."""


def test_every_page_has_a_line_and_every_line_a_page() -> None:
    """Nothing is open because somebody forgot it, and nothing stands in the table for nothing."""
    named = {page.name for page in pages()}
    assert named <= MAY.keys() | PUBLIC
    assert MAY.keys() | PUBLIC - {"static"} <= named | PUBLIC


def test_what_the_table_does_not_name_is_nobodys() -> None:
    assert not any(may(role, "no-such-route") for role in (*Role, None))
    assert may(None, "sign-in")
    assert not may(None, "log")


def test_no_role_that_sees_no_names_may_see_a_row_whole() -> None:
    """A governor and a program never meet a page about one person."""
    for role in (role for role, how in NAMES.items() if how is Names.NEVER):
        assert not {name for name in ONE_BY_ONE if may(role, name)}


def test_nobody_gives_more_than_they_have() -> None:
    here, trust = Grant(1, Role.ICT, "oakwood"), Grant(2, Role.ICT)
    assert trust.covers(Grant(0, Role.GOVERNOR))
    assert here.covers(Grant(0, Role.TECHNICIAN, "oakwood"))
    assert not here.covers(Grant(0, Role.TECHNICIAN, "hillview"))
    assert not here.covers(Grant(0, Role.TECHNICIAN))
    assert not Grant(3, Role.TECHNICIAN).covers(Grant(0, Role.TECHNICIAN))
    assert set(TITLES) == set(NAMES) == set(Role)


@pytest.mark.parametrize("role", PEOPLE, ids=str)
def test_every_route_for_every_role(console: Console, role: Role) -> None:
    """A page answers those the table names and refuses everybody else, as HTML, as JSON and as CSV; forms too."""
    (row,) = console.store({"user": "pupil-0417"})
    browser = console.signed_in(role)
    for page, kind in itertools.product(pages(), ("", ".json", ".csv")):
        if page.name in PUBLIC or page.name in {"sign-out", "log-live"} or (kind and not page.twins):
            continue
        path = page.path.replace("{id:int}", str(row) if page.name == "log-row" else "1") + kind
        status = browser.get(path).status_code
        if may(role, page.name):
            assert status != 403, (path, status)
        else:
            assert status == 403, (path, status)
        if page.act is not None and not kind:
            assert (browser.post(path, data={}).status_code == 403) or may(role, page.name)


@pytest.mark.parametrize("kind", ["", ".json", ".csv"])
def test_nobody_known_sees_nothing(console: Console, kind: str) -> None:
    """HTML leads to the sign-in page, with the way back; the twins say 401."""
    browser = console.client()
    for page in pages():
        if page.name in PUBLIC or (kind and not page.twins):
            continue
        answer = browser.get(page.path.replace("{id:int}", "1") + kind)
        assert answer.status_code == (401 if kind else 303), page.path
        if not kind:
            assert answer.headers["location"].startswith("/sign-in?next=/")
        if page.act is not None and not kind:
            assert browser.post(page.path.replace("{id:int}", "1"), data={}).status_code == 401


def test_one_site_sees_its_own_rows(console: Console) -> None:
    """Whatever the address asks for: by search, by number, in the export."""
    ours, theirs = console.store({"site": "oakwood", "host": "a.example"}, {"site": "hillview", "host": "b.example"})
    browser = console.signed_in(Role.ICT, "oakwood")
    for query in ("", "site=hillview", "host=b.example", "domain=example"):
        told = browser.get(f"/log.json?since=all&{query}").json()
        assert {row["site"] for row in told["rows"]} <= {"oakwood"}
        assert "hillview" not in told["sentence"]
    assert browser.get(f"/log/{ours}").status_code == 200
    assert browser.get(f"/log/{theirs}").status_code == 404
