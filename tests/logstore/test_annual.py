"""Numbers outlive the rows, count each once, and point at nobody."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.annual import FEW, SMALL, Cell, cells_of, count_closed, counted_to, finish_months, generalise
from logstore.db import days_folder, open_catalog
from logstore.record import EndingKind
from logstore.retention import prune
from logstore.store import Store

from .rows import ended, ids_from, request
from .test_retention import traces

LONDON = ZoneInfo("Europe/London")
CELLS = st.lists(
    st.builds(
        Cell,
        month=st.just("2026-05"),
        site=st.sampled_from(["oak", "elm", ""]),
        band=st.sampled_from(["ks1", "ks2"]),
        category=st.sampled_from(["games", "help", ""]),
        action=st.sampled_from(["allow", "block"]),
        rows=st.integers(1, 1000),
        blocked=st.just(0),
        people=st.integers(1, 40),
    ),
    max_size=30,
)


def record(folder: Path, day: date, *, people: int = 12, rare: int = 0, second: int = 0) -> None:
    """A school day: everybody plays, a few look for help."""
    noon = int(datetime.combine(day, time(12), UTC).timestamp()) * 1_000_000 + second * 1_000_000
    ids = ids_from(noon, 1_000)
    rows = [
        (
            request(
                ids.next(), user=f"pupil-{n}", category="games", categories=("games",), action="block", blocked=True
            ),
            ended(EndingKind.BLOCKED),
        )
        for n in range(people)
    ]
    rows += [
        (request(ids.next(), user=f"pupil-{n}", category="help", categories=("help",)), ended()) for n in range(rare)
    ]
    with Store(folder) as store:
        store.append(rows)


def year(folder: Path) -> tuple[Cell, ...]:
    return cells_of(folder, "2025-09", "2026-08")


def told(cells: tuple[Cell, ...]) -> dict[tuple[str, str, str], int]:
    return {(cell.month, cell.category, cell.action): cell.rows for cell in cells}


@given(CELLS)
def test_sums_stay_and_nothing_small_is_named(cells: list[Cell]) -> None:
    wider = generalise(cells)
    for action in ("allow", "block"):
        assert sum(one.rows for one in wider if one.action == action) == sum(
            one.rows for one in cells if one.action == action
        )
    for one in wider:
        assert one.people >= SMALL or (one.site, one.band, one.category) == (FEW, FEW, FEW)
    assert generalise(wider) == wider


@given(CELLS)
def test_what_many_did_is_told_as_it_was(cells: list[Cell]) -> None:
    many = [dataclasses.replace(one, people=one.people + SMALL) for one in cells]
    rows: Counter[tuple[str, ...]] = Counter()
    for one in many:
        rows[one.site, one.band, one.category, one.action] += one.rows
    assert {(one.site, one.band, one.category, one.action): one.rows for one in generalise(many)} == dict(rows)


def test_days_that_are_over_are_counted_and_today_is_not(tmp_path: Path) -> None:
    for day in (18, 19, 20):
        record(tmp_path, date(2026, 5, day), rare=2)
    now = datetime(2026, 5, 20, 15, tzinfo=UTC)
    assert count_closed(tmp_path, now) == 2
    assert count_closed(tmp_path, now) == 0
    assert told(year(tmp_path)) == {("2026-05", "games", "block"): 24, ("2026-05", FEW, "allow"): 4}
    assert counted_to(tmp_path) == "2026-05-19"
    assert {(cell.site, cell.band) for cell in year(tmp_path)} == {("oakwood", "ks2"), (FEW, FEW)}


def test_rows_that_came_late_are_counted_the_next_night(tmp_path: Path) -> None:
    record(tmp_path, date(2026, 5, 18))
    now = datetime(2026, 5, 20, 3, tzinfo=UTC)
    assert count_closed(tmp_path, now) == 1
    record(tmp_path, date(2026, 5, 18), second=60)
    assert count_closed(tmp_path, now) == 1
    assert told(year(tmp_path)) == {("2026-05", "games", "block"): 24}


def test_the_numbers_are_the_same_when_the_rows_are_gone(tmp_path: Path) -> None:
    """Day by day through the date; then no file knows who it was, and what few did is a number only."""
    days = [date(2026, 4, 29) + timedelta(days=n) for n in range(5)]
    for day in days:
        record(tmp_path, day, rare=2)
    record(tmp_path, date(2026, 11, 20))
    start = datetime(2026, 10, 28, 3, 20, tzinfo=UTC)
    prune(tmp_path, start, LONDON, clock_is_right=True)
    before = {key: rows for key, rows in told(year(tmp_path)).items() if key[0] < "2026-09"}
    assert before == {
        ("2026-04", "games", "block"): 24, ("2026-04", FEW, "allow"): 4,
        ("2026-05", "games", "block"): 36, ("2026-05", FEW, "allow"): 6,
    }  # fmt: skip
    for n in range(1, 12):
        prune(tmp_path, start + timedelta(days=n), LONDON, clock_is_right=True)
        assert told(year(tmp_path)) == before
    assert {path.name for path in days_folder(tmp_path).glob("2026-0*.db")} == set()
    prune(tmp_path, datetime(2026, 12, 2, 3, 20, tzinfo=UTC), LONDON, clock_is_right=True)
    assert told(year(tmp_path)) == before
    assert traces(tmp_path, "help") == []


def test_a_day_nobody_counted_is_counted_when_it_goes(tmp_path: Path) -> None:
    """The first run of a version that counts, on a record that is years old."""
    for n in range(40):
        record(tmp_path, date(2026, 4, 1) + timedelta(days=n), people=10)
    prune(tmp_path, datetime(2026, 11, 20, 3, 20, tzinfo=UTC), LONDON, clock_is_right=True)
    assert told(year(tmp_path)) == {("2026-04", "games", "block"): 300, ("2026-05", "games", "block"): 100}


def test_a_file_put_back_by_hand_is_not_counted_twice(tmp_path: Path) -> None:
    record(tmp_path, date(2026, 5, 1))
    path = days_folder(tmp_path) / "2026-05-01.db"
    kept = path.read_bytes()
    for _ in range(2):
        prune(tmp_path, datetime(2026, 11, 20, 3, 20, tzinfo=UTC), LONDON, clock_is_right=True)
        assert told(year(tmp_path)) == {("2026-05", "games", "block"): 12}
        path.write_bytes(kept)


def test_a_day_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    record(tmp_path, date(2026, 5, 1))
    (days_folder(tmp_path) / "2026-05-01.db").write_bytes(b"damaged" * 1000)
    assert count_closed(tmp_path, datetime(2026, 5, 3, tzinfo=UTC)) == 0
    assert prune(tmp_path, datetime(2026, 11, 20, 3, 20, tzinfo=UTC), LONDON, clock_is_right=True).ok
    assert year(tmp_path) == ()


@pytest.mark.parametrize(("kept_from", "final"), [(date(2026, 5, 31), False), (date(2026, 6, 1), True)])
def test_a_month_is_final_when_none_of_its_days_is_left(tmp_path: Path, kept_from: date, final: bool) -> None:
    """Until then more people may come to a cell, and it need not be poured away."""
    record(tmp_path, date(2026, 5, 1), rare=2)
    prune(tmp_path, datetime(2026, 11, 10, 3, 20, tzinfo=UTC), LONDON, clock_is_right=True)
    with open_catalog(tmp_path).begin() as catalog:
        finish_months(catalog, kept_from)
    assert (traces(tmp_path, "help") == []) is final
