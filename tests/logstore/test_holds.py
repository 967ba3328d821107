"""Held rows outlive retention, are whole without the catalog, and go only when two people say so.

Release: `tests/logstore/test_holdrelease.py`. Shows: `logstore.holdcopy`, `logstore.holdschema`.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.audit import entries
from logstore.backup import back_up, check
from logstore.db import catalog_path, days_folder, open_catalog, reading, upgrade, write_lock
from logstore.filter import LogFilter
from logstore.holdcopy import NotCopied, altered, copy_day, copy_due, copy_hold, held_rows
from logstore.holdrelease import approve, sign
from logstore.holds import Hold, HoldRefused, find, holds, holds_path, place, set_review
from logstore.query import Archive
from logstore.retention import last_run, prune
from logstore.rows import Row
from logstore.schema import day_file
from logstore.store import Store

from .rows import ended, ids_from, request
from .test_retention import FIRST_KEPT, NEW, NOW, OLD, at_noon, fill, traces

LONDON = ZoneInfo("Europe/London")
REVIEW = NOW + timedelta(days=90)
MARK = f"mark{OLD.replace('-', '')}"
BULLIED = LogFilter(user=f"{MARK}-user")


def placed(folder: Path, wanted: LogFilter = BULLIED, case: str = "CASE-1", *, copied: bool = True) -> Hold:
    kept = place(folder, case, "bullying", wanted, REVIEW, who="cli:head", at=NOW)
    if copied:
        copy_hold(folder, kept, who="cli:head", at=NOW)
    return find(folder, case)


def stored(folder: Path, wanted: LogFilter = BULLIED) -> list[Row]:
    with Archive(folder) as archive:
        return list(archive.walk(wanted, rising=True))


def kept_rows(folder: Path, case: str = "CASE-1") -> list[Row]:
    return list(held_rows(folder, find(folder, case), rising=True))


def retain(folder: Path, now: datetime = NOW) -> bool:
    return prune(folder, now, LONDON, clock_is_right=True).ok


def test_the_rows_of_a_hold_outlive_retention_and_need_no_name_of_the_catalog(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    before = stored(tmp_path)
    assert len(before) == 3
    placed(tmp_path)
    assert retain(tmp_path)
    assert stored(tmp_path) == []
    assert traces(days_folder(tmp_path), MARK) == []
    assert kept_rows(tmp_path) == before
    with contextlib.closing(sqlite3.connect(catalog_path(tmp_path))) as catalog:
        assert catalog.execute("SELECT count(*) FROM dim_user WHERE key LIKE ?", (f"{MARK}%",)).fetchone() == (0,)


def test_only_the_rows_asked_for_are_kept(tmp_path: Path) -> None:
    """Others of the same day go with it: a hold is no reason to keep a whole school."""
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    retain(tmp_path)
    assert {row.record.user for row in kept_rows(tmp_path)} == {BULLIED.user}
    assert traces(tmp_path, f"{MARK}-host") == [str(holds_path(tmp_path))]
    assert traces(tmp_path, f"{MARK}-title") == [str(holds_path(tmp_path))]


def test_rows_that_came_after_it_was_placed_are_copied_before_the_day_is_dropped(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    with open_catalog(tmp_path).begin() as catalog:
        catalog.execute(day_file.update().where(day_file.c.day == OLD).values(state="sealed"))
    with Store(tmp_path) as store:
        late = [(request(ids_from(at_noon(OLD) + 77_000).next(), user=BULLIED.user, path="/late"), ended())]
        assert store.append(late) == 1
    report = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert [(day.file, day.held) for day in report.days] == [(f"{OLD}.db", 1), (f"{OLD}.late1.db", 0)]
    assert [row.record.path for row in kept_rows(tmp_path)][-1] == "/late"
    with reading(tmp_path) as catalog:
        assert entries(catalog, subject=f"{OLD}.db")[0].after["held"] == 1


def test_one_that_was_placed_and_never_copied_keeps_its_rows_all_the_same(tmp_path: Path) -> None:
    """The command was killed between the two."""
    fill(tmp_path, OLD, NEW)
    placed(tmp_path, copied=False)
    assert retain(tmp_path)
    assert len(kept_rows(tmp_path)) == 3
    assert find(tmp_path, "CASE-1").copied_at is not None


def test_a_day_whose_rows_cannot_be_copied_stays(tmp_path: Path) -> None:
    """And the alarm is on, until they can."""
    fill(tmp_path, OLD, NEW)
    placed(tmp_path, copied=False)
    with contextlib.closing(sqlite3.connect(holds_path(tmp_path))) as holds_db:
        holds_db.execute("CREATE TRIGGER full BEFORE INSERT ON held_row BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        holds_db.commit()
    report = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert not report.ok
    assert report.days == ()
    assert any(stay.what == f"{OLD}.db" and "disk is full" in stay.why for stay in report.stayed)
    assert MARK not in str(report)
    assert last_run(tmp_path) is None
    assert len(stored(tmp_path)) == 3
    assert "disk is full" in str(find(tmp_path, "CASE-1").error)
    with contextlib.closing(sqlite3.connect(holds_path(tmp_path))) as holds_db:
        holds_db.execute("DROP TRIGGER full")
        holds_db.commit()
    assert retain(tmp_path)
    assert len(kept_rows(tmp_path)) == 3
    assert find(tmp_path, "CASE-1").error is None


def test_a_day_no_hold_can_read_stays_only_when_a_hold_wants_it(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path, LogFilter(user="stays", since=datetime(2026, 11, 1, tzinfo=UTC)))
    (days_folder(tmp_path) / f"{OLD}.db").write_bytes(b"damaged" * 2000)
    assert retain(tmp_path)
    assert not (days_folder(tmp_path) / f"{OLD}.db").exists()


def test_copying_again_adds_nothing_twice(tmp_path: Path) -> None:
    fill(tmp_path, OLD, FIRST_KEPT)
    kept = placed(tmp_path)
    assert copy_hold(tmp_path, kept, who="cli:head", at=NOW) == 0
    assert copy_day(tmp_path, date.fromisoformat(OLD), NOW) == 0
    assert copy_due(tmp_path, who="retention", at=NOW) == ()
    assert find(tmp_path, "CASE-1").rows == 3


def test_a_row_in_two_holds_is_kept_until_both_are_released(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    placed(tmp_path, LogFilter(host=f"{MARK}-host.example"), "CASE-2")
    retain(tmp_path)
    sign(tmp_path, "CASE-1", who="cli:head", why="over", at=NOW)
    approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
    assert len(kept_rows(tmp_path, "CASE-2")) == 3


def test_a_copy_that_was_altered_shows(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    kept = placed(tmp_path)
    assert altered(tmp_path, kept) == ()
    with contextlib.closing(sqlite3.connect(holds_path(tmp_path))) as holds_db:
        holds_db.execute("UPDATE held_row SET content = replace(content, 'mark', 'nark') WHERE rowid = 2")
        holds_db.commit()
    assert altered(tmp_path, kept) == (kept_rows(tmp_path)[1].id,)


class TestPlacing:
    def test_what_is_asked_comes_back(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        wanted = LogFilter(user="stays", blocked=False, since=NOW - timedelta(days=9), terms="é", page=True)
        kept = placed(tmp_path, wanted)
        assert (kept.wanted, kept.case, kept.reason, kept.placed_by) == (wanted, "CASE-1", "bullying", "cli:head")
        assert (kept.placed_at, kept.review_at, kept.state) == (NOW, REVIEW, "active")
        assert holds(tmp_path) == (kept,)

    @pytest.mark.parametrize(
        ("case", "reason", "wanted", "days", "words"),
        [
            ("", "x", BULLIED, 9, "no case reference"),
            ("a" * 65, "x", BULLIED, 9, "no case reference"),
            ("CASE\n2", "x", BULLIED, 9, "no case reference"),
            ("CASE-2", " ", BULLIED, 9, "needs a reason"),
            ("CASE-2", "x", BULLIED, -1, "not in the future"),
            ("CASE-2", "x", LogFilter(), 9, "everybody's rows"),
            ("CASE-2", "x", LogFilter(since=NOW), 9, "everybody's rows"),
            ("CASE-2", "x", LogFilter(text=""), 9, "everybody's rows"),
            ("CASE-2", "x", LogFilter(title=" ", blocked=False), 9, "everybody's rows"),
            ("CASE-1", "x", BULLIED, 9, "there is a hold 'CASE-1' already"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, tmp_path: Path, case: str, reason: str, wanted: LogFilter, days: int, words: str
    ) -> None:
        fill(tmp_path, NEW)
        placed(tmp_path)
        with pytest.raises(HoldRefused, match=words):
            place(tmp_path, case, reason, wanted, NOW + timedelta(days=days), who="cli:head", at=NOW)
        assert len(holds(tmp_path)) == 1

    def test_it_waits_for_a_day_that_is_being_dropped(self, tmp_path: Path) -> None:
        """Otherwise a day could be dropped that knew nothing of it."""
        fill(tmp_path, NEW)
        placed(tmp_path)
        script = (
            "import sys; from pathlib import Path; from datetime import *; from logstore.holds import place;"
            "from logstore.filter import LogFilter; now = datetime.now(UTC);"
            "place(Path(sys.argv[1]), 'CASE-2', 'x', LogFilter(user='stays'), now + timedelta(9), who='a', at=now)"
        )
        with write_lock(tmp_path):
            process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            assert len(holds(tmp_path)) == 1
        assert process.wait(60) == 0
        assert len(holds(tmp_path)) == 2

    def test_the_trail_says_who_placed_what_and_why(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, NEW)
        placed(tmp_path)
        with reading(tmp_path) as catalog:
            copied, line = entries(catalog, kind="hold")
        assert (line.what, line.subject, line.who, line.why) == ("placed a hold", "CASE-1", "cli:head", "bullying")
        assert line.after["asked"] == f"requests of {BULLIED.user}"
        assert (copied.what, copied.after["new"], copied.after["rows"]) == ("copied rows", 3, 3)

    def test_an_unknown_case_names_the_nearest(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        placed(tmp_path)
        with pytest.raises(HoldRefused, match="did you mean 'CASE-1'"):
            find(tmp_path, "CASE1")


class TestReview:
    def test_a_date_that_is_over_is_due_until_somebody_looked(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        kept = placed(tmp_path)
        assert not kept.review_due(REVIEW - timedelta(seconds=1))
        assert kept.review_due(REVIEW)
        later = set_review(tmp_path, "CASE-1", REVIEW + timedelta(days=90), who="cli:dpo", why="in court", at=REVIEW)
        assert not later.review_due(REVIEW)
        for until, why in ((REVIEW, "x"), (REVIEW + timedelta(days=99), "")):
            with pytest.raises(HoldRefused):
                set_review(tmp_path, "CASE-1", until, who="cli:dpo", why=why, at=REVIEW)


def test_a_copy_of_the_store_brings_the_holds_along(tmp_path: Path) -> None:
    fill(tmp_path / "store", OLD, NEW)
    placed(tmp_path / "store")
    back_up(tmp_path / "store", tmp_path / "copy", datetime(2026, 11, 25, tzinfo=UTC))
    assert len(kept_rows(tmp_path / "copy")) == 3
    assert list(check(tmp_path / "copy")) == []
    holds_path(tmp_path / "copy").write_bytes(b"damaged" * 2000)
    assert any("holds.db is damaged" in problem for problem in check(tmp_path / "copy"))


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from logstore import removal, retention
real = removal._mark
def mark(catalog, seen, state, facts):
    if state == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    real(catalog, seen, state, facts)
removal._mark = mark
retention.prune(Path(sys.argv[1]), datetime(2026, 11, 21, 3, 20, tzinfo=UTC), ZoneInfo("Europe/London"))
"""


