"""`schoolgate hold` and `log search --hold`, as people type them.

Shows: `proxy.holding`, `proxy.exporting`.
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.accounts import add as add_account
from console.roles import Grant, Role
from logstore.audit import entries
from logstore.canonical import digest
from logstore.db import open_catalog, reading
from logstore.exportbook import exports
from logstore.exportfile import check_manifest
from logstore.holds import holds_path
from logstore.ids import wall_clock_us
from logstore.store import Store
from proxy.cli import main
from proxy.doctor import examine
from proxy.metrics import Facts, GatewayCollector
from proxy.settings import Settings
from registry.change import By
from tests.logstore.rows import ended, ids_from, request

HEAD = "daemon" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
GOVERNOR = "bin"
"""Accounts every machine has, for two people: whose keyboard it is, the kernel says and no variable."""
DAY_US = 86_400_000_000


class Desk:
    """Two people at one desk, each with an account of their own."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.data = data
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.said = self.told = ""
        self.sits(HEAD)

    def sits(self, account: str) -> None:
        if os.geteuid() != 0:
            if account != HEAD:
                pytest.skip("only root can be two people at one keyboard")
            return
        self._monkeypatch.setenv("SUDO_UID", str(pwd.getpwnam(account).pw_uid))

    def types(self, *words: str) -> int:
        try:
            status = main(["--data", str(self.data), *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def hold(self, *words: str, status: int = 0) -> Any:
        assert self.types("hold", *words, "--json") == status, self.told
        return json.loads(self.said)

    def trail(self) -> list[tuple[str, str, str]]:
        with reading(self.data / "store") as catalog:
            return [(line.who, line.what, line.subject) for line in reversed(entries(catalog))]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    with Store(tmp_path / "store") as store:
        ids = ids_from(wall_clock_us() - DAY_US, 1_000_000)
        store.append([(request(ids.next(), user=f"pupil-{n % 2}", path=f"/{n}"), ended()) for n in range(10)])
    return Desk(tmp_path, capsys, monkeypatch)


def place(desk: Desk, *words: str) -> Any:
    return desk.hold("place", "CASE-7", "--user", "pupil-1", "--why", "bullying", *words)


def test_a_hold_is_placed_shown_and_listed(desk: Desk) -> None:
    made = place(desk)
    assert (made["rows"], made["placed_by"], made["rows_of"]) == (5, f"cli:{HEAD}", "requests of pupil-1")
    assert desk.types("hold", "list") == 0
    assert "CASE-7" in desk.said
    assert "bullying" in desk.said
    assert desk.hold("show", "CASE-7")["review_due"] is False
    assert desk.types("hold", "show", "CASE-8") == 1
    assert "did you mean 'CASE-7'" in desk.told
    assert desk.hold("check", "CASE-7")["ok"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("place", "CASE-9", "--why", "x"), 1, "everybody's rows"),
        (("place", "CASE-9", "--user", "a"), 2, "--why"),
        (("place", "CASE-9", "--user", "a", "--why", "x", "--review", "soon"), 2, "no review date"),
        (("place", "CASE-9", "--user", "a", "--why", "x", "--review", "2020-01-01"), 1, "not in the future"),
        (("place", "CASE-9", "--user", "a", "--why", "x", "--since", "when"), 2, "is no time"),
        (("review", "CASE-7", "--until", "90d", "--why", "x"), 1, "there is no hold"),
    ],
)
def test_what_cannot_be_is_refused(desk: Desk, words: tuple[str, ...], status: int, told: str) -> None:
    assert desk.types("hold", *words) == status
    assert told in desk.told


@pytest.mark.parametrize("words", [("--user", "PUPIL-1"), ("--host", "WWW.Example.Org.", "--user", "pupil-1")])
def test_a_hold_keeps_them_however_they_are_spelt(desk: Desk, words: tuple[str, ...]) -> None:
    """A hold that finds nothing would keep nothing, and say it is in force."""
    assert desk.hold("place", "CASE-9", *words, "--why", "bullying")["rows"] == 5


def test_its_rows_are_searched_and_paged(desk: Desk) -> None:
    """Also when the store has them no more; every look is written down first."""
    place(desk)
    for path in (desk.data / "store" / "days").iterdir():
        path.unlink()
    assert desk.types("log", "search", "--hold", "CASE-7", "--json", "--limit", "2", "--why", "police") == 0
    paths = [json.loads(line)["path"] for line in desk.said.splitlines()]
    assert paths == ["/9", "/7"]
    older = desk.told.partition("--before ")[2].split()[0]
    assert desk.types("log", "search", "--hold", "CASE-7", "--json", "--before", older, "--text", "/3") == 0
    assert [json.loads(line)["path"] for line in desk.said.splitlines()] == ["/3"]
    assert desk.types("log", "search", "--hold", "CASE-7", "--all", "--csv") == 0
    assert len(desk.said.splitlines()) == 6
    with reading(desk.data / "store") as catalog:
        look = entries(catalog, kind="look")[-1]
    assert look.after["asked"] == "hold CASE-7: requests"
    assert desk.types("log", "search", "--hold", "CASE-77") == 1


