"""Holds keep the same rows of every engine, retention asks them alike, and days are counted alike.

Shows: `logstore.clickhouse.tally`, `logstore.postgres.holds`,
`logstore.holds`, `logstore.holdcopy`, `logstore.holdrelease`, `logstore.annual`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from logstore import removal
from logstore.annual import cells_of, count_closed, counted_to
from logstore.audit import entries, verify
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.holdcopy import altered, copy_hold, held_rows
from logstore.holdrelease import approve, sign
from logstore.holds import Hold, HoldRefused, find, holds, place, writing_holds
from logstore.place import Database, Where, catalog_of
from logstore.query import Archive
from logstore.retention import last_run, prune
from logstore.store import open_store
from logstore.unread import Pair
from tests.logstore.rows import AT, ended, ids_from, request

DAY_US = 86_400_000_000
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
OLD_US = AT - AT % DAY_US - 190 * DAY_US
"""A day that is due."""
REVIEW = NOW + timedelta(days=90)
BULLIED = LogFilter(user="pupil-0417")


def rows(begin_us: int, each: int = 30) -> list[Pair]:
    """Rows of one day: every third is the pupil's, the others are of twelve others."""
    ids = ids_from(begin_us, 1_000_000)
    users = ["pupil-0417" if n % 3 == 0 else f"other-{n % 12:02}" for n in range(each)]
    return [(request(ids.next(), user=user), ended()) for user in users]


@pytest.fixture
def full(where: Where) -> Where:
    """A record with a day that is due and one that is not."""
    with open_store(where, clock=lambda: AT * 1000) as store:
        store.append(rows(OLD_US))
        store.append(rows(AT - DAY_US))
    return where


def placed(where: Where, wanted: LogFilter = BULLIED, case: str = "CASE-1") -> Hold:
    """A hold whose rows are not copied yet, as if the command was killed."""
    return place(where, case, "bullying", wanted, REVIEW, who="cli:head", at=NOW)


def kept(where: Where, case: str = "CASE-1") -> list[str]:
    """Whose rows a hold keeps."""
    return [str(row.record.user) for row in held_rows(where, find(where, case), rising=True)]


def test_held_rows_outlive_their_day_whole_and_alone(full: Where) -> None:
    with Archive(full) as archive:
        before = [row for row in archive.walk(BULLIED, rising=True) if row.id < ids_from(AT - DAY_US).next()]
    placed(full)
    report = prune(full, NOW, LONDON, clock_is_right=True)
    assert report.ok, report.stayed
    with Archive(full) as archive:
        assert archive.count(LogFilter()).rows == 30
    found = [row for row in held_rows(full, find(full, "CASE-1"), rising=True) if row.id <= before[-1].id]
    assert found == before
    assert set(kept(full)) == {"pupil-0417"}
    assert altered(full, find(full, "CASE-1")) == ()
    assert find(full, "CASE-1").copied_at is not None


def test_copying_again_adds_nothing(full: Where) -> None:
    hold = placed(full)
    assert copy_hold(full, hold, who="cli:head", at=NOW) == 20
    assert copy_hold(full, hold, who="cli:head", at=NOW) == 0
    assert find(full, "CASE-1").rows == 20


def test_a_case_is_used_once(full: Where) -> None:
    placed(full)
    with pytest.raises(HoldRefused, match="already"):
        placed(full)


def test_two_people_release_it_and_then_nothing_is_left(full: Where) -> None:
    copy_hold(full, placed(full), who="cli:head", at=NOW)
    sign(full, "CASE-1", who="cli:head", why="over", at=NOW)
    with pytest.raises(HoldRefused, match="two different people"):
        approve(full, "CASE-1", who="cli:head", why="over", at=NOW)
    gone = approve(full, "CASE-1", who="cli:deputy", why="over", at=NOW)
    assert (gone.rows, gone.released_by) == (20, "cli:deputy")
    assert kept(full) == []
    assert holds(full) == ()
    with reading(full) as catalog:
        assert verify(catalog) is None
        assert [line.what for line in entries(catalog, kind="hold")][:2] == [
            "released a hold",
            "signed the release of a hold",
        ]


def test_a_day_whose_held_rows_cannot_be_copied_stays(full: Where) -> None:
    placed(full)
    with writing_holds(full) as engine, engine.begin() as connection:
        if isinstance(catalog_of(full), Database):
            connection.exec_driver_sql("ALTER TABLE held_row ADD CONSTRAINT full_disk CHECK (false)")
        else:
            connection.exec_driver_sql(
                "CREATE TRIGGER full_disk BEFORE INSERT ON held_row BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
    report = prune(full, NOW, LONDON, clock_is_right=True)
    assert not report.ok
    assert [stay.due for stay in report.stayed if "cannot be copied" in stay.why] == [True]
    assert last_run(full) is None
    with Archive(full) as archive:
        assert archive.count(BULLIED).rows == 20
    with writing_holds(full) as engine, engine.begin() as connection:
        drop = (
            "ALTER TABLE held_row DROP CONSTRAINT full_disk"
            if isinstance(catalog_of(full), Database)
            else "DROP TRIGGER full_disk"
        )
        connection.exec_driver_sql(drop)
    assert prune(full, NOW, LONDON, clock_is_right=True).ok
    assert len(kept(full)) == 20


def test_a_hold_placed_while_a_day_is_removed_loses_no_row(full: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the copy and the mark. Where files the store's lock keeps it waiting; in a database the day stays."""
    really = removal.copy_day
    waited: list[bool] = []

    def copy_then_place(where: Where, day: date, at: datetime) -> int:
        new = really(where, day, at)
        if isinstance(catalog_of(where), Database) and not waited:
            waited.append(True)
            placed(where)
        return new

    monkeypatch.setattr(removal, "copy_day", copy_then_place)
    first = prune(full, NOW, LONDON, clock_is_right=True)
    assert first.ok is not isinstance(catalog_of(full), Database)
    monkeypatch.undo()
    assert prune(full, NOW + timedelta(days=1), LONDON, clock_is_right=True).ok
    if isinstance(catalog_of(full), Database):
        assert len(kept(full)) == 20


def test_a_day_is_counted_before_it_goes(full: Where) -> None:
    """The yearly numbers name nobody, so they stay: the same from both engines."""
    month = f"{datetime.fromtimestamp(OLD_US / 1e6, UTC):%Y-%m}"
    assert count_closed(full, NOW) == 2
    before = cells_of(full, month, month)
    assert prune(full, NOW, LONDON, clock_is_right=True).ok
    after = cells_of(full, month, month)
    assert sum(cell.rows for cell in before) == sum(cell.rows for cell in after) == 30
    assert {cell.people for cell in after} == {13 - 4}
    assert counted_to(full) == f"{datetime.fromtimestamp((AT - DAY_US) / 1e6, UTC):%Y-%m-%d}"
