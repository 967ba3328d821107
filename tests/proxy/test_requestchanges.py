"""`schoolgate requests`, as typed: filed, listed, decided with an override or an entry, refused with a reason.

Shows: `proxy.commands.requests`, `proxy.factdesk`
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from identity.overlay import read_overlay
from logstore.db import StoreError
from logstore.encoding import Fact
from logstore.reading import SpoolCursor
from proxy.factdesk import fact_taker, request_cleaner
from tests.proxy.test_users import Technician


@pytest.fixture
def technician(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Technician:
    return Technician(tmp_path, monkeypatch, capsys, command="requests")


def asked(technician: Technician, mark: str = "m1", **more: Any) -> None:
    """A request as the shipper brings it."""
    payload = {"mark": mark, "url": "https://forum.example/maths", "user": "pupil-0417", "address": "10.4.2.14"}
    payload |= {"band": "ks4", "site": "riverside", "verified": True, "why": "homework", "rule": "x"}
    payload |= {"at": datetime.now(UTC).isoformat(), **more}
    fact = Fact("review-request", 0, payload)
    other = Fact("warn-continued", 0, {"any": "thing"})
    fact_taker(technician.data / "store")([(SpoolCursor("w", 1), fact), (SpoolCursor("w", 2), other)])


def test_listed_shown_and_opened_for_those_who_asked(technician: Technician) -> None:
    """For the band and site that asked, by an override, and the answer is in the overlay."""
    asked(technician)
    asked(technician)
    assert [one["why"] for one in technician.json("list")] == ["homework"]
    assert technician.types("list") == 0
    assert "pupil-0417: https://forum.example/maths" in technician.said
    assert technician.json("show", "1")["now"]["action"] in {"allow", "block"}
    decided = technician.json("decide", "1", "--allow", "--for", "2d", "--reason", "fine", "--answer", "Good luck!")
    assert (decided["state"], decided["made"]) == ("allowed", "override-1")
    overlay = read_overlay(technician.data / "overlay" / "overlay.msgpack")
    (override,) = overlay.decided["overrides"]
    assert override[1:6] == ["allow", "url:https://forum.example/maths", "riverside", None, "ks4"]
    (answer,) = overlay.decided["answers"]
    assert answer[4] == "it is open now. Good luck!"
    assert technician.json("list") == []
    assert [line[1] for line in technician.trail()] == ["override.add", "request.decide"]


def test_opened_by_an_entry_closed_or_left(technician: Technician) -> None:
    for mark in ("m1", "m2", "m3"):
        asked(technician, mark)
    chosen = technician.json("decide", "1", "--entry", "class-chosen", "--whole-host", "--reason", "a class uses it")
    assert chosen["made"] == "entry 1 in class-chosen"
    closed = technician.json("decide", "2", "--block", "--everybody", "--whole-host", "--reason", "worse than that")
    assert (closed["state"], closed["made"]) == ("blocked", "override-1")
    left = technician.json("decide", "3", "--no-change", "--reason", "no")
    assert (left["state"], left["made"], left["answer"]) == ("no-change", None, "it stays as it is.")
    assert len(technician.json("list", "--all")) == 3


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("decide", "1", "--allow", "--reason", "x"), 1, "(TRUST) decides"),
        (("decide", "1", "--no-change", "--reason", " "), 1, "needs a reason"),
        (("decide", "7", "--no-change", "--reason", "x"), 1, "there is none"),
        (("decide", "1", "--entry", "help", "--reason", "x"), 1, "by the product alone"),
        (("decide", "1", "--reason", "x"), 2, "required"),
        (("show", "7"), 1, "there is none"),
        (("add", "no..host", "--reason", "x"), 2, "empty label"),
    ],
)
def test_what_cannot_be_decided_stays_waiting(
    technician: Technician, words: tuple[str, ...], status: int, says: str
) -> None:
    """Nothing is made when the decision is refused."""
    asked(technician, url="https://malware.schoolgate.test/")
    assert technician.types(*words) == status
    assert says in technician.told
    assert len(technician.json("list")) == 1
    assert technician.trail() == []


def test_staff_file_by_command(technician: Technician) -> None:
    assert technician.json("add", "Forum.example/x", "--wanted", "block", "--reason", "bullying")["id"] == 1
    (one,) = technician.json("list")
    assert (one["url"], one["wanted"], one["user"].startswith("cli:")) == ("http://forum.example/x", "block", True)


def test_the_daily_retention_takes_old_ones(technician: Technician) -> None:
    asked(technician, at=(datetime.now(UTC) - timedelta(days=200)).isoformat())
    clean = request_cleaner(technician.data / "store", technician.data / "overlay")
    limit = datetime.now(UTC) - timedelta(days=180)
    assert (clean(limit, True).removed, clean(limit, False).removed, clean(limit, False).removed) == (1, 1, 0)


def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """The shipper reads the fact again: it is not swallowed."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "catalog.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises((StoreError, SQLAlchemyError)):
        fact_taker(store)([(SpoolCursor("w", 1), Fact("review-request", 0, {}))])
