"""The log in the browser: filters, the sentence, paging to the oldest row, empty pages, looks and reasons.

Shows: `console.pages.log`, `console.pages.logrow`, `console.pages.logviews`, `console.pages.logexport`,
`console.pages.reason`, `console.pages.accounts`, `console.logfilter`,
`console.rowview`, `console.saved`, `console.accounts`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.testclient import TestClient

from console import accounts
from console.logfilter import guess, read_search, step_for
from console.page import Ask, Lines, Refused
from console.pages import logexport
from console.roles import Grant, Role, Viewer
from logstore.filter import LogFilter
from registry.spelling import as_recorded
from tests.console.rig import AT, LONDON, Console, send, sign_in

TECHNICIAN = Viewer("dana", "Dana", Grant(1, Role.TECHNICIAN), 1)


def ask(console: Console, role: Role = Role.TECHNICIAN, **query: str) -> dict[str, object]:
    browser = console.signed_in(role)
    if subject := query.get("device") or as_recorded("client_address", query.get("address")):
        reason(browser, subject)
    return dict(browser.get("/log.json", params=query).json())


def reason(browser: TestClient, subject: str) -> None:
    """Say why one looks."""
    assert send(browser, "/reason", user=subject, why="asked by the head", next="/log").status_code == 303


def test_the_sentence_says_what_was_searched(console: Console) -> None:
    console.store({"host": "a.example", "blocked": True, "action": "block"}, {"host": "b.example"})
    told = ask(console, blocked="yes", group="year-4", site="oakwood", since="10:05")
    assert told["sentence"] == "blocked pages by group year-4 at oakwood since 10:05"
    assert [row["host"] for row in told["rows"]] == ["a.example"]  # type: ignore[attr-defined]
    assert told["count"] == "1"


def test_paging_reaches_the_oldest_row_and_comes_back(console: Console) -> None:
    """By key: every row once, in order, in both directions, through links of the pages themselves."""
    console.store(*({"path": f"/{number}"} for number in range(175)))
    browser = console.signed_in(Role.TECHNICIAN)
    seen, link, pages = [], "/log?since=all", []
    while link:
        pages.append(link)
        told = browser.get(_json(link)).json()
        seen += [row["path"] for row in told["rows"]]
        last, link = told, told["older"]
    assert seen == [f"/{number}" for number in reversed(range(175))]
    assert len(pages) == 4
    back = browser.get(_json(last["newer"])).json()
    assert [row["path"] for row in back["rows"]] == seen[100:150]
    assert "oldest rows" in browser.get(pages[-1]).text


def _json(link: str) -> str:
    return link.replace("/log", "/log.json", 1)


def test_every_value_of_a_row_is_a_filter(console: Console) -> None:
    """Each link of a row leads to a page that has it, and keeps what was filtered before."""
    console.store({"category": "games", "rule": "no-games", "device": "oak-1", "action": "block", "blocked": True})
    browser = console.signed_in(Role.SAFEGUARDING)
    text = browser.get("/log?blocked=yes").text
    reason(browser, "oak-1")
    for name, value in (
        ("host", "www.example.org"), ("group", "year-4"), ("band", "ks2"), ("device", "oak-1"), ("site", "oakwood"),
        ("category", "games"), ("rule", "no-games"), ("action", "block"),
    ):  # fmt: skip
        link = f"/log?blocked=yes&amp;{name}={value}"
        assert link in text, name
        assert len(browser.get(_json(link.replace("&amp;", "&"))).json()["rows"]) == 1


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("Pupil-0417", {"user": "pupil-0417"}),
        ("oak-1", {"device": "oak-1"}),
        ("games", {"category": "games"}),
        ("no-games", {"rule": "no-games"}),
        ("roblox.com", {"domain": "roblox.com"}),
        ("10.4.2.17", {"address": "10.4.2.17"}),
        ("https://x.example/lesson?a=b", {"text": "x.example/lesson?a=b"}),
        ("minecraft skins", {"text": "minecraft skins"}),
    ],
)
def test_one_box_finds_what_is_meant(console: Console, typed: str, means: dict[str, str]) -> None:
    console.store({"category": "games", "categories": ("games",), "rule": "no-games", "device": "oak-1"})
    browser = console.signed_in(Role.TECHNICIAN)
    answer = browser.get("/log", params={"q": typed, "since": "1h"})
    assert answer.status_code == 303
    assert dict(parse_qsl(urlsplit(answer.headers["location"]).query)) == {"since": "1h", **means}


def test_nothing_typed_means_nothing() -> None:
    assert guess("  ", {}) == {}


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(console: Console) -> None:
    console.store({})
    told = ask(console, since="whenever")
    assert "is no time" in str(told["problems"])
    assert len(told["rows"]) == 1  # type: ignore[arg-type]


def test_a_search_that_cannot_be_read_shows_nothing_rather_than_everything(console: Console) -> None:
    """Nor does it leave in a file, or live."""
    console.store({"user": "pupil-0417"})
    browser = console.signed_in(Role.ICT)
    told = browser.get("/log.json", params={"host": "%", "user": "pupil-0417"}).json()
    assert told["rows"] == []
    assert "is no host" in str(told["problems"])
    assert browser.get("/log", params={"host": "%"}).text.count("<tr") == 1, "only the template of live rows"
    for path in ("/log/live", "/log/export"):
        assert browser.get(path, params={"host": "%"}).status_code == 400


@pytest.mark.parametrize(("span", "minutes"), [(1, 1), (8, 10), (48, 60), (24 * 30, 1440)])
def test_a_longer_time_has_wider_bars(span: int, minutes: int) -> None:
    step = step_for(LogFilter(since=AT - timedelta(hours=span)), AT)
    assert step == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("field", "typed", "rows"),
    [("host", "WWW.München.Example.", 1), ("domain", "MÜNCHEN.example", 1), ("address", "2001:DB8:0::7", 1)],
)
def test_a_name_is_found_however_it_is_spelt(console: Console, field: str, typed: str, rows: int) -> None:
    """As the record writes it; a search that finds nothing would say that nothing happened."""
    console.store({"host": "www.xn--mnchen-3ya.example", "client_address": "2001:db8::7"}, {"host": "b.example"})
    assert len(ask(console, **{field: typed})["rows"]) == rows  # type: ignore[arg-type]


def test_the_histogram_adds_up_and_its_bars_lead_to_their_time(console: Console) -> None:
    console.store(*({"blocked": number % 3 == 0} for number in range(90)))
    browser = console.signed_in(Role.TECHNICIAN)
    told = browser.get("/log.json?since=1h").json()
    assert sum(bar["requests"] for bar in told["histogram"]) == 90
    assert sum(bar["blocked"] for bar in told["histogram"]) == 30
    page = browser.get("/log?since=1h").text
    link = page.partition('<svg class="histogram"')[2].partition('<a href="')[2].partition('"')[0].replace("&amp;", "&")
    narrow = browser.get(_json(link)).json()
    assert len(narrow["rows"]) == told["histogram"][0]["requests"]


def test_parts_of_pages_are_left_out_until_asked_for(console: Console) -> None:
    console.store({"path": "/lesson"}, {"path": "/picture.png", "page": False})
    assert len(ask(console)["rows"]) == 1  # type: ignore[arg-type]
    assert len(ask(console, parts="yes")["rows"]) == 2  # type: ignore[arg-type]


def test_an_empty_page_tells_the_truth(console: Console) -> None:
    """No shipper, a shipper that is behind, a full disk, and really nothing: four different messages."""
    browser, status = console.signed_in(Role.TECHNICIAN), console.data / "run" / "shipper.json"

    def said(**told: object) -> str:
        import time

        status.write_text(json.dumps({"written_at": time.time(), **told}))
        return browser.get("/log").text

    assert "No shipper has run here" in browser.get("/log").text
    assert "The shipper is not running" in said(written_at=1.0)
    assert "90 seconds behind: 1,200 events wait" in said(oldest_seconds=90, lag_events=1200)
    assert "disk is full" in said(level="full")
    assert "There are no such requests in this time" in said()


def test_what_is_no_page_is_not_passed_over_in_silence(console: Console) -> None:
    """A newcomer's `curl` opens no page: the empty log says that there is more, and leads to it."""
    console.store({"path": "/picture.png", "page": False})
    browser = console.signed_in(Role.TECHNICIAN)
    empty = browser.get("/log").text
    assert "programs, or parts of pages, asked for something" in empty
    assert 'href="/log?parts=yes"' in empty
    assert "asked for something" not in browser.get("/log?parts=yes").text
    assert "asked for something" not in browser.get("/log?host=other.example").text


