"""People in the console: who there is, what a change does in the register and to the workers, files with a preview.

Shows: `console.pages.people`, `console.pages.person`, `console.pages.peopleimport`, `console.pending`.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from console.pending import KEPT, MOST, Pending
from console.roles import Role
from identity.basic import Credentials, PasswordCheck
from identity.overlay import read_overlay
from registry import people
from registry.people import Account, Details
from tests.console.rig import AT, HASH, OFFICE, ORIGIN, Console, send, token_of

CSV = "name,title,band,groups,site,password\n"


@pytest.fixture
def school(console: Console) -> Console:
    """A console with four people and a row of one of them."""
    with console.engine.begin() as connection:
        for name, details in {
            "pupil-0417": Details("Pupil Four", "ks3", frozenset({"year-7"}), "oakwood"),
            "pupil-0418": Details("Pupil Five", "ks3", frozenset({"year-7"}), "hillview"),
            "staff-jo": Details("Jo <b>", "staff", frozenset(), "oakwood"),
            "leaver": Details("", "ks4", frozenset(), "oakwood"),
        }.items():
            people.add(connection, name, details, OFFICE, password=HASH)
        people.remove(connection, "leaver", OFFICE)
    console.store({"user": "pupil-0417"})
    return console


def get(console: Console, name: str) -> Account:
    with console.engine.connect() as connection:
        return people.get(connection, name)


def names(browser: TestClient, query: str = "") -> list[str]:
    return [row["name"] for row in browser.get(f"/people.json?{query}").json()["rows"]]


def send_file(browser: TestClient, text: str) -> Response:
    token = token_of(browser.get("/people/import"))
    files = {"file": ("people.csv", text.encode(), "text/csv")}
    return browser.post("/people/import", data={"token": token}, files=files, headers={"Origin": ORIGIN})


def hidden(page: Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def test_found_by_name_band_group_and_status_with_the_day_last_seen(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    assert names(browser) == ["pupil-0417", "pupil-0418", "staff-jo"]
    assert names(browser, "q=FIVE") == ["pupil-0418"]
    assert names(browser, "band=staff") == names(browser, "q=jo") == ["staff-jo"]
    assert names(browser, "group=year-7&site=oakwood") == ["pupil-0417"]
    assert names(browser, "status=left") == ["leaver"]
    assert names(browser, "status=nonsense") == []
    rows = browser.get("/people.json").json()["rows"]
    assert [row["last_seen"] for row in rows] == [AT.date().isoformat(), None, None]
    assert "Jo &lt;b&gt;" in browser.get("/people").text
    assert "argon2" not in browser.get("/people.json").text + browser.get("/person/staff-jo.json").text
    assert "year-7" in browser.get("/people.csv").text
    look = school.trail("look")[1]
    assert (look.subject, look.after["rows"]) == ("staff-jo", 1)


def test_suspended_and_given_back_on_every_worker(school: Console) -> None:
    """In the register, in the trail with its reason, and in the overlay that workers read."""
    browser = school.signed_in(Role.TECHNICIAN)
    answer = send(browser, "/person/pupil-0417", "/person/pupil-0417/suspend", do="suspend", length="1w", why="phones")
    assert answer.status_code == 303, answer.text
    until = AT + timedelta(days=7)
    overlay = read_overlay(school.data / "overlay" / "overlay.msgpack")
    person = overlay.directory.person("pupil-0417")
    assert person is not None
    assert person.suspended_until == until
    line = school.trail("change")[0]
    assert (line.what, line.subject, line.why) == ("person.suspend", "pupil-0417", "phones")
    assert "Suspended." in browser.get(answer.headers["location"]).text
    send(browser, "/person/pupil-0417", "/person/pupil-0417/change", do="enable", why="talked")
    assert get(school, "pupil-0417").status(AT) == "active"
    send(browser, "/person/pupil-0417", "/person/pupil-0417/suspend", do="disable", why="again")
    assert get(school, "pupil-0417").status(AT) == "disabled"


def test_details_consent_and_leaving(school: Console) -> None:
    browser = school.signed_in(Role.ICT)
    where, to = "/person/pupil-0417", "/person/pupil-0417/change"
    form = {"title": "P", "band": "ks4", "groups": "year-9, chess", "site": "hillview"}
    assert send(browser, where, to, do="details", why="moved", **form).status_code == 303
    assert get(school, "pupil-0417").details == Details("P", "ks4", frozenset({"year-9", "chess"}), "hillview")
    send(browser, where, to, do="consent", given="no", why="letter")
    assert get(school, "pupil-0417").status(AT) == "no-consent"
    send(browser, where, to, do="remove", why="left")
    assert get(school, "pupil-0417").status(AT) == "left"
    assert browser.get(where).status_code == 200


def test_a_new_password_is_shown_once_and_works(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    answer = send(browser, "/person/pupil-0417", "/person/pupil-0417/change", do="password", why="forgot")
    found = re.search(r'<code class="key">([^<]+)</code>', answer.text)
    assert found
    person = get(school, "pupil-0417").person
    assert PasswordCheck(remember=0.0).verify(Credentials("pupil-0417", found[1]), person)
    assert found[1] not in browser.get("/person/pupil-0417").text
    assert found[1] not in str(school.trail())
    poor = send(browser, "/person/staff-jo", "/person/staff-jo/change", do="password", password="short", why="x")
    assert (poor.status_code, "too short" in poor.text) == (422, True)


def test_somebody_new_with_a_password_or_none(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    made = send(browser, "/people/new", name="New.Pupil", band="ks3", groups="year-7", password="make", why="joined")
    assert 'class="key"' in made.text
    assert get(school, "new.pupil").person.password_hash is not None
    none = send(browser, "/people/new", name="tablet-3", password="none", why="trolley")
    assert none.headers["location"] == "/person/tablet-3?done=add"
    assert get(school, "tablet-3").person.password_hash is None
    for form in (
        {"name": "a b", "why": "x"},
        {"name": "leaver", "why": "x"},
        {"name": "ok", "band": "ks9", "why": "x"},
    ):
        assert send(browser, "/people/new", password="none", **form).status_code == 422
    assert send(browser, "/people/new", name="ok", password="none", why=" ").status_code == 422


def test_nobody_changes_what_they_may_do_themselves(school: Console) -> None:
    """Whoever looks after accounts is one of the people too."""
    browser = school.signed_in(Role.ICT, proxy="Staff-Jo")
    for where, do in (("change", "details"), ("change", "password"), ("change", "enable"), ("suspend", "disable")):
        answer = send(browser, "/person/pupil-0417", f"/person/staff-jo/{where}", do=do, why="x")
        assert (answer.status_code, "your own account" in answer.text) == (422, True)
    assert send_file(browser, CSV + "staff-jo,Jo,ks1,,oakwood,\n").status_code == 422
    assert get(school, "staff-jo").person.band == "staff"


def test_a_role_of_one_site_sees_and_changes_its_own_people(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN, "oakwood")
    assert names(browser) == ["pupil-0417", "staff-jo"]
    assert browser.get("/person/pupil-0418").status_code == 404
    token = token_of(browser.get("/people/new"))
    form = {"token": token, "do": "disable", "why": "x"}
    assert browser.post("/person/pupil-0418/suspend", data=form, headers={"Origin": ORIGIN}).status_code == 404
    send(browser, "/person/pupil-0417", "/person/pupil-0417/change", do="details", site="hillview", band="ks3", why="x")
    assert get(school, "pupil-0417").person.site == "oakwood"
    send(browser, "/people/new", name="fresh", site="hillview", password="none", why="x")
    assert get(school, "fresh").person.site == "oakwood"
    for row in ("pupil-0418,x,ks3,,oakwood,", "pupil-0417,x,ks3,,hillview,", "newone,x,ks3,,,"):
        assert send_file(browser, CSV + row + "\n").status_code == 422


def test_who_may_suspend_need_not_be_who_may_change(school: Console) -> None:
    lead, leader = school.signed_in(Role.SAFEGUARDING), school.signed_in(Role.LEADER)
    where = "/person/pupil-0417"
    assert send(lead, where, f"{where}/suspend", do="suspend", length="1d", why="x").status_code == 303
    assert send(lead, where, f"{where}/change", do="enable", why="x").status_code == 403
    assert "Withdraw access" not in leader.get(where).text
    assert send(leader, "/me", f"{where}/suspend", do="disable", why="x").status_code == 403


def test_a_file_shows_what_it_would_change_and_does_just_that(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    rows = ("pupil-0417,Pupil Four,ks4,year-9,oakwood,", "fresh-1,New,ks3,year-7,oakwood,otter kite lamp",
            "staff-jo,Jo <b>,staff,,oakwood,")  # fmt: skip
    preview = send_file(browser, CSV + "\n".join(rows))
    assert preview.status_code == 200, preview.text
    assert "1 added, 1 changed" in preview.text
    assert "<del>ks3</del> → ks4" in preview.text
    assert "otter kite lamp" not in preview.text
    assert get(school, "pupil-0417").person.band == "ks3"
    form = {name: hidden(preview, name) for name in ("token", "key", "seen")}
    unsaid = browser.post("/people/import", data=form, headers={"Origin": ORIGIN})
    assert (unsaid.status_code, "needs a reason" in unsaid.text) == (422, True)
    other = school.signed_in(Role.TECHNICIAN)
    stolen = {**form, "token": token_of(other.get("/people/import")), "why": "x"}
    assert other.post("/people/import", data=stolen, headers={"Origin": ORIGIN}).status_code == 422
    done = browser.post("/people/import", data={**form, "why": "new year"}, headers={"Origin": ORIGIN})
    assert done.headers["location"] == "/people/import?added=1&changed=1"
    assert get(school, "pupil-0417").person.band == "ks4"
    assert PasswordCheck(remember=0.0).verify(Credentials("fresh-1", "otter kite lamp"), get(school, "fresh-1").person)
    assert school.trail("change")[0].why == "new year"
    again = browser.post("/people/import", data={**form, "why": "x"}, headers={"Origin": ORIGIN})
    assert (again.status_code, "send it again" in again.text) == (422, True)


def test_a_register_that_changed_meanwhile_is_previewed_again(school: Console) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    preview = send_file(browser, CSV + "pupil-0417,Pupil Four,ks4,year-7,oakwood,\n")
    form = {name: hidden(preview, name) for name in ("token", "key", "seen")}
    with school.engine.begin() as connection:
        people.set_band(connection, "pupil-0417", "ks5", OFFICE)
    answer = browser.post("/people/import", data={**form, "why": "x"}, headers={"Origin": ORIGIN})
    assert "changed since the preview" in answer.text
    assert get(school, "pupil-0417").person.band == "ks5"
    form = {name: hidden(answer, name) for name in ("token", "key", "seen")}
    assert browser.post("/people/import", data={**form, "why": "x"}, headers={"Origin": ORIGIN}).status_code == 303
    assert get(school, "pupil-0417").person.band == "ks4"


@pytest.mark.parametrize("text", ["", "nonsense\nx\n", CSV + "a b,,,,,\n", CSV + "x,,ks9,,,\n", "name\nx\nx\n"])
def test_a_file_with_a_mistake_changes_nothing_and_names_the_line(school: Console, text: str) -> None:
    browser = school.signed_in(Role.TECHNICIAN)
    answer = send_file(browser, text)
    assert answer.status_code == 422
    assert "Do it" not in answer.text
    assert "the file" in answer.text


def test_a_file_is_bounded_in_lines_and_in_new_passwords(school: Console) -> None:
    """Passwords are slow by design: 3 kB of them are seconds of a core, 4 MB would be hours."""
    browser = school.signed_in(Role.TECHNICIAN)
    for end in ("\n", "\r", "\r\n"):
        long = send_file(browser, CSV.strip() + "".join(f"{end}p{number},,,,," for number in range(5001)))
        assert (long.status_code, "more than 5,000 lines" in long.text) == (422, True)
    rows = [f"p{number},,ks3,,oakwood,otter kite lamp {number}" for number in range(501)]
    many = send_file(browser, CSV + "\n".join(rows))
    assert (many.status_code, "more than 500 new passwords" in many.text) == (422, True)
    assert send_file(browser, CSV + "\n".join(rows[:500])).status_code == 200


def test_files_that_wait_are_few_short_lived_and_their_senders_own() -> None:
    pending = Pending()
    key = pending.keep("mine", b"data", AT)
    assert pending.get("mine", key, AT) == b"data"
    assert pending.get("other", key, AT) is None
    assert pending.get("mine", key, AT + KEPT) is None
    keys = [pending.keep("mine", b"%d" % number, AT) for number in range(MOST + 2)]
    assert [pending.get("mine", one, AT) is None for one in keys] == [True, True] + [False] * MOST
    pending.drop(keys[-1])
    assert pending.get("mine", keys[-1], AT) is None


def test_a_file_tells_a_role_of_one_site_nothing_of_people_elsewhere(school: Console) -> None:
    """Neither what they are nor what fits; that names were tried is in the trail."""
    browser = school.signed_in(Role.TECHNICIAN, "oakwood")
    head = "name,title,band,groups,site\n"
    guesses = ["pupil-0418,a,ks1,b,oakwood", "pupil-0418,Pupil Five,ks3,year-7,hillview", "nobody-9,a,ks1,b,hillview"]
    for guess in guesses:
        before = len(school.trail("look"))
        page = send_file(browser, f"{head}{guess}\n")
        name = guess.partition(",")[0]
        assert page.status_code == 422
        assert f"{name!r} is not of oakwood" in page.text.replace("&#39;", "'")
        assert "0 added, 0 changed</strong>, 0 are so already" in page.text
        assert not [word for word in ("Pupil Five", "ks3", "hillview") if word in page.text], guess
        (look, *_) = school.trail("look")
        assert (len(school.trail("look")), name in look.after["asked"]) == (before + 1, True)
    page = send_file(browser, f"{head}pupil-0417,New Title,ks3,year-7,oakwood\npupil-0418,a,ks1,b,oakwood\n").text
    assert ("New Title" in page, "Pupil Five" in page) == (True, False)
