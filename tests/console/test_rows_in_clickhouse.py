"""The console of a trust whose rows are in ClickHouse shows what one beside files shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.roles import Role
from logstore.holds import find
from tests.console.rig import Console, send
from tests.rig import clickhouse


@pytest.fixture
def trust(prepared: Path, tmp_path: Path) -> Iterator[Console]:
    """A console whose rows are in ClickHouse."""
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    made = Console(data, rows=clickhouse.fresh(data / "store").address)
    made.store(
        *({"user": f"pupil-{number % 4:04}", "host": "www.castles.example"} for number in range(12)),
        {"user": "pupil-0001", "host": "games.example", "blocked": True, "action": "block", "rule": "no-games"},
    )
    made.store({"user": "pupil-0001"}, ago=timedelta(days=7, minutes=5))
    yield made
    made.engine.dispose()


def test_the_dashboard_counts_them(trust: Console) -> None:
    told = trust.signed_in(Role.TECHNICIAN).get("/dashboard.json").json()
    assert (told["today"]["requests"], told["today"]["blocked"], told["today"]["people"]) == (13, 1, 4)
    assert told["today"]["last_week"]["requests"] == 1
    rankings = {one["by"]: one["places"] for one in told["rankings"]}
    assert [(one["name"], one["requests"]) for one in rankings["rule"]] == [("no-games", 1)]


def test_the_log_finds_and_shows_them(trust: Console) -> None:
    browser = trust.signed_in(Role.SAFEGUARDING)
    told = browser.get("/log.json?host=games.example").json()
    assert (told["count"], [row["blocked"] for row in told["rows"]]) == ("1", [True])
    number = told["rows"][0]["id"]
    assert "games.example" in browser.get(f"/log/{number}").text
    assert browser.get("/log?text=castles").status_code == 200
    assert browser.get("/people/now").status_code == 200
    looked = [line for line in trust.trail("look") if line.what == "looked at rows"]
    assert looked, "before anything is shown it is written down who looks"


def test_holds_and_retention_are_done_here(trust: Console) -> None:
    browser = trust.signed_in(Role.SAFEGUARDING)
    form = {"case": "CASE-1", "user": "pupil-0001", "review": "90d", "why": "bullying"}
    answer = send(browser, "/holds", "/holds/place", **form)
    assert answer.status_code == 303, answer.text
    assert find(trust.where, "CASE-1").rows == 5
    told = trust.signed_in(Role.ICT).get("/retention.json").json()
    assert told["oldest_day"] == "2026-11-17"