# -- looks ------------------------------------------------------------------------------------------------------------


def test_every_look_is_written_down_before_it_is_shown(console: Console) -> None:
    console.store({})
    ask(console, host="www.example.org")
    look = console.trail("look")[0]
    assert (look.who, look.subject) == ("console:technician-1", "record")
    assert look.after["rows"] == 1
    assert "to www.example.org" in look.after["asked"]


def test_one_persons_history_needs_a_reason_that_is_in_the_trail(console: Console) -> None:
    console.store({"user": "pupil-0417"}, {"user": "pupil-0999"})
    browser = console.signed_in(Role.TECHNICIAN)
    asked = browser.get("/log?user=Pupil-0417")
    assert (asked.status_code, asked.headers["location"].partition("?")[0]) == (303, "/reason")
    assert browser.get("/log.json?user=pupil-0417").status_code == 403
    assert browser.get("/log/live?user=pupil-0417").status_code == 303
    assert console.trail("look") == []
    assert send(browser, asked.headers["location"], user="pupil-0417", why=" ").status_code == 422
    given = send(
        browser,
        asked.headers["location"],
        user="pupil-0417",
        why="asked by her form tutor",
        next="/log?user=pupil-0417",
    )
    assert given.headers["location"] == "/log?user=pupil-0417"
    assert len(browser.get("/log.json?user=pupil-0417").json()["rows"]) == 1
    assert (console.trail("look")[0].subject, console.trail("look")[0].why) == ("pupil-0417", "asked by her form tutor")
    assert browser.get("/log?user=pupil-0999").status_code == 303, "a reason is for one person"
    console.now += timedelta(minutes=31)
    browser = _again(console, browser)
    assert browser.get("/log?user=pupil-0417").status_code == 303, "and for half an hour"


