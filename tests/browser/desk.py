"""A console with a school's day in it, served on this machine, for browsers of every role.

In: the data folder of a test. Out: a `Desk`: where it is, how a role signs in, and every address of its pages.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from httpx2 import Response
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By as Find
from selenium.webdriver.common.keys import Keys

from console import links
from console.app import make_app
from console.guards import Rate
from console.pages import pages
from console.roles import PUBLIC, Grant, Role, may
from logstore.retention import prune
from policy.ruletext import as_form, changed
from proxy.consoleserver import server_config
from proxy.settings import Settings
from proxy.sourcestore import State, store_of, write_state
from registry import people, policies, requests, sources
from registry.people import Details
from registry.sources import Source
from tests.console.rig import HASH, LONDON, OFFICE, PASSWORD, Console, send
from tests.rig.waiting import wait_for

GAMES = "games.schoolgate.test"
PUPIL, LAPTOP = "pupil-0417", "oak-y4-laptop-10"
NUMBERED: Mapping[str, tuple[str, ...]] = {
    "log-row": ("/log/{row}", "/log/{row}?history=yes", "/log/{locked}"),
    "decision": ("/decisions/1?row={row}&done=yes",),
    "request": ("/requests/1", "/requests/2"),
    "request-decide": ("/requests/1/decide",),
    "person": ("/person/pupil-0417", "/person/leaver", "/person/pupil-0417?done=suspend"),
    "person-change": ("/person/pupil-0417/change",),
    "person-suspend": ("/person/pupil-0417/suspend",),
    "list": ("/lists/of/city",),
    "list-change": ("/lists/of/city/change",),
    "hold": ("/holds/1", "/holds/2"),
    "first": ("/first?key={key}", "/first?key=wrong"),
    "hold-rows": ("/holds/1/rows",),
    "hold-release": ("/holds/1/step",),
    "account": ("/accounts/1",),
    "policy-draft": ("/policy/drafts/1", "/policy/drafts/1?done=write&rule=pupils-ai"),
    "policy-rule": ("/policy/drafts/1/rule?rule=pupils-ai", "/policy/drafts/1/rule?into=0"),
    "policy-text": ("/policy/drafts/1/text",),
    "policy-step": ("/policy/drafts/1/step",),
    "policy-publish": ("/policy/drafts/1/publish",),
    "policy-whatif": ("/policy/drafts/1/what-if", "/policy/drafts/1/what-if?hours=72&who=yes"),
    "policy-version": ("/policy/history/2", "/policy/history/2?against=now&done=yes"),
}
"""Pages with a number or name in their address, and which ones are there."""
STATES: Mapping[str, tuple[str, ...]] = {
    "log": ("/log?since=all&parts=yes", "/log?host=nowhere.example", "/log?since=nonsense", "/log?without=band:staff"),
    "log-export": ("/log/export?since=all",),
    "why": ("/why?row={row}", "/why?url=no..host", "/why?url=https://games.schoolgate.test/&group=year-4"),
    "decide": ("/decide?row={row}&action=allow", "/decide?action=allow&what=category:child-abuse"),
    "decisions": ("/decisions?all=yes",),
    "requests": ("/requests?decided=yes",),
    "people": ("/people?q=nobody-at-all", "/people?status=left"),
    "lists": ("/lists?host=games.schoolgate.test", "/lists?host=no..host", "/lists?done=yes"),
    "entries": ("/entries?q=chess",),
    "policy": ("/policy?band=ks3&q=games", "/policy?q=no-such-rule"),
    "policy-history": ("/policy/history?all=yes",),
    "holds": ("/holds?all=yes",),
    "audit": ("/audit?kind=nonsense", "/audit?since=nonsense"),
    "reason": ("/reason?user=pupil-0417&next=/log",),
}  # fmt: skip
"""Other looks of pages, beside the plain one."""
ALONE = frozenset({"log-live"})
"""Pages that no browser shows."""


@dataclass
class Desk:
    """The console as browsers reach it."""

    console: Console
    """What it stands on."""
    base: str
    """Its address."""
    row: int
    """A blocked row of a pupil."""
    locked: int
    """A row a statutory list decided."""
    key: str
    """A link to choose a password."""

    def addresses(self, role: Role | None) -> dict[str, list[str]]:
        """Every address a role (None: nobody) may open, by page; of every page the application declares.

        Raises `LookupError` for a page with a number in its address that `NUMBERED` does not know.
        """
        found: dict[str, list[str]] = {}
        for page in pages():
            if not page.template or page.name in ALONE or (role is None) != (page.name in PUBLIC):
                continue
            if "{" in page.path and page.name not in NUMBERED:
                raise LookupError(f"the page {page.name} ({page.path}) is not visited: give it a line in NUMBERED")
            plain = NUMBERED.get(page.name, (page.path,))
            if may(role, page.name):
                told = [
                    one.format(row=self.row, locked=self.locked, key=self.key)
                    for one in (*plain, *STATES.get(page.name, ()))
                ]
                found[page.name] = told
        return found

    def sign_in(self, browser: Chrome, role: Role) -> None:
        """Sign in as somebody of that role."""
        browser.delete_all_cookies()
        browser.get(f"{self.base}/sign-in")
        browser.find_element(Find.NAME, "name").send_keys(f"{role}-desk")
        browser.find_element(Find.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
        wait_for(lambda: "/sign-in" not in where(browser), f"to be let in as {role}", seconds=60)

    def say_why(self, browser: Chrome, *names: str) -> None:
        """Give the reason for looks at these people and machines."""
        for name in names:
            browser.get(f"{self.base}/reason?user={name}&next=/log/views")
            browser.find_element(Find.NAME, "why").send_keys("a test of the pages")
            browser.find_element(Find.CSS_SELECTOR, "main button").click()
            wait_for(lambda: where(browser) == "/log/views", "the reason to be taken", seconds=60)


def furnished(data: Path) -> tuple[Console, list[int], str]:
    """A console over rows, people, requests, decisions, holds, sources and a trail; ids of its rows; a link's key."""
    console = Console(data)
    rows = console.store(
        *({"host": f"lesson-{n}.example", "path": "/unit/", "ending": {"title": f"Unit {n}"}} for n in range(12)),
        *({"host": "cdn.example", "path": f"/part-{n}.js", "page": False} for n in range(3)),
        {"host": "www.search.example", "path": "/search?q=volcano", "terms": ("volcano", "lava flow")},
        {"user": "staff-jo", "band": "staff", "groups": ("teaching-staff",), "device": "oak-staff-3"},
        {"user": None, "verified": False, "user_source": "", "site": "hillview", "page": False, "path": "/a.css"},
        {"action": "warn", "category": "forums", "rule": "ask-first", "tier": "site", "host": "forum.example"},
        {"action": "block", "blocked": True, "category": "child-abuse", "rule": "statutory", "tier": "locked",
         "reason": "statutory", "host": "locked.example"},
        {"action": "block", "blocked": True, "category": "games", "rule": "no-games", "tier": "site", "host": GAMES,
         "path": "/play", "device": LAPTOP, "ending": {"title": "A <b>game</b>"}, "reason": "category"},
    )  # fmt: skip
    text = (data / "policy.yaml").read_text(encoding="utf-8")
    looser = changed(text, "pupils-ai", {**as_form(text, "pupils-ai"), "action": "warn", "because": "Ask <first>."})
    with console.engine.begin() as connection:
        policies.start(connection, looser, OFFICE, title="AI for <Year 11>", base=policies.digest_of(text))
        policies.adopt(connection, text, OFFICE, file="policy.yaml")
    with console.engine.begin() as connection:
        for name, details in {
            PUPIL: Details("Pupil Four", "ks3", frozenset({"year-4"}), "oakwood"),
            "pupil-0418": Details("Pupil Five", None, frozenset(), "hillview", shared=True),
            "staff-jo": Details("Jo <b>", "staff", frozenset({"teaching-staff"}), "oakwood"),
            "leaver": Details("", "ks4", frozenset(), "oakwood"),
        }.items():
            people.add(connection, name, details, OFFICE, password=None if details.shared else HASH)
        people.remove(connection, "leaver", OFFICE)
        people.suspend(connection, "pupil-0418", console.now + timedelta(days=1), OFFICE)
        asked = {"url": f"https://{GAMES}/play", "user": PUPIL, "address": "10.4.2.14", "band": "ks3", "verified": True,
                 "why": "the club <i>meets</i> there", "action": "block", "rule": "no-games", "site": "oakwood",
                 "at": console.now.isoformat()}  # fmt: skip
        requests.file_all(connection, [{**asked, "mark": f"m{n}"} for n in range(3)])
        city = Source("city", "https://lists.example/city.txt", "domains", "games", every=timedelta(hours=6))
        sources.add(connection, city, OFFICE, taken=())
    _update(console)
    for role in Role:
        if role is not Role.READER:
            console.person(f"{role}-desk", Grant(0, role, None, ("year-4",) if role is Role.TEACHER else ()))
    ict, lead = console.signed_in(Role.ICT), console.signed_in(Role.SAFEGUARDING)
    decided = {"action": "allow", "what": GAMES, "whom": "group", "group": "year-4", "length": "40m", "why": "club"}
    _done(send(ict, "/decide", **decided))
    _done(send(ict, "/decide", **{**decided, "what": "lesson-1.example", "action": "block"}))
    _done(send(ict, "/decisions/2", why="a mistake"))
    _done(send(ict, "/requests/3", "/requests/3/decide", do="no-change", why="no", answer="Ask your teacher."))
    entry = {"do": "add", "category": "games", "what": "chess.example/play", "why": "a game", "length": "1w"}
    _done(send(ict, "/entries", "/entries/change", **entry))
    hold = {"why": "bullying", "review": "90d"}
    _done(send(lead, "/holds", "/holds/place", case="CASE-1", user=PUPIL, **hold))
    _done(send(lead, "/holds", "/holds/place", case="CASE-2", user="nobody-here", **hold))
    _done(send(lead, "/holds/1", "/holds/1/step", do="sign", why="closed"))
    assert send(ict, "/tokens", name="dashboard of the trust", days="90").status_code == 200
    for browser in (ict, lead):
        _done(send(browser, "/log/views", name="Games of today", query="since=1d&category=games"))
    prune(console.data / "store", console.now, LONDON)
    with console.engine.begin() as connection:
        key = links.make(connection, 1, console.now)
    return console, rows, key


