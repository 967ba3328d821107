"""What stands before every page: names, origins, forms, headers, sizes, rates; and that nothing written by others runs.

Shows: `console.guards`, `console.doors`, `console.drawing`, `console.forms`, `console.page`, `console.sessions`.
"""

from __future__ import annotations

import json
import re

import pytest

from console.app import make_app
from console.guards import POLICY, Guards, Rate, named
from console.page import local
from console.pages import pages
from console.roles import PUBLIC, Grant, Role
from tests.console.rig import ORIGIN, Console, send, sign_in, token_of

NASTY = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{7*7}}"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("console.test", True),
        ("CONSOLE.test:8081", True),
        ("console.test.", True),
        ("evil.example", False),
        ("console.test.evil.example", False),
        ("", False),
        ("127.0.0.1", False),
        ("[::1]:8081", False),
    ],
)
def test_only_our_own_names_are_answered_to(console: Console, host: str, ours: bool) -> None:
    """DNS rebinding: a name of somebody else that leads to us gets nothing."""
    assert named(host, frozenset({"console.test"})) is ours
    answer = console.client().get("/sign-in", headers={"Host": host})
    assert answer.status_code == (200 if ours else 421)


def test_an_address_of_this_machine_is_a_name_too() -> None:
    assert named("[::1]:8081", frozenset({"::1"}))
    assert named("127.0.0.1:8081", frozenset({"127.0.0.1"}))


def test_every_answer_has_the_headers(console: Console) -> None:
    """Pages, refusals, files and errors alike; nothing unsafe is allowed, and pages are not kept."""
    browser = console.signed_in(Role.TECHNICIAN)
    assert "unsafe" not in POLICY
    for path in ("/log", "/log.json", "/accounts", "/no-such-page", "/static/console.css", "/static/none", "/sign-in"):
        headers = browser.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert "frame-ancestors 'none'" in POLICY
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["strict-transport-security"]
        assert ("immutable" if path == "/static/console.css" else "no-store") in headers["cache-control"]
        assert "server" not in headers


def test_no_page_has_script_or_style_within_and_nothing_from_elsewhere(console: Console) -> None:
    (row,) = console.store({})
    browser = console.signed_in(Role.ICT)
    for page in pages():
        if page.name in PUBLIC or not page.template:
            continue
        text = browser.get(page.path.replace("{id:int}", str(row) if page.name == "log-row" else "1")).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! src=\"/static/)", text), page.path
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), page.path


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Referer": "https://evil.example/console.test"}],
)
def test_a_form_that_another_website_sends_does_nothing(console: Console, headers: dict[str, str]) -> None:
    """Even with the right token."""
    browser = console.signed_in(Role.ICT)
    token = token_of(browser.get("/tokens"))
    answer = browser.post("/tokens", data={"token": token, "name": "x", "days": "1"}, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/tokens.json").json()["tokens"] == []


def test_a_form_without_its_token_or_with_somebody_elses_does_nothing(console: Console) -> None:
    browser, other = console.signed_in(Role.ICT), console.signed_in(Role.ICT)
    for token in ("", "0" * 64, token_of(other.get("/tokens")), "ü"):
        form = {"token": token, "name": "x", "days": "1"}
        assert browser.post("/tokens", data=form, headers={"Origin": ORIGIN}).status_code == 403
    form = {"token": token_of(browser.get("/tokens")), "name": "x", "days": "1"}
    crossed = browser.post("/tokens", data=form, headers={"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 403
    assert browser.post("/tokens", data=form, headers={"Origin": ORIGIN}).status_code == 200


def test_a_form_that_is_too_long_is_not_read(console: Console) -> None:
    browser = console.signed_in(Role.ICT)
    token = token_of(browser.get("/tokens"))
    for data in ({"token": token, "name": "x" * 70_000}, {f"n{number}": "x" for number in range(1000)}):
        assert browser.post("/tokens", data=data, headers={"Origin": ORIGIN}).status_code == 413
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"y" * 100_000
    kind = {"Content-Type": "multipart/form-data; boundary=x", "Origin": ORIGIN}
    assert browser.post("/tokens", content=body, headers=kind).status_code == 413


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("multipart/form-data; boundary=x; charset=punycode", 415),
        ('multipart/form-data; boundary=x; CHARSET="Punycode"', 415),
        ("multipart/form-data; boundary=x; charset*0=puny; charset*1=code", 415),
        ("multipart/form-data; boundary=x; charset*=utf-8''punycode", 415),
        ("multipart/form-data; boundary=x; charset=utf-8; charset=punycode", 415),
        ("multipart/form-data; boundary=x; charset=UTF-8", 403),
        ("multipart/form-data; boundary=x", 403),
    ],
)
def test_whoever_sends_a_form_does_not_choose_its_decoder(console: Console, kind: str, status: int) -> None:
    """Punycode is decoded in quadratic time; the refusal comes before a byte is read (403: the token is missing)."""
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"a" * 20_000 + b"\r\n--x--\r\n"
    headers = {"Content-Type": kind, "Origin": ORIGIN}
    assert console.client().post("/sign-in", content=body, headers=headers).status_code == status


def test_a_form_from_elsewhere_is_refused_before_it_is_read(console: Console) -> None:
    """However long it is: nothing of it is taken in."""
    form = {"name": "x" * 70_000}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "http://[evil"}, {}):
        assert console.client().post("/sign-in", data=form, headers=headers).status_code == 403
    assert console.client().post("/sign-in", data=form, headers={"Origin": ORIGIN}).status_code == 413


