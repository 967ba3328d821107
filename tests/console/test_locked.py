"""What is LOCKED opens for nobody in the console: every role, on every page and form that opens anything (design §5.3).

A statutory list of one host and one page, and the categories of such lists, are tried by all who may open a page at
all. Each way is refused with the reason, and the pupil who asked stays blocked. The engine and the commands are tried
in `tests/policy/test_locked.py` and `tests/e2e/test_statutory.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from categories.names import canonical_url
from console.roles import Role
from logstore.encoding import Fact
from policy.client import Band, Client
from policy.model import Action, Request, Tier
from proxy.consoledoors import GatewayDoors
from proxy.settings import Settings
from proxy.statutory import Keeper
from proxy.statutory_settings import StatutorySettings, StatutorySource
from registry import entries, overrides, refusals, requests
from tests.categories.statutory_rig import Issuer
from tests.console.rig import Console, send

HOST, PAGE, FOLDER = "secret-host.test", "filehost.test/secret-page", "bank.test/hidden/"
LISTED = (f"https://{HOST}/", f"https://{PAGE}", f"https://{FOLDER}page")
"""What pupils ask for; the host of the second has pages that are not listed."""
OPENERS = [role for role in Role if role not in {Role.LEADER, Role.GOVERNOR, Role.READER}]
"""Who may open anything at all."""
ENTERING = [Role.TECHNICIAN, Role.ICT, Role.SAFEGUARDING]
"""Who may make entries, and answer requests."""


@pytest.fixture
def console(console: Console, tmp_path: Path) -> Iterator[Console]:
    """One with both statutory lists in force, as a gateway takes them."""
    now = datetime.now(UTC)
    console.now = now
    sources = []
    for name, category, listed in (
        ("iwf", "child-abuse", (HOST, PAGE)),
        ("ctiru", "terrorism", (f"{FOLDER}*", "192.0.2.66")),
    ):
        issuer = Issuer()
        (tmp_path / f"{name}.bundle").write_bytes(issuer.issue(listed, category=category, created=now))
        sources.append(StatutorySource(name=name, path=tmp_path / f"{name}.bundle", public_key=issuer.key))
    standing = Keeper(console.data).refresh(StatutorySettings(sources=tuple(sources)), now)
    assert standing.problems(now) == ()
    yield console


def assert_still_locked(console: Console) -> None:
    """Everybody who asks for what is listed is refused by the statutory list, by an engine as workers build it now."""
    engine = GatewayDoors(Settings(data=console.data))._now()
    for band in Band:
        for url in LISTED:
            verdict = engine.decide(
                Request(canonical_url(url)),
                Client(band=band, band_known=True, groups=frozenset({"year-4"})),
                console.now,
            )
            assert (verdict.action, verdict.tier) == (Action.BLOCK, Tier.LOCKED), (band, url)


def nothing_made(console: Console) -> None:
    """Neither a decision nor an entry is in the register."""
    with console.engine.connect() as connection:
        assert overrides.decisions(connection, ended=True) == []
        assert entries.made(connection) == []


def asked(console: Console, *urls: str) -> None:
    """Pupils ask to open these."""
    told = {"user": None, "address": "10.4.2.14", "band": "ks2", "verified": True, "why": "please", "action": "block",
            "rule": "statutory-lists", "at": console.now.isoformat()}  # fmt: skip
    with console.engine.begin() as connection:
        assert requests.file_all(connection, [{**told, "mark": f"m{n}", "url": url} for n, url in enumerate(urls)])


WHATS = [*LISTED, HOST, f"www.{HOST.upper()}.", "http://192.0.2.66/", "category:child-abuse", "category:terrorism"]


@pytest.mark.parametrize("role", OPENERS)
def test_one_click_opens_nothing(console: Console, role: Role) -> None:
    """Shown before, and refused when it is sent, for a class and for everybody alike."""
    browser = console.signed_in(role)
    forms: list[dict[str, str]] = [{"whom": "group", "group": "year-4", "length": "40m"}]
    if role is not Role.TEACHER:
        forms += [{"whom": "everybody", "length": "none"}, {"whom": "band", "band": "staff", "length": "1w"}]
    for form, what in itertools.product(forms, WHATS):
        seen = browser.get("/decide.json", params={"what": what, "action": "allow", **form}).json()
        assert "LOCKED" in str(seen), seen
        answer = send(browser, "/decide", action="allow", what=what, why="a lesson", **form)
        assert (answer.status_code, "LOCKED" in answer.text) == (422, True), (form, what)
    nothing_made(console)
    assert_still_locked(console)


@pytest.mark.parametrize("role", ENTERING)
def test_no_own_entry_opens_it_and_none_is_made(console: Console, role: Role) -> None:
    browser = console.signed_in(role)
    categories = ("always-allowed", "class-chosen", "education", "banking")
    for what, category in itertools.product((*LISTED, HOST, "192.0.2.66"), categories):
        answer = send(browser, "/entries", "/entries/change", do="add", category=category, what=what, why="a lesson")
        assert (answer.status_code, "LOCKED" in answer.text) == (422, True), what
    nothing_made(console)
    assert_still_locked(console)


@pytest.mark.parametrize("role", ENTERING)
def test_no_entry_adds_to_or_takes_from_a_statutory_category(console: Console, role: Role) -> None:
    browser = console.signed_in(role)
    for do in ("add", "remove"):
        for category in ("child-abuse", "terrorism"):
            answer = send(browser, "/entries", "/entries/change", do=do, category=category, what="x.test", why="x")
            assert answer.status_code == 422
            assert ("statutory list alone" if do == "add" else "no entry") in answer.text
    nothing_made(console)
    assert_still_locked(console)


@pytest.mark.parametrize("role", ENTERING)
def test_no_answer_to_a_request_opens_it(console: Console, role: Role) -> None:
    """By a decision or by an entry; the request waits on, and the queue shows that it would still be blocked."""
    asked(console, *LISTED)
    browser = console.signed_in(role)
    for number in (1, 2, 3):
        where = f"/requests/{number}"
        ways: list[dict[str, str]] = [
            {"do": "allow", "whom": "everybody", "length": "none", "what": "page"},
            {"do": "allow", "whom": "band", "band": "ks2", "length": "1h", "what": "page"},
            {"do": "entry", "category": "always-allowed", "what": "page"},
        ]
        if number == 1:
            ways += [{**way, "what": "host"} for way in ways]
        for way in ways:
            answer = send(browser, where, f"{where}/decide", why="let them", **way)
            assert (answer.status_code, "LOCKED" in answer.text) == (422, True), way
        now = browser.get(f"{where}.json").json()["request"]["now"]
        assert now["action"] == "block"
    assert browser.get("/requests.json").json()["waiting"] == 3
    nothing_made(console)
    assert_still_locked(console)


@pytest.mark.parametrize("role", ENTERING)
def test_opening_the_rest_of_a_host_leaves_its_listed_pages_closed(console: Console, role: Role) -> None:
    """The host is decided like any other, by a click and by an entry; the page on the list is not."""
    browser = console.signed_in(role)
    form = {"action": "allow", "what": "filehost.test", "whom": "everybody", "length": "1w", "why": "a lesson"}
    assert send(browser, "/decide", **form).status_code == 303
    entry = {"do": "add", "category": "always-allowed", "what": "bank.test", "why": "a lesson"}
    assert send(browser, "/entries", "/entries/change", **entry).status_code == 303
    assert_still_locked(console)


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.ICT])
@pytest.mark.parametrize("host", [HOST, "filehost.test", "bank.test"])
def test_no_host_of_a_listed_page_passes_unread(console: Console, role: Role, host: str) -> None:
    """Programs may refuse as often as they like: it is not suggested, and what is not suggested is not accepted."""
    facts = []
    for device in ("oak-1", "oak-2", "oak-3"):
        told: dict[str, Any] = {"at": console.now.isoformat(), "device": device}
        refused = [{"host": name, "site": "oakwood", "sign": "left"} for name in (host, "api.app.example")]
        facts += [Fact("tls-accepts", 0, told), *(Fact("tls-refused", 0, {**told, **one}) for one in refused)]
    with console.engine.begin() as connection:
        refusals.file_all(connection, facts, timedelta(days=14))
    browser = console.signed_in(role)
    assert [row["host"] for row in browser.get("/bypass.json").json()["suggested"]] == ["api.app.example"]
    answer = send(browser, "/bypass", "/bypass/decide", host=host, do="accept", whom="everybody", why="an app")
    assert (answer.status_code, "not suggested" in answer.text) == (422, True)
    nothing_made(console)
    assert_still_locked(console)


def test_no_list_is_one_of_the_statutory_ones(console: Console, orders: list[dict[str, Any]]) -> None:
    """None is added for their categories or under their names, none is changed or taken away."""
    browser = console.signed_in(Role.ICT)
    for category in ("child-abuse", "terrorism"):
        form = {"name": "mine", "url": "https://lists.example/x.txt", "format": "domains", "category": category}
        answer = send(browser, "/lists/new", why="x", **form)
        assert (answer.status_code, "statutory list alone" in answer.text) == (422, True)
    answer = send(browser, "/lists/new", "/lists/of/iwf/change", do="remove", why="x")
    assert answer.status_code in {404, 422}
    assert {order["do"] for order in orders} == {"status"}, "nothing is looked for"
    assert browser.get("/lists/of/iwf/change").status_code == 404
    assert_still_locked(console)


@pytest.mark.parametrize("role", [Role.LEADER, Role.GOVERNOR])
def test_who_may_open_nothing_is_refused_at_the_door(console: Console, role: Role) -> None:
    asked(console, *LISTED)
    browser = console.signed_in(role)
    ways: dict[str, dict[str, str]] = {
        "/decide": {"action": "allow", "what": HOST, "whom": "everybody", "length": "1h"},
        "/entries/change": {"do": "add", "category": "always-allowed", "what": HOST},
        "/requests/1/decide": {"do": "allow", "whom": "everybody", "length": "1h", "what": "page"},
        "/bypass/decide": {"do": "accept", "host": HOST, "whom": "everybody"},
        "/lists/new": {"name": "x", "url": "https://x.example/", "format": "domains", "category": "child-abuse"},
    }
    for where, form in ways.items():
        assert send(browser, "/me", where, why="x", **form).status_code == 403, where
    nothing_made(console)
    assert_still_locked(console)