def where(browser: Chrome) -> str:
    """The path of the page that is there, whole; `/sign-in` while one is still coming."""
    whole = browser.execute_script("return document.readyState === 'complete' && document.querySelector('.who')")
    return urlsplit(browser.current_url).path if whole else "/sign-in"


@contextlib.contextmanager
def open_desk(data: Path) -> Iterator[Desk]:
    """Serve it on a free port of this machine until the end."""
    console, rows, key = furnished(data)
    console.house = replace(console.house, hosts=frozenset({"127.0.0.1"}))
    app = make_app(console.house, secure=False, rate=Rate(burst=1e9))
    server = uvicorn.Server(server_config(app, Settings(data=data)))
    end = _listening()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [end]})
    thread.start()
    try:
        wait_for(lambda: server.started, "the console to serve")
        yield Desk(console, f"http://127.0.0.1:{end.getsockname()[1]}", rows[-1], rows[-2], key)
    finally:
        server.should_exit = True
        thread.join()
        console.engine.dispose()


def _listening() -> socket.socket:
    end = socket.socket()
    end.bind(("127.0.0.1", 0))
    end.listen(64)
    return end


def _done(answer: Response) -> None:
    assert answer.status_code == 303, answer.text


def _update(console: Console) -> None:
    """The source was updated once and failed since."""
    settings, seen = Settings(data=console.data), console.now.timestamp()
    changes = {"before": 5, "after": 7, "added": 3, "removed": 1, "added_sample": ["city: new.example"],
               "removed_sample": ["city: old.example"]}  # fmt: skip
    state = State(version="v", last_try=seen, last_success=seen - 60, changed=seen - 60, changes=changes)
    (store_of(settings, "city") / "v").mkdir(parents=True)
    (store_of(settings, "city") / "v" / "list").write_text("new.example\nother.example\n")
    write_state(settings, "city", state.failed("the server said 404", console.now))
    console.house.doors.put_in_force()