def test_nobody_reads_in_the_trail_that_somebody_looked_into_them(console: Console) -> None:
    """A leader under inquiry sees everybody's lines but those; and what they did themselves."""
    lead = console.signed_in(Role.SAFEGUARDING)
    reason(lead, "teacher-12")
    lead.get("/log?user=teacher-12")
    lead.get("/log?host=www.example.org")
    console.person("leader", Grant(0, Role.LEADER), proxy="teacher-12")
    leader = console.client()
    sign_in(leader, "leader")
    told = leader.get("/audit.json").json()
    assert set(told) == {"rows", "older", "problems"}, "not even how many lines there are about them"
    assert "teacher-12" not in json.dumps(told)
    assert any("www.example.org" in str(row["after"]) for row in told["rows"])
    assert "teacher-12" in json.dumps(console.signed_in(Role.LEADER).get("/audit.json").json())
    assert leader.get("/audit.json?subject=teacher-12").json()["rows"] == []


def test_a_role_at_one_site_does_not_read_the_trail_of_the_trust(console: Console) -> None:
    """It names people of every school."""
    assert console.signed_in(Role.ICT, "oakwood").get("/audit.json").status_code == 403
    assert console.signed_in(Role.ICT).get("/audit.json").status_code == 200


def _again(console: Console, _: TestClient) -> TestClient:
    return console.signed_in(Role.TECHNICIAN)


