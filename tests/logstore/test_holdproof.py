"""Holds are what the audit trail says: a hold or a held row that vanishes or changes is named, and no day goes unheld.

Shows: `logstore.holdtrail`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from logstore import holdcopy
from logstore.audit import entries
from logstore.canonical import digest
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.holdcopy import copy_due, copy_hold
from logstore.holdproof import missing, settle, unlike
from logstore.holdrelease import approve, sign
from logstore.holds import HoldRefused, find, holds, holds_path, note_hold, place, set_review
from logstore.holdtrail import PLACED, told
from logstore.retention import prune
from logstore.verify import verify

from .test_holds import BULLIED, LONDON, REVIEW, kept_rows, placed, retain, stored
from .test_retention import NEW, NOW, OLD, fill


def by_hand(folder: Path, *statements: str) -> None:
    """Somebody with the disk."""
    with contextlib.closing(sqlite3.connect(holds_path(folder))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def lose(folder: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        holds_path(folder).with_name(f"holds.db{ending}").unlink(missing_ok=True)


def found(folder: Path) -> list[str]:
    return [str(problem) for problem in verify(folder, deep=True).problems]


def lines(folder: Path, what: str) -> int:
    with reading(folder) as catalog:
        return sum(line.what == what for line in entries(catalog, kind="hold"))


LOSSES: dict[str, Callable[[Path], None]] = {
    "gone": lose,
    "released by hand": lambda folder: by_hand(folder, "UPDATE hold SET state = 'released'"),
    "narrowed": lambda folder: by_hand(folder, """UPDATE hold SET filter = '{"user": "nobody"}'"""),
    "taken out": lambda folder: by_hand(folder, "DELETE FROM held_row", "DELETE FROM hold"),
}


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_hold_that_vanishes_is_named_put_back_and_keeps_its_rows(tmp_path: Path, loss: str, copied: bool) -> None:
    fill(tmp_path, OLD, NEW)
    before = stored(tmp_path)
    placed(tmp_path, copied=copied)
    assert found(tmp_path) == []
    LOSSES[loss](tmp_path)
    assert any("hold CASE-1" in problem for problem in found(tmp_path))
    report = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert [stay.what for stay in report.stayed if stay.wrong] == ["holds"]
    assert kept_rows(tmp_path) == before
    kept = find(tmp_path, "CASE-1")
    assert (kept.state, kept.wanted, kept.reason, kept.placed_by) == ("active", BULLIED, "bullying", "cli:head")
    assert (kept.placed_at, kept.review_at) == (NOW, REVIEW)
    assert lines(tmp_path, "put a hold back") == 1
    assert retain(tmp_path)
    assert found(tmp_path) == []


def test_rows_that_were_copied_and_are_lost_are_told_until_the_release(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    assert retain(tmp_path)
    lose(tmp_path)
    assert not retain(tmp_path)
    words = [f"hold CASE-1: 3 of 3 rows copied on {NOW:%Y-%m-%d %H:%M} UTC are gone"]
    assert retain(tmp_path)
    assert found(tmp_path) == words
    sign(tmp_path, "CASE-1", who="cli:head", why="over", at=NOW)
    approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
    assert found(tmp_path) == []


def test_a_row_taken_out_altered_or_put_in_is_named(tmp_path: Path) -> None:
    """With a hash that fits: only the line of the audit trail knows better."""
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    assert retain(tmp_path)
    assert list(unlike(tmp_path, "CASE-1")) == []
    by_hand(tmp_path, "CREATE TABLE aside AS SELECT * FROM held_row")
    put_back = ("DELETE FROM held_row", "INSERT INTO held_row SELECT * FROM aside")
    by_hand(tmp_path, "DELETE FROM held_row WHERE record_id = (SELECT min(record_id) FROM held_row)")
    assert found(tmp_path) == [f"hold CASE-1: 1 of 3 rows copied on {NOW:%Y-%m-%d %H:%M} UTC are gone"]
    text = kept_rows(tmp_path)[0].record.path
    by_hand(tmp_path, *put_back)
    with contextlib.closing(sqlite3.connect(holds_path(tmp_path))) as connection:
        number, content = connection.execute("SELECT record_id, content FROM held_row").fetchone()
        other = content.replace(str(text), "/innocent")
        connection.execute("UPDATE held_row SET content = ?, sha256 = ? WHERE record_id = ?",
                           (other, digest(other), number))  # fmt: skip
        connection.commit()
    assert found(tmp_path) == [
        f"hold CASE-1: the 3 rows copied on {NOW:%Y-%m-%d %H:%M} UTC are not those that were copied"
    ]
    by_hand(tmp_path, *put_back, "INSERT INTO held_row SELECT hold_id, record_id + 1000, content, sha256, 7 FROM aside")
    assert ["3 rows are held that the audit trail does not know" in problem for problem in found(tmp_path)] == [True]
    by_hand(tmp_path, *put_back)
    assert found(tmp_path) == []


def test_a_hold_nobody_placed_is_named(tmp_path: Path) -> None:
    fill(tmp_path, NEW)
    placed(tmp_path)
    columns = "reason, filter, state, placed_by, placed_us, review_us"
    by_hand(tmp_path, f"INSERT INTO hold (case_ref, {columns}) SELECT 'CASE-2', {columns} FROM hold")
    assert found(tmp_path) == ["hold CASE-2: the audit trail does not know it"]


def test_without_its_filter_in_the_trail_a_lost_hold_keeps_every_day(tmp_path: Path) -> None:
    """A line of before the filter was written down: nobody knows what it wanted."""
    fill(tmp_path, OLD, NEW)
    after = {"asked": "requests of somebody", "review": REVIEW.isoformat()}
    note_hold(tmp_path, who="cli:head", what=PLACED, case="CASE-0", after=after, why="x", at=NOW)
    assert missing(tmp_path) == ("hold CASE-0 is in force by the audit trail, and not among the holds",)
    report = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert [stay.what for stay in report.stayed if stay.due and "CASE-0" in stay.why] == [f"{OLD}.db"]
    assert len(stored(tmp_path)) == 3


class TestKilled:
    """Between a line and what it says."""

    def test_a_hold_is_in_force_by_its_line(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, NEW)
        placed(tmp_path, copied=False)
        LOSSES["taken out"](tmp_path)
        assert place(tmp_path, "CASE-1", "x", BULLIED, REVIEW, who="cli:head", at=NOW).state == "active"
        assert lines(tmp_path, "placed a hold") == 1
        LOSSES["taken out"](tmp_path)
        with pytest.raises(HoldRefused, match="already"):
            place(tmp_path, "CASE-1", "x", LogFilter(user="other"), REVIEW, who="cli:head", at=NOW)
        assert not retain(tmp_path)
        assert len(kept_rows(tmp_path)) == 3

    @pytest.mark.parametrize("mend", ["approve", "retention"])
    def test_a_release_is_finished_once(self, tmp_path: Path, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(tmp_path, OLD, NEW)
        placed(tmp_path)
        sign(tmp_path, "CASE-1", who="cli:head", why="over", at=NOW)

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("logstore.holdrelease.let_go", die)
        with pytest.raises(KeyboardInterrupt):
            approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
        monkeypatch.undo()
        assert len(kept_rows(tmp_path)) == 3
        assert ["released" in problem for problem in found(tmp_path)] == [True]
        if mend == "approve":
            approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
        else:
            assert retain(tmp_path)
        assert kept_rows(tmp_path) == []
        assert find(tmp_path, "CASE-1").released_by == "cli:governor"
        assert lines(tmp_path, "released a hold") == 1
        assert found(tmp_path) == []

    def test_a_copy_without_its_line_is_made_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(tmp_path, OLD, NEW)
        kept = placed(tmp_path, copied=False)

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("logstore.holdcopy.note_hold", die)
        with pytest.raises(KeyboardInterrupt):
            copy_hold(tmp_path, kept, who="cli:head", at=NOW)
        monkeypatch.undo()
        assert ["does not know" in problem for problem in found(tmp_path)] == [True]
        assert copy_due(tmp_path, who="retention", at=NOW) == ()
        assert found(tmp_path) == []
        assert len(kept_rows(tmp_path)) == 3


def test_every_lot_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdcopy, "LOT", 2)
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    with reading(tmp_path) as catalog:
        lots = told(catalog)["CASE-1"].lots
    assert [lot.rows for lot in lots] == [2, 1]
    assert len({lot.number for lot in lots}) == 2
    assert found(tmp_path) == []


def test_a_copy_that_runs_while_its_hold_is_released_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, OLD, NEW)
    kept = placed(tmp_path, copied=False)
    sign(tmp_path, "CASE-1", who="cli:head", why="over", at=NOW)
    real = holdcopy.canonical

    def approved_meanwhile(row: object) -> str:
        if holds(tmp_path):
            approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
        return real(row)  # type: ignore[arg-type]

    monkeypatch.setattr(holdcopy, "canonical", approved_meanwhile)
    with pytest.raises(HoldRefused, match="was released"):
        copy_hold(tmp_path, kept, who="cli:head", at=NOW)
    assert kept_rows(tmp_path) == []
    assert found(tmp_path) == []


def test_rows_an_earlier_release_left_in_a_released_hold_go(tmp_path: Path) -> None:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    by_hand(tmp_path, "CREATE TABLE aside AS SELECT * FROM held_row")
    sign(tmp_path, "CASE-1", who="cli:head", why="over", at=NOW)
    approve(tmp_path, "CASE-1", who="cli:governor", why="over", at=NOW)
    by_hand(tmp_path, "INSERT INTO held_row SELECT * FROM aside", "DROP TABLE aside")
    assert len(kept_rows(tmp_path)) == 3
    assert retain(tmp_path)
    assert kept_rows(tmp_path) == []


def test_a_review_date_is_that_of_the_latest_review(tmp_path: Path) -> None:
    fill(tmp_path, NEW)
    placed(tmp_path)
    later = REVIEW + timedelta(days=9)
    set_review(tmp_path, "CASE-1", later, who="cli:head", why="in court", at=NOW)
    lose(tmp_path)
    assert len(settle(tmp_path, who="cli:head", at=NOW)) == 1
    assert find(tmp_path, "CASE-1").review_at == later
