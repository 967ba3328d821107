"""Signing in and out: right and wrong, how long wrong tries wait, one-time codes, and that nothing is told to guessers.

Shows: `console.secrets`, `console.forms`, `console.pages.signin`, `console.pages.me`.
"""

from __future__ import annotations

import base64
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from console import accounts, links, totp
from console.app import COOKIE, SEAT
from console.roles import Grant, Role
from console.signin import ADDRESS, NETWORK, SignIn, Try, count_wrong, waiting
from registry.change import By
from tests.console.rig import ORIGIN, PASSWORD, Console, send, sign_in, token_of


def wrong(browser: TestClient, name: str) -> tuple[int, str]:
    answer = sign_in(browser, name, "not the password")
    said = answer.text.partition('role="alert"')[2].partition("</p>")[0]
    return answer.status_code, said


@pytest.fixture
def known(console: Console) -> Console:
    """With one technician, `dana`."""
    console.person("dana", Grant(0, Role.TECHNICIAN))
    return console


def test_right_name_and_password_open_the_console(known: Console) -> None:
    browser = known.client()
    answer = sign_in(browser, "Dana", next="/log?since=1h")
    assert (answer.status_code, answer.headers["location"]) == (303, "/log?since=1h")
    cookie = answer.headers["set-cookie"]
    for word in (f"{COOKIE}=", "HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert browser.get("/log").status_code == 200
    assert [(line.who, line.what) for line in known.trail("sign-in")] == [("console:dana", "signed in")]


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_the_way_back_never_leads_elsewhere(known: Console, target: str) -> None:
    assert sign_in(known.client(), "dana", next=target).headers["location"] == "/"


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_get_the_same_answer(known: Console) -> None:
    """Word for word, with the same status; and what was typed as a name is not in the trail."""
    known.person("gone", Grant(0, Role.TECHNICIAN))
    with known.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE console_account SET disabled = 1 WHERE name = 'gone'")
    answers = {wrong(known.client(), name) for name in ("dana", "gone", "nobody", "my secret password", "")}
    assert len(answers) == 1
    assert sign_in(known.client(), "gone").status_code == 401
    assert "secret" not in str(known.trail("sign-in"))
    assert {line.who for line in known.trail("sign-in")} == {"console:dana", "console:gone", "console:somebody"}


def test_time_does_not_tell_who_has_an_account(known: Console) -> None:
    """Both cost one hash: medians of many tries differ by less than half."""
    took: dict[str, list[float]] = {"dana": [], "nobody": []}
    for number in range(15):
        for name, times in took.items():
            known.now += timedelta(hours=2)
            browser = known.client()
            token = token_of(browser.get("/sign-in"))
            form = {"token": token, "name": name, "password": f"wrong {number}"}
            began = time.perf_counter()
            browser.post("/sign-in", data=form, headers={"Origin": ORIGIN})
            times.append(time.perf_counter() - began)
    one, other = (statistics.median(times) for times in took.values())
    assert 0.5 < one / other < 2


def test_many_wrong_tries_at_once_are_no_more_than_one_after_another(known: Console) -> None:
    """Each is counted before its password is looked at: of forty at the same moment six are looked at."""
    door = SignIn(known.engine)
    with ThreadPoolExecutor(40) as pool:
        tries = [Try("dana", f"wrong {number}", "", "10.0.0.9") for number in range(40)]
        answers = list(pool.map(lambda tried: door.attempt(tried, known.now), tries))
    assert sum(answer.wait == timedelta(0) for answer in answers) == 6
    assert not any(answer.cookie for answer in answers)


def test_guessing_elsewhere_does_not_keep_out_who_was_here_this_morning(known: Console) -> None:
    """Wrong tries from many machines slow down every new one, and not the technician's own."""
    door = SignIn(known.engine)
    assert door.attempt(Try("dana", PASSWORD, "", "10.0.0.1"), known.now).cookie
    for number in range(45):
        door.attempt(Try("dana", "wrong", "", f"10.0.1.{number}"), known.now)
    assert door.attempt(Try("dana", PASSWORD, "", "10.0.0.2"), known.now).wait > timedelta(0)
    assert door.attempt(Try("dana", PASSWORD, "", "10.0.0.1"), known.now).cookie


def test_right_sign_ins_of_a_whole_staff_room_are_no_wrong_ones(known: Console) -> None:
    """A room may share an address: forty-five people who know their passwords wait for nobody."""
    door = SignIn(known.engine)
    assert all(door.attempt(Try("dana", PASSWORD, "", "10.0.0.1"), known.now).cookie for _ in range(45))


def test_a_new_ipv6_address_for_each_try_gains_nothing(known: Console) -> None:
    """Whoever goes through the register from many addresses of one network waits at last; one address waits before its
    neighbours do, and neither who signed in there nor the next network waits."""
    door = SignIn(known.engine)
    assert door.attempt(Try("dana", PASSWORD, "", "2001:db8:0:7::a"), known.now).cookie
    with known.engine.begin() as connection:
        for number in range(ADDRESS.free + 1):
            count_wrong(connection, f"nobody{number}", "2001:db8:0:7::5", known.now)
        assert waiting(connection, "somebody", "2001:db8:0:7::5", known.now) > timedelta(0)
        assert waiting(connection, "somebody", "2001:db8:0:7::6", known.now) == timedelta(0)
        for number in range(NETWORK.free):
            count_wrong(connection, f"nobody{number}", f"2001:db8:0:7::1:{number:x}", known.now)
        assert timedelta(0) < waiting(connection, "somebody", "2001:db8:0:7::6", known.now) <= NETWORK.longest
    assert door.attempt(Try("dana", PASSWORD, "", "2001:db8:0:7::a"), known.now).cookie
    assert door.attempt(Try("dana", PASSWORD, "", "2001:db8:0:8::1"), known.now).cookie


def test_wrong_tries_wait_longer_and_longer_and_the_right_one_waits_too(known: Console) -> None:
    browser = known.client()
    for _ in range(6):
        assert wrong(browser, "dana")[0] == 401
    assert wrong(browser, "dana") == (429, wrong(browser, "dana")[1])
    assert sign_in(browser, "dana").status_code == 429
    known.now += timedelta(seconds=2)
    assert sign_in(browser, "dana").status_code == 303
    for _ in range(5):
        known.now += timedelta(minutes=16)
        assert wrong(browser, "dana")[0] == 401


def test_waiting_survives_a_restart_and_names_nobody(known: Console) -> None:
    for _ in range(7):
        wrong(known.client(), "dana")
    again = Console(known.data, known.now)
    assert sign_in(again.client(), "dana").status_code == 429
    with again.engine.begin() as connection:
        assert "dana" not in str(connection.exec_driver_sql("SELECT * FROM console_failure").all())
    again.engine.dispose()


def test_sign_in_begins_a_new_session(known: Console) -> None:
    """Fixation: what a browser held before is worth nothing, whoever put it there."""
    browser = known.client()
    browser.cookies.set(COOKIE, "chosen-by-somebody-else", domain="console.test")
    browser.get("/sign-in")
    seat = browser.cookies.get(SEAT)
    assert seat
    browser.cookies.delete(COOKIE)
    answer = sign_in(browser, "dana")
    fresh = browser.cookies.get(COOKIE)
    assert answer.status_code == 303
    assert fresh not in {None, seat, "chosen-by-somebody-else"}
    stranger = known.client()
    stranger.cookies.set(COOKIE, "chosen-by-somebody-else", domain="console.test")
    assert stranger.get("/log").status_code == 303


def test_the_database_holds_no_cookie(known: Console) -> None:
    browser = known.client()
    sign_in(browser, "dana")
    cookie = browser.cookies.get(COOKIE)
    with known.engine.begin() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM console_session").all())
    assert cookie is not None
    assert cookie not in held


def test_signing_out_ends_the_session_for_everybody_who_has_the_cookie(known: Console) -> None:
    browser, thief = known.client(), known.client()
    sign_in(browser, "dana")
    thief.cookies.set(COOKIE, browser.cookies.get(COOKIE) or "", domain="console.test")
    assert thief.get("/log").status_code == 200
    assert send(browser, "/me", "/sign-out").headers["location"] == "/sign-in"
    assert thief.get("/log").status_code == 303
    assert known.trail("sign-in")[0].what == "signed out"


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(known: Console) -> None:
    browser = known.client()
    sign_in(browser, "dana")
    for _ in range(20):
        known.now += timedelta(minutes=29)
        assert browser.get("/me").status_code == 200
    known.now += timedelta(minutes=29)
    assert browser.get("/me").status_code == 303, "older than a school day"
    sign_in(browser, "dana")
    known.now += timedelta(minutes=31)
    assert browser.get("/me").status_code == 303, "idle"


def test_a_second_factor_is_taken_into_use_and_then_needed(known: Console) -> None:
    browser = known.client()
    sign_in(browser, "dana")
    page = browser.get("/me")
    secret = page.text.partition('name="secret" value="')[2].partition('"')[0]
    key = base64.b32decode(secret)
    form = {"do": "second-factor", "secret": secret, "now": PASSWORD, "token": token_of(page)}
    refused = browser.post("/me", data={**form, "code": "000000"}, headers={"Origin": ORIGIN})
    assert refused.status_code == 422
    code = totp.code_at(key, totp.step_of(known.now))
    assert (
        browser.post("/me", data={**form, "code": code, "now": "wrong"}, headers={"Origin": ORIGIN}).status_code == 422
    )
    assert browser.post("/me", data={**form, "code": code}, headers={"Origin": ORIGIN}).status_code == 303
    assert sign_in(known.client(), "dana").status_code == 401, "no code"
    assert sign_in(known.client(), "dana", code=code).status_code == 401, "a code works once"
    known.now += timedelta(seconds=30)
    code = totp.code_at(key, totp.step_of(known.now))
    assert sign_in(known.client(), "dana", code=code).status_code == 303
    assert sign_in(known.client(), "dana", code=code).status_code == 401, "even in the same half minute"


def test_a_link_for_a_password_is_no_way_past_the_second_factor(known: Console) -> None:
    """Whoever hands links out could otherwise sign in as anybody."""
    with known.engine.begin() as connection:
        dana = accounts.find(connection, "dana")
        assert dana is not None
        by = By("test", known.now, "")
        accounts.set_second_factor(connection, dana.id, base64.b32encode(b"k" * 20).decode(), by)
        secret = links.make(connection, dana.id, known.now)
    browser = known.client()
    chosen = "Another-horse-9-battery"
    done = send(browser, f"/first?key={secret}", key=secret, password=chosen, again=chosen)
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert browser.get("/me").status_code == 303
    assert sign_in(known.client(), "dana", chosen).status_code == 401, "no code"


def test_a_changed_password_ends_every_session(known: Console) -> None:
    browser, other = known.client(), known.client()
    sign_in(browser, "dana")
    sign_in(other, "dana")
    fresh = "seven lamps for kites"
    done = send(browser, "/me", do="password", now=PASSWORD, password=fresh, again=fresh)
    assert done.headers["location"] == "/sign-in"
    assert other.get("/log").status_code == browser.get("/log").status_code == 303
    assert sign_in(known.client(), "dana").status_code == 401
    assert sign_in(known.client(), "dana", fresh).status_code == 303
    assert send(browser, "/sign-in", name="dana", password=fresh).status_code == 303
    short = send(browser, "/me", do="password", now=fresh, password="short", again="short")
    assert short.status_code == 422
    assert "12 characters" in short.text


def test_guesses_at_ones_own_account_wait_as_those_at_sign_in_and_are_written_down(known: Console) -> None:
    """A stolen session is no place to guess the password in peace."""
    browser = known.client()
    sign_in(browser, "dana")
    tries = [send(browser, "/me", do="no-second-factor", now=f"wrong {number}") for number in range(7)]
    assert {one.status_code for one in tries} == {422}
    assert "too many wrong tries" not in tries[5].text
    assert "too many wrong tries" in tries[6].text
    assert "too many wrong tries" in send(browser, "/me", do="no-second-factor", now=PASSWORD).text
    lines = [line.what for line in known.trail("sign-in")]
    assert (lines.count("proof refused"), "wrong 0" in str(known.trail())) == (6, False)
    assert sign_in(known.client(), "dana").status_code == 429
    known.now += timedelta(minutes=2)
    assert send(browser, "/me", do="no-second-factor", now=PASSWORD).status_code == 303


def test_the_phone_is_taken_out_of_use_with_a_code_of_it(known: Console) -> None:
    secret, key = base64.b32encode(b"k" * 20).decode(), b"k" * 20
    with known.engine.begin() as connection:
        dana = accounts.find(connection, "dana")
        assert dana is not None
        accounts.set_second_factor(connection, dana.id, secret, By("test", known.now, ""))
    browser = known.client()
    code = totp.code_at(key, totp.step_of(known.now))
    assert sign_in(browser, "dana", code=code).status_code == 303
    for wrong_code in ("", "000000", code):
        refused = send(browser, "/me", do="no-second-factor", now=PASSWORD, code=wrong_code)
        assert (refused.status_code, "code shown now" in refused.text) == (422, True)
    known.now += timedelta(seconds=30)
    code = totp.code_at(key, totp.step_of(known.now))
    assert send(browser, "/me", do="no-second-factor", now=PASSWORD, code=code).status_code == 303
    assert sign_in(known.client(), "dana").status_code == 303


def test_reasons_are_bounded_in_length_and_number(known: Console) -> None:
    """They are read with every look: nobody fills the session with them; the newest holds."""
    browser = known.client()
    sign_in(browser, "dana")
    token = token_of(browser.get("/reason"))

    def give(user: str) -> int:
        form = {"token": token, "user": user, "why": "asked by the head", "next": "/log"}
        return browser.post("/reason", data=form, headers={"Origin": ORIGIN}).status_code

    assert [give("x" * 64), give("x" * 65), give("")] == [303, 422, 422]
    assert {give(f"pupil-{number:04}") for number in range(60)} == {303}
    with known.engine.begin() as connection:
        kept = json.loads(connection.exec_driver_sql("SELECT reasons FROM console_session").scalar_one())
    assert list(kept) == [f"pupil-{number:04}" for number in range(10, 60)]
    assert browser.get("/log?user=pupil-0059").status_code == 200
    assert browser.get("/log?user=pupil-0009").status_code == 303