def test_the_safeguarding_lead_needs_no_reason_for_a_pupil_and_one_for_an_adult(console: Console) -> None:
    from registry.change import By
    from registry.people import Details, add

    by = By("test", console.now, "")
    with console.engine.begin() as connection:
        add(connection, "pupil-0417", Details(band="ks2"), by)
        add(connection, "teacher-12", Details(band="staff"), by)
    browser = console.signed_in(Role.SAFEGUARDING)
    assert browser.get("/log?user=pupil-0417").status_code == 200
    assert browser.get("/log?user=teacher-12").status_code == 303
    assert browser.get("/log?user=nobody-knows").status_code == 303, "somebody unknown may be an adult"


def test_nobody_looks_at_their_own_rows(console: Console) -> None:
    """Not by name, not in the list, not one row, not in an export."""
    (row, _) = console.store({"user": "d.smith", "host": "private.example"}, {"user": "pupil-0417"})
    browser = console.signed_in(Role.ICT, proxy="D.Smith")
    assert browser.get("/log?user=d.smith").status_code == 403
    for path in ("/log", f"/log/{row}", "/log.json", "/log.csv", f"/log/{row}.json"):
        assert "private.example" not in browser.get(path).text, path
    told = send(browser, "/log/export", since="all", format="csv", why="weekly copy")
    assert "pupil-0417" in told.text
    assert "private.example" not in told.text


def test_a_row_with_all_its_evidence_and_what_came_either_side(console: Console) -> None:
    rows = console.store(
        *({"path": f"/{number}", "device": "oak-1"} for number in range(30)), {"user": "pupil-0999", "path": "/other"}
    )
    browser = console.signed_in(Role.TECHNICIAN)
    page = browser.get(f"/log/{rows[15]}")
    for word in ("pupil-0417", "10.4.2.17", "year-4", "gateway-1", "www.example.org/15"):
        assert word in page.text
    assert browser.get(f"/log/{rows[15]}?history=yes").headers["location"].startswith("/reason?user=pupil-0417")
    reason(browser, "pupil-0417")
    assert browser.get(f"/log/{rows[15]}?history=yes").headers["location"].startswith("/reason?user=oak-1")
    reason(browser, "oak-1")
    told = browser.get(f"/log/{rows[15]}.json?history=yes").json()
    assert [row["path"] for row in told["around"]] == [f"/{number}" for number in range(25, 4, -1)]
    assert browser.get("/log/1").status_code == 404
    assert browser.get(f"/log/{10**30}").status_code == 404


# -- what is kept and what leaves ----------------------------------------------------------------------------------


def test_a_search_is_saved_for_oneself_and_forgotten(console: Console) -> None:
    browser, other = console.signed_in(Role.TECHNICIAN), console.signed_in(Role.TECHNICIAN)
    query = "since=7d&blocked=yes&token=never&q=x"
    assert send(browser, "/log", "/log/views", name="Blocked lately", query=query).status_code == 303
    (kept,) = browser.get("/log/views.json").json()["views"]
    assert (kept["name"], kept["link"]) == ("Blocked lately", "/log?since=7d&blocked=yes")
    assert "Blocked lately" in browser.get("/log").text
    assert other.get("/log/views.json").json()["views"] == []
    send(other, "/log", "/log/views", forget=str(kept["id"]))
    assert len(browser.get("/log/views.json").json()["views"]) == 1, "nobody forgets somebody else's"
    send(browser, "/log/views", forget=str(kept["id"]))
    assert browser.get("/log/views.json").json()["views"] == []
    assert send(browser, "/log", "/log/views", name="=1+1", query="").status_code == 422


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_has_every_row_a_reason_and_two_lines_in_the_trail(console: Console, form: str) -> None:
    console.store(*({"path": f"/{number}"} for number in range(120)), {"host": "other.example"})
    browser = console.signed_in(Role.ICT)
    refused = send(browser, "/log/export?since=all", since="all", format=form, why="")
    assert (refused.status_code, console.trail("export")) == (422, [])
    told = send(browser, "/log/export", since="all", host="www.example.org", format=form, why="asked by the head")
    lines = (
        list(csv.DictReader(io.StringIO(told.text))) if form == "csv" else [*map(json.loads, told.text.splitlines())]
    )
    assert len(lines) == 120
    assert "attachment" in told.headers["content-disposition"]
    done, began = console.trail("export")
    assert (began.what, done.what, done.why) == ("began an export", "exported rows", "asked by the head")
    assert done.after["rows"] == 120
    assert done.after["sha256"] == hashlib.sha256(told.content).hexdigest()


