"""Every hour whose rows change is marked, whatever happens in between."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from logstore.db import catalog_path, migrate, open_catalog, reading
from logstore.marks import HOUR_US, forget_marks, hours_of, mark_hours, marks
from logstore.retention import prune
from logstore.store import Store

from .rows import AT, ended, ids_from, request

DAY = "2026-11-21"
HOUR = AT // HOUR_US


def stored(folder: Path, count: int = 5, step_us: int = HOUR_US // 2, start_us: int = AT) -> list[tuple[str, int]]:
    """Store some rows; the hours they lie in."""
    ids = ids_from(start_us, step_us)
    rows = [(request(ids.next()), ended()) for _ in range(count)]
    with Store(folder) as store:
        store.append(rows)
    return sorted(
        {(datetime.fromtimestamp(r.time_us / 1e6, UTC).date().isoformat(), r.time_us // HOUR_US) for r, _ in rows}
    )


def marked(folder: Path) -> dict[str, dict[int, int]]:
    """The marks in the catalog."""
    with reading(folder) as catalog:
        return marks(catalog)


def test_hours_with_rows_are_marked_and_others_are_not(tmp_path: Path) -> None:
    assert stored(tmp_path) == [(DAY, HOUR), (DAY, HOUR + 1), (DAY, HOUR + 2)]
    assert marked(tmp_path) == {DAY: {HOUR: 1, HOUR + 1: 1, HOUR + 2: 1}}


def test_an_hour_lies_in_the_file_of_its_ids_whatever_the_clock_said(tmp_path: Path) -> None:
    """The clock was set back by three hours over midnight: ids go on, times do not."""
    ids = ids_from(AT + 14 * HOUR_US)
    record = request(ids.next(), time_us=AT + 11 * HOUR_US)
    with Store(tmp_path) as store:
        store.append([(record, ended())])
    assert marked(tmp_path) == {"2026-11-22": {HOUR + 11: 1}}


def test_rows_that_come_again_mark_their_hour_again(tmp_path: Path) -> None:
    """A crash may have come between the rows and their mark; whoever sends them again cannot know."""
    stored(tmp_path, 1)
    stored(tmp_path, 1)
    assert marked(tmp_path) == {DAY: {HOUR: 2}}


def test_rows_that_are_refused_mark_nothing(tmp_path: Path) -> None:
    stored(tmp_path, 1)
    prune(tmp_path, datetime(2027, 8, 1, tzinfo=UTC), UTC, clock_is_right=True)
    before = marked(tmp_path)
    with Store(tmp_path) as store:
        store.append([(request(ids_from(AT).next()), ended())])
        assert store.refused == 1
    assert marked(tmp_path) == before


def test_marks_are_read_for_the_days_asked_for_and_forgotten_before_a_day(tmp_path: Path) -> None:
    stored(tmp_path, 3, 24 * HOUR_US)
    with reading(tmp_path) as catalog:
        assert list(marks(catalog, "2026-11-22", "2026-11-22")) == ["2026-11-22"]
    engine = open_catalog(tmp_path)
    with engine.begin() as catalog:
        assert forget_marks(catalog, "2026-11-23") == 2
    engine.dispose()
    assert list(marked(tmp_path)) == ["2026-11-23"]


def test_a_batch_of_nothing_marks_nothing(tmp_path: Path) -> None:
    assert hours_of(DAY, []) == set()
    stored(tmp_path, 1)
    engine = open_catalog(tmp_path)
    with engine.begin() as catalog:
        mark_hours(catalog, [])
    engine.dispose()
    assert marked(tmp_path) == {DAY: {HOUR: 1}}


def test_a_record_from_before_marks_has_every_hour_of_its_days_marked(tmp_path: Path) -> None:
    stored(tmp_path, 2)
    migrate(catalog_path(tmp_path), "catalog", "catalog_0003", down=True)
    migrate(catalog_path(tmp_path), "catalog")
    found = marked(tmp_path)
    assert list(found) == [DAY]
    assert list(found[DAY]) == list(range(HOUR - 10, HOUR + 14))
