"""The next batch is gathered while the store is busy with one: every record is stored once all the same.

Shows: `logstore.shipper`, `logstore.collecting`.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from logstore.ids import RecordIds
from logstore.segments import INSERT, list_segments
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.unread import Row
from tests.logstore.spooling import DELIVERED, BusyStore, FaultyStore, School, fill, make_record
from tests.logstore.test_shipper import AWAY, failing_for


@pytest.fixture(params=[FaultyStore, BusyStore])
def school(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[School]:
    """With a store that is only waited for, and with one during whose work something else is done."""
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, "w0", limits=SpoolLimits(ballast_bytes=0), rows=200)
    store = request.param(tmp_path / "store")
    yield School(spool, tmp_path / "store", writer, RecordIds(0), store, tmp_path / "run" / "shipper.json")
    store.store.close()
    writer.shut()


def test_the_next_batch_is_gathered_while_the_store_is_busy(school: School) -> None:
    """Of every worker, in order; of the last look's as of this one's."""
    other = SpoolWriter(school.spool, "w1", limits=SpoolLimits(ballast_bytes=0), rows=200)
    try:
        others_ids = RecordIds(1)
        done = fill(school.writer, school.ids, 700) + fill(other, others_ids, 500)
        order: list[int] = []
        school.store.fault = lambda rows: order.extend(row[0].id for row in rows)
        shipper = school.shipper(rows=200)
        assert shipper.drain()
        assert school.rows() == dict.fromkeys(done, "response")
        assert sorted(order) == sorted(done), "a row was handed over twice"
        assert [one for one in order if one in set(done[:700])] == done[:700]
        assert shipper.status().lag_events == 0
        if isinstance(school.store, BusyStore):
            calls = len(school.store.calls)
            assert school.store.portions == calls + calls - 1, "one to gather a batch, and one to free the one before"
    finally:
        other.shut()


def test_a_stored_batch_is_freed_while_the_store_is_busy_with_the_next(school: School) -> None:
    """Where it is waited for; the last one at once, for nobody knows when the next comes."""
    fill(school.writer, school.ids, 300)
    handed: list[Sequence[Row]] = []
    left: list[list[int]] = []

    def note(rows: Sequence[Row]) -> None:
        left.append([len(one) for one in handed])
        handed.append(rows)

    school.store.fault = note
    shipper = school.shipper(rows=200)
    assert shipper.drain()
    busy = isinstance(school.store, BusyStore)
    assert left == ([[], [0], [0, 0]] if busy else [[], [100], [100, 100]])
    assert len(handed[-1]) == 100
    assert not shipper._spent.go_on()


def test_nothing_is_searched_for_garbage_between_full_batches(school: School) -> None:
    """The next batch may be in hand already: each search would go through all of it."""
    done, told, before = fill(school.writer, school.ids, 500), list[str](), gc.get_threshold()

    def begins(phase: str, _: object) -> None:
        told.append(phase)

    school.store.fault = lambda rows: told.append("batch")
    gc.callbacks.append(begins)
    gc.set_threshold(1)
    try:
        assert school.shipper(rows=100).drain()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(begins)
    first, last = told.index("batch"), len(told) - told[::-1].index("batch")
    assert set(told[first:last]) == {"batch"}
    assert told.count("batch") == 10
    assert school.rows() == dict.fromkeys(done, "response")


@pytest.mark.parametrize("dies", [1, 2, 3])
def test_what_was_gathered_ahead_is_neither_lost_nor_doubled(school: School, dies: int) -> None:
    """The store goes away, again and again, with a batch under way and the next one in hand; then the shipper dies."""
    download = make_record(school.ids)
    school.writer.open(download)
    done = fill(school.writer, school.ids, 450)
    calls: list[int] = []

    def away(rows: Sequence[Row]) -> Exception | None:
        calls.append(len(rows))
        return AWAY if len(calls) % (dies + 1) == 0 else None

    school.store.fault = away
    first = school.shipper(rows=100)
    for _ in range(3):
        first.run_once()
    assert first.status().lag_events > 0, "what is in hand still lags"
    school.store.fault = lambda rows: None
    school.writer.close(download.id, DELIVERED)
    second = school.shipper(rows=100)
    assert second.drain()
    assert school.rows() == dict.fromkeys([*done, download.id], "response")
    assert not second.quarantine.folder.exists()


def test_what_cannot_be_gathered_ahead_is_gathered_again(school: School) -> None:
    """The disk takes no quarantine while the store is busy with the batch before: nothing is lost, the batch counts."""
    done = fill(school.writer, school.ids, 130)
    school.writer.shut()
    (*_, segment) = list_segments(school.spool)[school.writer.producer]
    with sqlite3.connect(segment.path(school.spool)) as connection:
        connection.execute(INSERT, (261, 77, b""))
    connection.close()
    in_the_way = school.spool / "quarantine"
    in_the_way.write_text("not a folder")
    shipper = school.shipper(rows=200)
    assert not shipper.drain()
    assert school.rows() == dict.fromkeys(done[:100], "response")
    in_the_way.unlink()
    assert shipper.drain()
    assert school.rows() == dict.fromkeys(done, "response")
    assert shipper.status().quarantined == 1


def test_a_bad_row_goes_to_the_quarantine_with_the_next_batch_in_hand(school: School) -> None:
    """Its neighbours are stored, and so is what was gathered meanwhile."""
    done = fill(school.writer, school.ids, 350)
    school.store.fault = failing_for(done[30], done[180])
    shipper = school.shipper(rows=100)
    for _ in range(12):
        shipper.run_once()
    assert school.rows() == dict.fromkeys([one for one in done if one not in (done[30], done[180])], "response")
    assert shipper.status().quarantined == 2
    assert shipper.status().lag_events == 0