def test_the_trail_is_read_filtered_and_paged(console: Console) -> None:
    browser = console.signed_in(Role.LEADER)
    for number in range(130):
        browser.get(f"/log?host=h{number}.example")
    first = browser.get("/audit.json?kind=look").json()
    assert len(first["rows"]) == 100
    second = browser.get(first["older"].replace("/audit", "/audit.json", 1)).json()
    assert len(second["rows"]) == 30
    assert second["older"] is None
    assert "to h0.example" in str(second["rows"][-1])
    assert "signed in" in browser.get("/audit?kind=sign-in").text


@pytest.mark.parametrize("word", ["head-hill", "hill-7"])
def test_the_box_and_the_lists_tell_a_role_of_one_site_nobody_of_another(console: Console, word: str) -> None:
    """A name of elsewhere means what a name nobody has means; one's own site is found by name."""
    console.store(
        {"user": "head-hill", "device": "hill-7", "site": "hillview", "groups": ("hill-support",)},
        {"user": "pupil-1", "device": "oak-1", "site": "oakwood", "groups": ("year-4",)},
    )
    here, trust = console.signed_in(Role.TECHNICIAN, "oakwood"), console.signed_in(Role.TECHNICIAN)
    means = [browser.get("/log", params={"q": word}).headers["location"] for browser in (here, trust)]
    assert means[0] == f"/log?text={word}"
    assert means[1] in {f"/log?user={word}", f"/log?device={word}"}
    for own, field in (("Pupil-1", "user"), ("oak-1", "device")):
        assert here.get("/log", params={"q": own}).headers["location"] == f"/log?{field}={own.lower()}"
    pages = [browser.get("/log?host=none.example").text for browser in (here, trust)]
    assert [("hill-support" in page, "year-4" in page) for page in pages] == [(False, True), (True, True)]


def test_one_site_stays_one_site_in_the_filter() -> None:
    """Whatever the address says; and the sentence says so."""
    viewer = Viewer("sam", "Sam", Grant(1, Role.TECHNICIAN, "oakwood"), 1)
    asked: Mapping[str, str] = {"site": "hillview"}
    search = read_search(asked, viewer, AT, LONDON)
    assert search.wanted.site == "oakwood"
    assert "oakwood" in str(search.problems)
    assert read_search({}, TECHNICIAN, AT, LONDON).wanted.site is None


def test_an_export_stops_when_the_account_is_taken_away(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file breaks off, and the trail says after how many rows."""
    monkeypatch.setattr(logexport, "ASKED_AGAIN", 2)
    console.store(*({} for _ in range(9)))
    console.signed_in(Role.ICT)
    with console.engine.begin() as connection:
        (account,) = accounts.accounts(connection)
    viewer = Viewer(account.name, "", account.grants[0], account.id)
    form = {"since": "all", "format": "jsonl", "why": "asked by the head"}
    told = logexport.act(Ask(house=console.house, viewer=viewer, now=console.now, address="", form=form))
    assert isinstance(told, Lines)
    lines = iter(told.lines)
    seen = [next(lines) for _ in range(2)]
    with console.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE console_account SET disabled = 1")
    with pytest.raises(Refused, match="taken away"):
        seen += lines
    assert 2 <= len(seen) < 5
    stopped = console.trail("export")[0]
    assert (stopped.what, stopped.after["rows"]) == ("stopped an export", 3)