def test_two_accounts_of_one_person_are_no_two_people(desk: Desk) -> None:
    """As in the console: the register knows whose account at the proxy an account of the console is."""
    place(desk)
    engine = open_catalog(desk.data / "store")
    with engine.begin() as connection:
        add_account(
            connection, GOVERNOR, "The same", (Grant(0, Role.ICT),), By("office", datetime.now(UTC), ""), person=HEAD
        )
    engine.dispose()
    assert desk.types("hold", "release", "CASE-7", "--why", "settled") == 0
    desk.sits(GOVERNOR)
    assert desk.types("hold", "approve", "CASE-7", "--why", "settled") == 1
    assert "two different people" in desk.told


def test_two_people_release_it(desk: Desk) -> None:
    place(desk)
    assert desk.types("hold", "release", "CASE-7", "--why", "settled") == 0
    assert "hold approve CASE-7" in desk.said
    assert desk.types("hold", "approve", "CASE-7", "--why", "settled") == 1
    assert "two different people" in desk.told
    desk.sits(GOVERNOR)
    assert desk.hold("approve", "CASE-7", "--why", "settled")["released_by"] == f"cli:{GOVERNOR}"
    assert desk.types("log", "search", "--hold", "CASE-7") == 1
    assert [one["state"] for one in desk.hold("list", "--all")] == ["released"]
    assert desk.trail()[-3:] == [
        (f"cli:{HEAD}", "signed the release of a hold", "CASE-7"),
        (f"cli:{GOVERNOR}", "released a hold", "CASE-7"),
        (f"cli:{GOVERNOR}", "looked at holds", "holds"),
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_it_is_exported_with_hashes_and_found_in_the_book(desk: Desk, form: str, tmp_path: Path) -> None:
    place(desk)
    out = tmp_path / f"case.{form}"
    told = desk.hold("export", "CASE-7", "--out", str(out), "--why", "for the police")
    assert (told["lines"], out.stat().st_mode & 0o777) == (5, 0o600)
    manifest = out.with_name(f"case.{form}.manifest.json")
    assert check_manifest(manifest) == ()
    facts = json.loads(manifest.read_text())
    assert (facts["case"], facts["exported_by"], facts["timezone"]) == ("CASE-7", f"cli:{HEAD}", "Europe/London")
    with reading(desk.data / "store") as catalog:
        book = exports(catalog)
    assert [(one.path, one.what, one.subject) for one in book] == [
        (str(out), "hold", "CASE-7"), (str(manifest), "hold", "CASE-7"),
    ]  # fmt: skip
    assert book[0].oldest_at is not None
    assert book[0].newest_at is not None
    assert book[0].oldest_at <= book[0].newest_at
    if form == "jsonl":
        for line in out.read_text().splitlines():
            mark, content = line.removeprefix('{"sha256":"').split('","row":', 1)
            assert digest(content.removesuffix("}")) == mark
    assert desk.types("hold", "export", "CASE-7", "--out", str(out), "--why", "again") == 1
    assert "nothing is written over" in desk.told
    out.write_bytes(out.read_bytes().replace(b"pupil-1", b"pupil-2") + b" ")
    assert check_manifest(manifest) == (f"case.{form} is not what was written",)


def test_an_altered_row_shows(desk: Desk) -> None:
    place(desk)
    with closing(sqlite3.connect(holds_path(desk.data / "store"))) as connection:
        connection.execute("UPDATE held_row SET content = replace(content, '/3', '/4')")
        connection.commit()
    assert len(desk.hold("check", "CASE-7", status=1)["altered"]) == 1


def test_the_alarm_for_a_review_that_is_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the metrics without a new run, and with doctor; ended by somebody who looked."""

    def numbers() -> dict[str, float]:
        found = GatewayCollector(desk.data, Facts()).collect()
        return {one.name: one.samples[0].value for one in found if one.name.startswith("schoolgate_holds")}

    place(desk)
    assert numbers() == {"schoolgate_holds": 1, "schoolgate_holds_review_due": 0, "schoolgate_holds_incomplete": 0}
    with closing(sqlite3.connect(holds_path(desk.data / "store"))) as connection:
        connection.execute("UPDATE hold SET review_us = 1")
        connection.commit()
    findings = {one.what: one for one in examine(Settings(data=desk.data))}
    assert findings["hold CASE-7"].level == "bad"
    soon = time.time() + 91 * 86_400
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: soon)
        assert numbers()["schoolgate_holds_review_due"] == 1
    assert desk.hold("review", "CASE-7", "--until", "12w", "--why", "in court")["review_due"] is False
    findings = {one.what: one for one in examine(Settings(data=desk.data))}
    assert findings["holds"].level == "good"


def test_rows_that_came_since_are_copied_on_demand(desk: Desk) -> None:
    place(desk)
    with Store(desk.data / "store") as store:
        store.append([(request(ids_from(wall_clock_us()).next(), user="pupil-1"), ended())])
    assert desk.hold("copy", "CASE-7")["rows"] == 6


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_search_goes_into_a_file(desk: Desk, form: str, tmp_path: Path) -> None:
    out = tmp_path / "rows"
    assert desk.types("log", "search", "--user", "pupil-0", "--out", str(out), "--format", form, "--why", "x") == 0
    assert "5 rows in" in desk.told
    assert check_manifest(out.with_name("rows.manifest.json")) == ()
    assert desk.types("log", "search", "--out", str(tmp_path / "rows.xlsx")) == 2
    assert desk.trail()[-1] == (f"cli:{HEAD}", "exported rows", "pupil-0")
    with reading(desk.data / "store") as catalog:
        assert [one.subject for one in exports(catalog)] == ["pupil-0", "pupil-0"]
