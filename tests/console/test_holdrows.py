"""Rows of a hold, who is on, when somebody was last seen, and the code to scan: each to whom it may be shown.

Shows: `console.pages.holdrows`, `console.pages.peoplenow`, `console.qr`.
"""

from __future__ import annotations

import re
from datetime import timedelta

from console import qr
from console.roles import Role
from registry import people
from registry.people import Details
from tests.console.rig import HASH, OFFICE, Console, send

HOLD = {"case": "CASE-1", "why": "bullying", "review": "90d", "user": "pupil-0417"}


def test_rows_of_a_hold_are_read_with_a_reason_and_written_down(console: Console) -> None:
    """Newest first, page by page; another person's rows are not among them."""
    ids = console.store(*({"user": "pupil-0417", "path": f"/{n}"} for n in range(53)), {"user": "pupil-0418"})
    lead = console.signed_in(Role.SAFEGUARDING)
    assert send(lead, "/holds", "/holds/place", **HOLD).status_code == 303
    refused = lead.get("/holds/1/rows")
    assert refused.headers["location"].startswith("/reason?user=CASE-1&next=%2Fholds%2F1%2Frows")
    assert lead.get("/holds/1/rows.json").status_code == 403
    send(lead, "/reason?user=CASE-1", "/reason", user="CASE-1", why="the meeting on Friday", next="/holds/1/rows")
    told = lead.get("/holds/1/rows.json").json()
    assert [row["id"] for row in told["rows"]] == [str(number) for number in ids[52:2:-1]]
    rest = lead.get(told["older"].replace("rows?", "rows.json?")).json()
    assert ([row["id"] for row in rest["rows"]], rest["older"]) == ([str(number) for number in ids[2::-1]], None)
    assert "/52" in lead.get("/holds/1/rows").text
    line = next(one for one in console.trail("hold") if one.what == "read rows of a hold")
    assert (line.subject, line.why, line.after) == ("CASE-1", "the meeting on Friday", {"rows": 50})
    assert console.signed_in(Role.TECHNICIAN).get("/holds/1/rows").status_code == 403


def test_nobody_reads_a_hold_of_their_own_rows_nor_their_own_row_in_another(console: Console) -> None:
    console.store({"user": "pupil-0417", "device": "lab-1"}, {"user": "head", "device": "lab-1", "path": "/secret"})
    lead = console.signed_in(Role.SAFEGUARDING)
    assert send(lead, "/holds", "/holds/place", **{**HOLD, "user": "head"}).status_code == 303
    machine = {**HOLD, "case": "CASE-2", "user": "", "device": "lab-1"}
    assert send(lead, "/holds", "/holds/place", **machine).status_code == 303
    head = console.signed_in(Role.LEADER, proxy="head")
    assert head.get("/holds/1/rows").status_code == 404
    send(head, "/reason?user=CASE-2", "/reason", user="CASE-2", why="a look", next="/holds")
    page = head.get("/holds/2/rows")
    assert (page.status_code, "/secret" in page.text, "This row is your own" in page.text) == (200, False, True)
    assert "/secret" not in head.get("/holds/2/rows.json").text


def test_who_is_on_now(console: Console) -> None:
    """A line a person, by the newest row; nobody of long ago, nobody of another site, and never oneself."""
    console.store({"user": "pupil-0001"}, ago=timedelta(hours=1))
    console.store({"user": "pupil-0417", "device": "lab-1"}, {"user": None}, {"user": "pupil-0417", "device": "lab-2"},
                  {"user": "staff-jo", "site": "hillview", "user_source": "address", "verified": False})  # fmt: skip
    told = console.signed_in(Role.TECHNICIAN).get("/people/now.json").json()
    assert [(row["user"], row["device"], row["how"]) for row in told["rows"]] == [
        ("staff-jo", None, "address"), ("pupil-0417", "lab-2", "basic"),
    ]  # fmt: skip
    assert told["whole"] is True
    assert console.trail("look")[0].after["asked"] == "register: who is on now"
    here = console.signed_in(Role.TECHNICIAN, "hillview").get("/people/now.json").json()
    assert [row["user"] for row in here["rows"]] == ["staff-jo"]
    own = console.signed_in(Role.TECHNICIAN, proxy="staff-jo")
    assert "staff-jo" not in own.get("/people/now.json").text
    assert "signed in" in own.get("/people/now").text


def test_when_and_where_somebody_was_last_seen_needs_their_reason(console: Console) -> None:
    with console.engine.begin() as connection:
        people.add(connection, "staff-jo", Details("Jo", "staff", frozenset(), "oakwood"), OFFICE, password=HASH)
    console.store({"user": "staff-jo", "device": "lab-1"}, {"user": "staff-jo", "device": "lab-2", "band": "staff"})
    browser = console.signed_in(Role.ICT)
    page = browser.get("/person/staff-jo").text
    assert "say why, to see when and where" in page
    assert "lab-2" not in page
    send(browser, "/reason?user=staff-jo", "/reason", user="staff-jo", why="their laptop is lost", next="/people")
    page = browser.get("/person/staff-jo").text
    assert re.search(r"10:15:00, lab-2, oakwood, signed in", page)
    line = console.trail("look")[0]
    assert (line.subject, line.why, line.after["asked"][:11]) == ("staff-jo", "their laptop is lost", "the last of")


def test_the_code_to_scan_is_the_address_of_the_key(console: Console) -> None:
    """Modules dark and light as the standard wants them, with a quiet zone; words for who cannot see it."""
    page = console.signed_in(Role.TECHNICIAN).get("/me").text
    drawing = page[page.index('<svg class="qr"') :]
    assert 'role="img" aria-label="The key as a code to scan' in drawing
    code = str(qr.drawn("otpauth://totp/Schoolgate:dana?secret=ABC", "words"))
    size = int(re.findall(r'viewBox="0 0 (\d+)', code)[0])
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", code)}
    finder = {(4 + x, 4 + y) for x in range(7) for y in range(7) if max(abs(x - 3), abs(y - 3)) != 2}
    assert {(x, y) for x, y in dark if x < 11 and y < 11} == finder
    assert (size - 8 - 17) % 4 == 0
    assert all(4 <= x < size - 4 and 4 <= y < size - 4 for x, y in dark)
    assert code != str(qr.drawn("otpauth://totp/Schoolgate:dana?secret=ABD", "words"))
    assert "&lt;" in str(qr.drawn("x", "<b>"))