def test_who_asks_too_often_waits(console: Console) -> None:
    now = 0.0
    rate = Rate(burst=5, per_second=2, clock=lambda: now)
    app = make_app(console.house, rate=rate)
    assert isinstance(app, Guards)
    assert [rate.take("10.0.0.1") for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.take("10.0.0.2")
    now = 1.0
    assert [rate.take("10.0.0.1") for _ in range(3)] == [True, True, False]


def test_names_titles_and_urls_of_others_are_only_text(console: Console) -> None:
    """What a pupil's browser, a website or an account is called never becomes markup."""
    console.store(
        {"user": NASTY, "path": "/" + NASTY, "query": NASTY, "terms": (NASTY,), "device": NASTY, "groups": (NASTY,)},
        {"rule": NASTY, "category": NASTY, "entry": NASTY, "ending": {"title": NASTY, "error": NASTY}},
    )
    browser = console.signed_in(Role.ICT)
    rows = browser.get("/log.json").json()["rows"]
    for path in ("/log", *(f"/log/{row['id']}" for row in rows), f"/audit?who={NASTY}", f"/log?text={NASTY}"):
        text = browser.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.*?)<", text), path
    assert NASTY in json.dumps(rows, ensure_ascii=False).replace('\\"', '"')


def test_a_cell_that_a_spreadsheet_would_reckon_is_text(console: Console) -> None:
    """CSV injection, in rows and in the trail."""
    console.store({"user": "=cmd|' /C calc'!A0", "path": "/x"}, {"device": "@SUM(1+9)"})
    browser = console.signed_in(Role.ICT)
    for path in ("/log.csv", "/audit.csv"):
        text = browser.get(path).text
        assert not re.search(r'(?:^|,)"?[=@]', text, re.MULTILINE), text
    assert "'=cmd" in browser.get("/log.csv").text


@pytest.mark.parametrize("word", ["' OR 1=1 --", "x'; DROP TABLE audit; --", "%", "_", '"', "\\", "\0x", "x" * 9000])
def test_what_is_searched_for_is_never_a_command(console: Console, word: str) -> None:
    console.store({"user": "pupil-0417"})
    browser = console.signed_in(Role.SAFEGUARDING)
    for field in ("host", "device", "category", "text", "terms", "q", "rule", "before", "since"):
        answer = browser.get("/log.json", params={field: word, "parts": "yes"})
        # One machine's history needs a reason first.
        assert answer.status_code in {200, 303, 400, *((403,) if field == "device" else ())}, (field, answer.text)
        if field in {"host", "rule"} and answer.status_code == 200 and len(word) < 9000:
            assert answer.json()["rows"] == []
    assert console.trail()


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("/log?since=1h", "/log?since=1h"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/log\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
    ],
)
def test_a_way_back_stays_here(target: str, where: str) -> None:
    assert local(target) == where


def test_a_bug_is_told_to_the_log_and_not_to_the_browser(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    (console.data / "store" / "catalog.db").unlink()
    answer = browser.get("/log")
    assert answer.status_code in {500, 503}
    assert "Traceback" not in answer.text
    assert str(console.data) not in answer.text


def test_somebody_with_two_roles_acts_in_one_and_changes_over(console: Console) -> None:
    console.person("dana", Grant(0, Role.GOVERNOR), Grant(0, Role.TECHNICIAN, "oakwood"))
    browser = console.client()
    sign_in(browser, "dana")
    assert browser.get("/log").status_code == 403
    grants = re.findall(r'name="grant" value="(\d+)"', browser.get("/me").text)
    assert send(browser, "/me", do="act-as", grant=grants[1]).status_code == 303
    assert browser.get("/log").status_code == 200
    assert send(browser, "/me", do="act-as", grant="999").status_code == 303
    assert browser.get("/log").status_code == 200
