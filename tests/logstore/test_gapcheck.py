"""A day that is hidden, missing or went before its time is named, whatever the catalog's unproved books say."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore import retention
from logstore.audit import entries, record_change
from logstore.db import catalog_path, days_folder, open_catalog, reading
from logstore.evidence import note_ends
from logstore.retention import overdue, prune
from logstore.seal import seal
from logstore.verify import verify

from .test_retention import fill

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
OLD, NEW = "2026-11-10", "2026-11-19"
USER = f"mark{NEW.replace('-', '')}-user"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sealed days, neither of them due."""
    fill(tmp_path, OLD, NEW)
    seal(tmp_path, NOW)
    note_ends(tmp_path, who="t", at=NOW)
    assert found(tmp_path) == []
    return tmp_path


def found(folder: Path, now: datetime | None = NOW, months: int = 6) -> list[str]:
    return [str(problem) for problem in verify(folder, deep=True, now=now, months=months).problems]


def by_hand(folder: Path, *statements: str) -> None:
    """Somebody with the disk changes what no chain covers."""
    with contextlib.closing(sqlite3.connect(catalog_path(folder))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_run_nobody_proved_excuses_no_missing_day(folder: Path) -> None:
    (days_folder(folder) / f"{OLD}.db").unlink()
    by_hand(
        folder,
        "INSERT INTO retention_run (started_us, cutoff_us, kept_from, months, timezone) "
        "VALUES (0, 0, '2026-11-11', 6, 'Europe/London')",
    )
    assert found(folder) == [f"{OLD}.db: the file is missing, and nothing says that retention removed it"]


def test_a_day_retention_is_about_to_remove_must_be_due_by_the_clock(folder: Path) -> None:
    (days_folder(folder) / f"{OLD}.db").unlink()
    by_hand(folder, f"UPDATE day_file SET state = 'dropping' WHERE day = '{OLD}'")
    assert found(folder) == [f"{OLD}.db: the catalog says that retention removes it, but it is not due"]
    assert found(folder, datetime(2027, 5, 11, 12, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "was removed on 2026-11-21, before it was 6 months old"),
        (datetime(2027, 5, 12, tzinfo=UTC), "was removed on 2027-05-12, which is yet to come"),
    ],
)
def test_a_day_that_went_before_its_time_is_named_although_its_line_fits(
    folder: Path, at: datetime, words: str
) -> None:
    (days_folder(folder) / f"{OLD}.db").unlink()
    with contextlib.closing(sqlite3.connect(catalog_path(folder))) as connection:
        (sha256,) = connection.execute(f"SELECT sha256 FROM day_file WHERE day = '{OLD}'").fetchone()
    by_hand(folder, f"UPDATE day_file SET state = 'dropped' WHERE day = '{OLD}'")
    engine = open_catalog(folder)
    with engine.begin() as catalog:
        after = {"file": f"{OLD}.db", "sha256": sha256, "rows": 4}
        what, subject = "removed a day", f"{OLD}.db"
        record_change(
            catalog, who="retention", what=what, subject=subject, after=after, why="x", at=at, kind="retention"
        )
    assert [words in problem for problem in found(folder)] == [True]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (f"UPDATE dim_user SET first_day = '2026-11-12', last_day = '2026-11-13' WHERE key = '{USER}'", "user_id"),
        ("UPDATE dim_host SET last_day = '2026-11-13' WHERE name LIKE 'mark20261119%'", "host_id"),
        (f"UPDATE day_file SET min_id = 1, max_id = 2 WHERE day = '{NEW}'", "the catalog says 1 to 2"),
        (f"UPDATE day_file SET day = '2020-01-01' WHERE day = '{NEW}'", "the catalog says it is of 2020-01-01"),
    ],
)
def test_rows_hidden_from_searches_are_named(folder: Path, statement: str, words: str) -> None:
    by_hand(folder, statement)
    problems = found(folder)
    assert problems
    assert all(words in problem for problem in problems)


def test_days_that_went_by_a_clock_that_was_wrong_are_named_and_no_run_is_taken_for_one_to_come(tmp_path: Path) -> None:
    fill(tmp_path, "2026-06-20", "2026-11-20")
    assert prune(tmp_path, NOW, LONDON).days == ()
    assert [day.file for day in prune(tmp_path, NOW + timedelta(days=45), LONDON).days] == ["2026-06-20.db"]
    assert ["yet to come" in problem for problem in found(tmp_path)] == [True]
    assert overdue(tmp_path, NOW + timedelta(hours=25), LONDON) is None
    behind = overdue(tmp_path, NOW + timedelta(days=3), LONDON)
    assert behind is not None
    assert behind.last_run == NOW
    assert prune(tmp_path, NOW + timedelta(days=3), LONDON).ok
    assert overdue(tmp_path, NOW + timedelta(days=3), LONDON) is None
    fill(tmp_path, "2026-07-20")
    assert len(found(tmp_path)) == 1
    (days_folder(tmp_path) / "2026-07-20.db").unlink()
    assert len(found(tmp_path)) == 2


def test_two_runs_side_by_side_remove_a_day_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "2026-05-18", "2026-05-19", NEW)
    real = retention.remove_day
    typed: list[int] = []

    def beside(*args: object, **more: object) -> object:
        if not typed:
            typed.append(0)
            typed[0] = prune(tmp_path, NOW, LONDON, clock_is_right=True).rows
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "remove_day", beside)
    nightly = prune(tmp_path, NOW, LONDON, clock_is_right=True)
    assert (typed, nightly.rows, nightly.ok) == ([8], 0, True)
    with reading(tmp_path) as catalog:
        lines = [line.subject for line in entries(catalog, kind="retention") if line.what == "removed a day"]
    assert sorted(lines) == ["2026-05-18.db", "2026-05-19.db"]