@pytest.mark.parametrize("step", ["dropping", "dropped"])
def test_a_kill_while_a_day_goes_loses_no_held_row(tmp_path: Path, step: str) -> None:
    fill(tmp_path, OLD, NEW)
    before = stored(tmp_path)
    placed(tmp_path, copied=False)
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), step], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert retain(tmp_path)
    assert kept_rows(tmp_path) == before


KILLED_MAKING = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from logstore import db, holds
from logstore.filter import LogFilter
db.migrate = lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL)
now = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
holds.place(Path(sys.argv[1]), "CASE-1", "x", LogFilter(user="stays"), now + timedelta(9), who="cli:head", at=now)
"""


def test_a_kill_while_the_first_hold_makes_its_file_leaves_none(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    died = subprocess.run([sys.executable, "-c", KILLED_MAKING, str(tmp_path)], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not holds_path(tmp_path).exists()
    assert placed(tmp_path, LogFilter(user="stays")).rows == 2


@pytest.mark.parametrize("mend", ["upgrade", "place", "prune"])
def test_a_file_of_holds_without_tables_is_named_and_mended(tmp_path: Path, mend: str) -> None:
    """An earlier release was killed while it made one; no hold could be placed and retention died every night."""
    fill(tmp_path, OLD, NEW)
    holds_path(tmp_path).touch()
    assert [problem for problem in check(tmp_path) if "schoolgate db upgrade" in problem]
    if mend == "upgrade":
        assert "holds.db" in upgrade(tmp_path)
    elif mend == "place":
        assert placed(tmp_path).rows == 3
    else:
        assert retain(tmp_path)
    assert list(check(tmp_path)) == []


def test_where_nobody_ever_held_anything_there_is_no_file(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    assert retain(tmp_path)
    assert holds(tmp_path) == ()
    assert copy_day(tmp_path, date.fromisoformat(NEW), NOW) == 0
    assert not holds_path(tmp_path).exists()
    assert not (tmp_path / "holds.lock").exists()


def test_a_hold_that_cannot_be_opened_keeps_every_day(tmp_path: Path) -> None:
    """Nobody knows any more what it wanted."""
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    holds_path(tmp_path).write_bytes(b"damaged" * 2000)
    with pytest.raises(NotCopied):
        copy_day(tmp_path, date.fromisoformat(OLD), NOW)
    report = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert {stay.what for stay in report.stayed if stay.wrong} == {"holds", f"{OLD}.db"}
    assert len(stored(tmp_path)) == 3
