"""Requests for a review in the register: filed once, decided once, told, and gone with the record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from registry.change import By, RegistryError, revision_number
from registry.requests import WAITING, answers, check, decide, file, file_all, forget, get, requests, take_fact
from tests.registry.conftest import AT, OFFICE, trail

FACT: dict[str, Any] = {
    "mark": "m1",
    "url": "https://chess.example/play",
    "user": "pupil-0417",
    "address": "10.4.2.14",
    "band": "ks3",
    "verified": True,
    "why": "maths",
    "at": AT.isoformat(),
    "rule": "no-games",
}


def test_a_fact_is_filed_once(connection: Connection) -> None:
    """However often it comes; filing is no decision, so workers need not look."""
    before = revision_number(connection)
    assert file_all(connection, [FACT, FACT, {**FACT, "mark": "m2"}]) == 2
    assert file_all(connection, [FACT]) == 0
    first = requests(connection)[0]
    assert (first.url, first.user, first.why, first.verdict["rule"]) == (FACT["url"], "pupil-0417", "maths", "no-games")
    assert first.state == WAITING
    assert revision_number(connection) == before
    assert trail(connection) == []


@pytest.mark.parametrize(
    "wrong", [{}, {**FACT, "url": 7}, {**FACT, "at": "soon"}, {**FACT, "why": None}, {**FACT, "mark": None}]
)
def test_what_is_no_request_is_left_out(connection: Connection, wrong: dict[str, Any]) -> None:
    """And holds nobody's rows back."""
    good = take_fact(connection, {**FACT, "mark": "m9"})
    assert take_fact(connection, wrong) is False
    assert good


def test_an_odd_text_is_filed_all_the_same(connection: Connection) -> None:
    assert take_fact(connection, {**FACT, "why": "\ud800 odd"})
    assert requests(connection)[0].why == "? odd"


def test_decided_once_and_told(connection: Connection) -> None:
    file_all(connection, [FACT])
    head = By("head", AT + timedelta(hours=1), "a chess club")
    before = revision_number(connection)
    decided = decide(connection, 1, "allowed", head, answer="it is open now.", made="override-3")
    assert (decided.state, decided.decided_by, decided.made) == ("allowed", "head", "override-3")
    assert requests(connection) == []
    assert requests(connection, None) == [decided] == [get(connection, 1)]
    assert revision_number(connection) == before + 1
    ((who, what, subject, _, after),) = trail(connection)
    assert (who, what, subject) == ("head", "request.decide", "request 1")
    assert "chess.example" not in str(after), "the trail stays for ever; whose page it was does not"
    (row,) = answers(connection)
    assert (row[0], row[2], row[4]) == ("pupil-0417", FACT["url"], "it is open now.")
    with pytest.raises(RegistryError, match="decided already"):
        decide(connection, 1, "no-change", head, answer="x")


def test_what_cannot_be_decided(connection: Connection) -> None:
    file_all(connection, [FACT])
    with pytest.raises(RegistryError, match="there is none"):
        check(connection, 7, OFFICE)
    with pytest.raises(RegistryError, match="needs a reason"):
        decide(connection, 1, "allowed", By("head", AT), answer="x")
    with pytest.raises(ValueError, match="no decision"):
        decide(connection, 1, WAITING, OFFICE, answer="x")


def test_staff_file_by_command(connection: Connection) -> None:
    number = file(connection, "https://a.example/", OFFICE, mark="c1", wanted="block", verdict={"rule": "r"})
    assert (get(connection, number).wanted, get(connection, number).user) == ("block", "office")
    with pytest.raises(RegistryError, match="needs a reason"):
        file(connection, "https://a.example/", By("office", AT), mark="c2", wanted="block", verdict={})


def test_old_requests_go_with_the_record(connection: Connection) -> None:
    """They name people and pages (design §5.8)."""
    file_all(connection, [FACT, {**FACT, "mark": "m2", "at": (AT - timedelta(days=200)).isoformat()}])
    limit = AT - timedelta(days=180)
    assert forget(connection, limit, dry_run=True) == 1
    assert len(requests(connection)) == 2
    assert forget(connection, limit) == 1
    assert [one.asked_at for one in requests(connection)] == [AT]
