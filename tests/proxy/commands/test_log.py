"""`schoolgate log`, as ICT services type it; every look leaves a line in the audit trail.

Shows: `proxy.logsearch`, `proxy.logtable`, `proxy.spoolview`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from logstore.audit import entries
from logstore.db import catalog_path, reading
from logstore.ids import wall_clock_us
from logstore.shipping import ShipperStatus
from logstore.store import Store
from proxy.cli import main
from tests.logstore.rows import ended, ids_from, request
from tests.rig.waiting import wait_for


class Desk:
    """Types `schoolgate log …` and reads the answers."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = folder
        self._capsys = capsys
        self.said = ""
        self.told = ""

    def types(self, *words: str) -> int:
        try:
            status = main(["--data", str(self.data), "log", *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def rows(self, *words: str) -> list[dict[str, Any]]:
        self.types("search", *words, "--json")
        return [json.loads(line) for line in self.said.splitlines()]

    def looks(self) -> list[Any]:
        with reading(self.data / "store") as catalog:
            return list(entries(catalog, kind="look"))


NOW_US = wall_clock_us() - 60_000_000


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A minute ago: thirty requests of three pupils, every tenth blocked, one with a hostile title."""
    ids = ids_from(NOW_US, 1_000_000)
    rows = []
    for n in range(30):
        blocked = n % 10 == 0
        record = request(
            ids.next(), user=f"pupil-{n % 3:04}", path=f"/{n}", blocked=blocked, terms=("owls",) if n == 4 else (),
            action="block" if blocked else "allow", reason="rule" if blocked else "default",
            rule="ks2-games" if blocked else None, category="games" if blocked else None,
            categories=("games",) if blocked else (), host="games.example" if blocked else "www.example.org",
        )  # fmt: skip
        rows.append((record, ended(title='=HYPERLINK("x")\x1b[31m' if n == 29 else "Owls", page=n % 2 == 0)))
    with Store(tmp_path / "store") as store:
        store.append(rows)
    return Desk(tmp_path, capsys)


class TestSearch:
    def test_newest_first_with_the_sentence_beside_it(self, desk: Desk) -> None:
        assert desk.types("search", "--user", "pupil-0001", "--limit", "3") == 0
        assert [line.split("/")[-1] for line in desk.said.splitlines()] == ["28", "25", "22"]
        assert "requests of pupil-0001 (Europe/London): 3 rows" in desk.told
        assert "add --before" in desk.told

    @pytest.mark.parametrize(
        ("words", "paths"),
        [
            (["--blocked"], ["/20", "/10", "/0"]),
            (["--blocked", "--user", "pupil-0001"], ["/10"]),
            (["--category", "games", "--limit", "2"], ["/20", "/10"]),
            (["--domain", "example", "--blocked"], ["/20", "/10", "/0"]),
            (["--host", "games.example"], ["/20", "/10", "/0"]),
            (["--rule", "ks2-games", "--reason", "rule", "--action", "block"], ["/20", "/10", "/0"]),
            (["--terms", "owl"], ["/4"]),
            (["--text", "games.example/2"], ["/20"]),
            (["--title", "hyper"], ["/29"]),
            (["--page-only", "--allowed", "--limit", "2"], ["/28", "/26"]),
            (["--site", "oakwood", "--band", "ks2", "--address", "10.4.2.17", "--limit", "1"], ["/29"]),
            (["--since", "1h", "--limit", "1"], ["/29"]),
            (["--until", "1h"], []),
            (["--not", "user:PUPIL-0002", "--not", "host:games.example", "--limit", "3"], ["/28", "/27", "/25"]),
        ],
    )
    def test_filters(self, desk: Desk, words: list[str], paths: list[str]) -> None:
        assert [row["path"] for row in desk.rows(*words)] == paths

    @pytest.mark.parametrize("said", ["pupil-0001", "user:", "text:owls"])
    def test_what_cannot_be_left_out_is_said(self, desk: Desk, said: str) -> None:
        assert desk.types("search", "--not", said) == 2

    def test_a_page_says_how_many_there_are_in_all(self, desk: Desk) -> None:
        """On the first page and on a later one."""
        desk.rows("--limit", "7")
        assert ": 7 rows of 30\n" in desk.told
        older = desk.told.partition("--before ")[2].split()[0]
        desk.rows("--limit", "7", "--before", older)
        assert ": 7 rows of 30\n" in desk.told

    def test_pages_by_the_hint_on_stderr(self, desk: Desk) -> None:
        paths: list[str] = []
        more: list[str] = []
        while True:
            paths += [row["path"] for row in desk.rows("--limit", "11", *more)]
            hint = [line for line in desk.told.splitlines() if "add --before" in line]
            if not hint:
                break
            more = hint[0].split()[-2:]
        assert paths == [f"/{n}" for n in range(29, -1, -1)]

    def test_every_row_without_pages(self, desk: Desk) -> None:
        assert len(desk.rows("--all")) == 30

    def test_csv_opens_safely_in_a_spreadsheet(self, desk: Desk) -> None:
        assert desk.types("search", "--csv", "--title", "hyper") == 0
        line = next(csv.DictReader(io.StringIO(desk.said)))
        assert line["title"].startswith("'=")
        assert line["user"] == "pupil-0002"

    def test_nothing_a_client_sent_reaches_the_terminal_raw(self, desk: Desk) -> None:
        desk.types("search", "--title", "hyper")
        desk.types("show", desk.rows("--title", "hyper")[0]["id"])
        assert "\x1b" not in desk.said
        assert "\\x1b[31m" in desk.said

    def test_no_rows_is_no(self, desk: Desk) -> None:
        assert desk.types("search", "--user", "nobody") == 1
        assert desk.said == ""
        assert "requests of nobody (Europe/London): 0 rows" in desk.told

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--since", "soonish"], "'soonish' is no time; a time is like 1h"),
            (["--limit", "0"], "a page has 1 to 10000 rows"),
            (["--blocked", "--allowed"], "not allowed with"),
            (["--before", "7", "--after", "8"], "not allowed with"),
            (["--text", "x" * 9000], "at most 8,000"),
        ],
    )
    def test_what_cannot_be_asked(self, desk: Desk, words: list[str], told: str) -> None:
        assert desk.types("search", *words) == 2
        assert told in desk.told


class TestLooks:
    """Design §5.10: who looked at whom, when, why."""

    def test_a_look_at_a_person_is_written_down_with_the_reason(self, desk: Desk) -> None:
        desk.types("search", "--user", "pupil-0001", "--blocked", "--why", "case C-12")
        look = desk.looks()[0]
        assert (look.subject, look.why) == ("pupil-0001", "case C-12")
        assert look.who.startswith("cli:")
        assert look.after == {"asked": "blocked requests of pupil-0001", "rows": 1}

    @pytest.mark.parametrize("words", [["search"], ["search", "--all"], ["tail"], ["stats"], ["search", "--csv"]])
    def test_every_look_is(self, desk: Desk, words: list[str]) -> None:
        desk.types(*words)
        assert len(desk.looks()) == 1

    def test_one_record_is_a_look_at_its_person(self, desk: Desk) -> None:
        record = desk.rows("--user", "pupil-0002", "--limit", "1")[0]["id"]
        assert desk.types("show", record) == 0
        assert desk.looks()[0].subject == "pupil-0002"

    @pytest.mark.parametrize("words", [["search"], ["search", "--json", "--all"], ["tail"], ["stats"]])
    def test_nothing_is_shown_when_it_cannot_be_written_down(self, desk: Desk, words: list[str]) -> None:
        import sqlite3

        with sqlite3.connect(catalog_path(desk.data / "store")) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
        connection.close()
        assert desk.types(*words) == 1
        assert desk.said == ""
        assert "because the look cannot be written into the audit trail: IntegrityError: the disk is full" in desk.told


def test_one_record_whole(desk: Desk) -> None:
    record = desk.rows("--terms", "owls")[0]["id"]
    assert desk.types("show", record, "--json") == 0
    told = json.loads(desk.said)
    assert (told["id"], told["user"], told["terms"], told["url"]) == (
        record, "pupil-0001", ["owls"], "https://www.example.org/4",
    )  # fmt: skip
    assert desk.types("show", "7") == 1
    assert "there is no record 7" in desk.told


def test_stats(desk: Desk) -> None:
    assert desk.types("stats", "--json", "--top", "category", "--top", "user") == 0
    told = json.loads(desk.said)
    assert (told["totals"]["rows"], told["totals"]["blocked"], told["totals"]["users"]) == (30, 3, 3)
    assert {place["name"]: place["rows"] for place in told["top"]["category"]} == {None: 27, "games": 3}
    assert desk.types("stats") == 0
    assert "30 requests, 3 blocked (10.0%)" in desk.said
    assert desk.types("stats", "--user", "nobody") == 1


def test_the_last_rows_oldest_first(desk: Desk) -> None:
    assert desk.types("tail", "-n", "3") == 0
    assert [line.split("/")[-1] for line in desk.said.splitlines()] == ["27", "28", "29"]


def test_without_a_store_it_says_what_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path, capsys)
    for words in (["search"], ["tail"], ["stats"], ["show", "1"]):
        assert desk.types(*words) == 1
        assert "there is no record yet" in desk.told


def test_a_damaged_store_is_said_not_thrown(desk: Desk) -> None:
    for path in (desk.data / "store" / "days").glob("*.db"):
        path.write_bytes(b"not a database" * 1000)
    assert desk.types("search") == 1
    assert "cannot be read" in desk.told


def test_following_shows_rows_as_they_are_stored(desk: Desk) -> None:
    """A real process, as in a terminal."""
    words = ["--data", str(desk.data), "log", "tail", "-f", "--json", "--user", "pupil-0001", "-n", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from proxy.cli import main; raise SystemExit(main())", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert json.loads(process.stdout.readline())["path"] == "/28"
        ids = ids_from(wall_clock_us())
        with Store(desk.data / "store") as store:
            store.append([(request(ids.next(), user=f"pupil-{n:04}", path=f"/new{n}"), ended()) for n in range(3)])
        assert json.loads(process.stdout.readline())["path"] == "/new1"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        process.stdout.close()
        process.stderr.close()


class TestSpool:
    """What is recorded and not in the store yet."""

    def spooled(self, desk: Desk, count: int) -> Callable[[], None]:
        from logstore.spool import SpoolWriter

        writer = SpoolWriter(desk.data / "spool", "w0")
        ids = ids_from(wall_clock_us())
        for number in range(count):
            writer.write(request(ids.next(), path=f"/spooled{number}"), ended())
        writer.flush()
        return writer.shut

    def test_waiting_events_are_counted_and_a_search_says_they_are_missing(self, desk: Desk) -> None:
        shut = self.spooled(desk, 4)
        try:
            assert desk.types("spool", "--json") == 1
            told = json.loads(desk.said)
            assert [(item["alive"], item["waiting"] >= 4) for item in told["producers"]] == [(True, True)]
            desk.types("spool")
            assert "events waiting" in desk.said
            assert "room for" in desk.told
            run = desk.data / "run"
            run.mkdir(exist_ok=True)
            torn = ShipperStatus(written_at=time.time(), lag_events=4, quarantined=2, missing_events=3)
            (run / "shipper.json").write_text(json.dumps(asdict(torn)))
            assert desk.types("spool") == 0
            assert "2 things in the quarantine" in desk.told
            assert "3 events are missing" in desk.told
            (run / "shipper.json").unlink()
            desk.types("search", "--limit", "1")
            assert "the shipper is not running" in desk.told
        finally:
            shut()

    def test_fresh_waits_for_the_shipper(self, desk: Desk) -> None:
        """A shipper that starts while the search waits brings the rows of before."""
        shut = self.spooled(desk, 4)
        shut()
        process = subprocess.Popen(
            [sys.executable, "-c", "from proxy.cli import main; raise SystemExit(main())",
             "--data", str(desk.data), "shipper"], env=dict(os.environ),
        )  # fmt: skip
        try:
            rows = desk.rows("--fresh", "--text", "/spooled")
            while "not running" in desk.told or "not in the store yet" in desk.told:  # it took its patience to start
                rows = desk.rows("--fresh", "--text", "/spooled")
            assert [row["path"] for row in rows] == [f"/spooled{n}" for n in (3, 2, 1, 0)]
            wait_for(lambda: desk.types("spool", "--json") == 0, "the spool is empty")
            assert sum(item["waiting"] for item in json.loads(desk.said)["producers"]) == 0
        finally:
            process.terminate()
            process.wait(30)

    def test_fresh_without_anything_waiting_does_not_wait(self, desk: Desk) -> None:
        start = time.monotonic()
        assert len(desk.rows("--fresh", "--limit", "5")) == 5
        assert time.monotonic() - start < 5
