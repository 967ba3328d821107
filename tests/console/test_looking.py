"""Looks by group: a group of one adult is that adult, and who sees no names has no groups."""

from __future__ import annotations

import pytest

from console.logfilter import read_search
from console.roles import Grant, Role, Viewer
from tests.console.rig import AT, LONDON, Console
from tests.console.test_log import reason


def test_a_group_of_one_adult_is_that_adult(console: Console) -> None:
    """It needs the same reason, and the line names them; a class of a pupil stays a class."""
    console.store(
        *({"user": "head", "groups": ("headteacher",), "band": "staff", "path": f"/{one}"} for one in range(3)),
        *({"user": f"teacher-{one}", "groups": ("science",), "band": "staff"} for one in range(2)),
        {"user": "pupil-1"},
    )
    browser = console.signed_in(Role.TECHNICIAN)
    assert browser.get("/log?group=headteacher").headers["location"].startswith("/reason?user=head")
    assert browser.get("/log/live?group=headteacher").status_code == 303
    for group, rows in (("science", 2), ("year-4", 1)):
        assert len(browser.get(f"/log.json?group={group}").json()["rows"]) == rows
        assert console.trail("look")[0].subject == "record"
    reason(browser, "head")
    assert len(browser.get("/log.json?group=headteacher").json()["rows"]) == 3
    assert (console.trail("look")[0].subject, console.trail("look")[0].why) == ("head", "asked by the head")


def test_who_sees_no_names_searches_by_no_group(console: Console) -> None:
    """A group may be one person; its rows are not picked out for a program."""
    viewer = Viewer("wallboard", "Wallboard", Grant(0, Role.READER))
    search = read_search({"group": "headteacher"}, viewer, AT, LONDON)
    assert search.wanted.group is None
    assert "group: your role sees no names" in str(search.problems)


def test_a_reason_for_one_person_opens_nobody_elses_rows_at_the_same_machine(console: Console) -> None:
    """A pupil's reason and the head's history: each is asked for, and both are in the line."""
    rows = console.store(
        {"user": "head", "device": "office-1", "host": "private.example"}, {"user": "pupil-1", "device": "office-1"}
    )
    browser = console.signed_in(Role.TECHNICIAN)
    reason(browser, "pupil-1")
    refused = browser.get(f"/log/{rows[1]}.json?history=yes")
    assert (refused.status_code, "private.example" in refused.text) == (403, False)
    reason(browser, "office-1")
    assert "private.example" in browser.get(f"/log/{rows[1]}.json?history=yes").text
    look = console.trail("look")[0]
    assert "of pupil-1 from office-1" in look.after["asked"]
    assert look.why == "asked by the head"


@pytest.mark.parametrize("query", ["device=STAFF-7", "address=10.4.2.17"])
def test_a_machines_history_needs_a_reason_too(console: Console, query: str) -> None:
    """A teacher's own laptop is that teacher, whatever the search is called."""
    console.store({"user": "teacher-12", "device": "STAFF-7", "client_address": "10.4.2.17"})
    browser = console.signed_in(Role.TECHNICIAN)
    asked = browser.get(f"/log?{query}")
    assert (asked.status_code, asked.headers["location"].partition("?")[0]) == (303, "/reason")
    assert browser.get(f"/log.json?{query}").status_code == 403
    assert browser.get(f"/log/live?{query}").status_code == 303
    reason(browser, query.partition("=")[2])
    assert len(browser.get(f"/log.json?{query}").json()["rows"]) == 1
    assert console.trail("look")[0].why == "asked by the head"


@pytest.mark.parametrize("field", ["address", "client_address"])
def test_whoever_sees_no_names_leaves_nobody_out(field: str) -> None:
    """By either name of a field: what is then missing from the count would tell what somebody did."""
    reader = Viewer("dash", "Dash", Grant(0, Role.READER))
    assert read_search({"without": f"{field}:10.0.0.1"}, reader, AT, LONDON).wanted.without == ()
    technician = Viewer("dana", "Dana", Grant(1, Role.TECHNICIAN), 1)
    wanted = read_search({"without": f"{field}:10.0.0.1"}, technician, AT, LONDON).wanted
    assert wanted.without == (("client_address", "10.0.0.1"),)
