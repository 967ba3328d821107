"""Numbers, moments, names and URL text on the command line; every look leaves a line in the audit trail.

Shows: `proxy.logtext`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore.rolling import Roller
from logstore.store import Store
from tests.logstore.rows import AT, ended, ids_from, request
from tests.proxy.commands.test_log import Desk

DAY = "2026-11-21"
WINDOW = ("--since", "2026-11-21T00:00+00:00", "--until", "2026-11-22T00:00+00:00")


@pytest.fixture
def school(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Sixty requests, one every five minutes from 10:05, of three pupils on two devices."""
    ids = ids_from(AT, 300_000_000)
    rows = [
        (
            request(
                ids.next(), user=f"pupil-{n % 3:04}", device=f"lab{n % 2}", path=f"/{n}", blocked=n % 10 == 0,
                action="block" if n % 10 == 0 else "allow", category="games" if n % 10 == 0 else None,
            ),
            ended(),
        )
        for n in range(60)
    ]  # fmt: skip
    with Store(tmp_path / "store") as store:
        store.append(rows)
    return Desk(tmp_path, capsys)


class TestStats:
    def test_they_say_what_they_were_told_from(self, school: Desk) -> None:
        assert school.types("stats", *WINDOW) == 0
        assert "counted from the rows" in school.told or "rows of" in school.told
        by_rows = school.said
        list(Roller(school.data / "store", lambda: datetime(2026, 12, 1, tzinfo=UTC)).catch_up())
        assert school.types("stats", *WINDOW, "--why", "case 7") == 0
        assert "from roll-ups, the oldest of 2026-12-01 00:00" in school.told
        assert school.said == by_rows
        assert school.types("stats", *WINDOW, "--json", "--quick") == 0
        told = json.loads(school.said)
        assert told["basis"]["source"] == "roll-ups"
        assert told["basis"]["computed"] == "2026-12-01T00:00:00+00:00"
        assert told["totals"]["rows"] == 60
        assert [look.why for look in school.looks()] == ["", "case 7", ""]


class TestSeries:
    def test_requests_over_time(self, school: Desk) -> None:
        assert school.types("series", *WINDOW, "--json", "--step", "1h") == 0
        told = json.loads(school.said)
        assert told["series"][0] == {"start": "2026-11-21T10:00:00+00:00", "rows": 11, "blocked": 2}
        assert sum(span["rows"] for span in told["series"]) == 60
        assert school.types("series", *WINDOW, "--step", "1d") == 0
        assert school.said.splitlines()[1].split()[:4] == [DAY, "00:00", "60", "6"]
        assert len(school.looks()) == 2

    @pytest.mark.parametrize("step", ["soon", "2d", "0m"])
    def test_a_step_that_is_none_is_refused(self, school: Desk, step: str) -> None:
        assert school.types("series", "--step", step) == 2
        assert "--step" in school.told
        assert school.looks() == []


class TestTimeline:
    def test_a_person_and_a_device_around_a_moment(self, school: Desk) -> None:
        words = ["--user", "pupil-0001", "--device", "lab0", "--before", "3", "--after", "3", "--json"]
        assert school.types("timeline", "2026-11-21T12:00+00:00", *words) == 0
        paths = [json.loads(line)["path"] for line in school.said.splitlines()]
        assert paths == ["/26", "/25", "/24", "/22", "/20", "/19"]
        assert "there are earlier rows" in school.told
        assert {look.subject for look in school.looks()} == {"pupil-0001", "record"}

    def test_around_a_record(self, school: Desk) -> None:
        assert school.types("timeline", str(ids_from(AT).next()), "--user", "pupil-0000", "--json", "--after", "1") == 0
        assert json.loads(school.said)["path"] == "/0"

    def test_nobody_and_no_moment_are_refused(self, school: Desk) -> None:
        assert school.types("timeline", "12:00") == 2
        assert "--user, --device or --address" in school.told
        assert school.types("timeline", "when", "--user", "pupil-0001") == 2
        assert school.types("timeline", "12:00", "--user", "nobody") == 1


class TestFacets:
    def test_names_to_search_by(self, school: Desk) -> None:
        assert school.types("facets", "user", "pupil-") == 0
        assert school.said.splitlines()[0].split() == ["pupil-0000", DAY, DAY]
        assert school.types("facets", "category", "--json", "--limit", "5") == 0
        assert json.loads(school.said) == [{"name": "games", "first_day": DAY, "last_day": DAY}]
        assert school.types("facets", "user", "nobody") == 1
        assert school.types("facets", "user", "--since", "when") == 2
        assert len(school.looks()) == 3


class TestText:
    def test_rows_are_shown_as_they_are_found_and_how_far_it_read(self, school: Desk) -> None:
        assert school.types("search", "--text", "example.org/4", "--json", *WINDOW) == 0
        paths = [json.loads(line)["path"] for line in school.said.splitlines()]
        assert paths == ["/49", "/48", "/47", "/46", "/45", "/44", "/43", "/42", "/41", "/40", "/4"]
        assert "everything read: 11 rows found, about 60 read, 1 of 1 days" in school.told
        assert school.types("search", "--text", "example.org/4", "--limit", "2", *WINDOW) == 0
        assert len(school.said.splitlines()) == 2
        assert school.types("search", "--text", "nowhere", *WINDOW) == 1
        assert len(school.looks()) == 3

    def test_a_week_is_searched_when_nobody_says_how_far_back(self, school: Desk) -> None:
        school.types("search", "--text", "example.org/4")
        assert "since" in str(school.looks()[0])

    def test_ctrl_c_ends_it_cleanly(self, school: Desk) -> None:
        """Thousands of long URLs, so that the key is pressed in the middle."""
        ids = ids_from(AT + 36_000_000_000, 1)
        with Store(school.data / "store") as store:
            for _ in range(8):
                store.append([(request(ids.next(), path="/" + "aaaaaaab" * 1000), ended()) for _ in range(1000)])
        words = ["--data", str(school.data), "log", "search", "--all", "--text", "aaab" * 40 + "nowhere", *WINDOW]
        with subprocess.Popen(
            [sys.executable, "-m", "proxy", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:  # fmt: skip
            assert process.stderr is not None
            assert "Ctrl-C ends it" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
            status = process.wait(60)
        assert "Traceback" not in said
        assert (status, "interrupted" in said) in {(130, True), (1, False)}  # it may have been done already
