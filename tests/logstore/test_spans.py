"""A group of repeats is read whole or not at all, whatever stands still, is destroyed or begins anew.

Shows: `logstore.spans`, `logstore.merge`, `logstore.collecting`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore.collecting import Collector
from logstore.encoding import EventKind
from logstore.filter import LogFilter
from logstore.ids import RecordIds
from logstore.merge import HEAD_EVENTS, TOO_MANY_OPEN, Merger, Orphan, interrupted
from logstore.quarantine import Quarantine
from logstore.query import Archive
from logstore.reading import SpoolCursor, SpoolReader
from logstore.segments import list_segments
from logstore.shipper import Shipper
from logstore.spans import Spans
from logstore.store import Store
from tests.logstore.spooling import DELIVERED, make_record, stored
from tests.logstore.test_flood import Clock, events_in, exchange, requests_of, writer_in
from tests.logstore.test_merge import RECORDS, closed, headed, opened, over, repeated


def test_a_cursor_lies_before_a_group_or_behind_it() -> None:
    """Those that overlap are one; what lies before the cursor is forgotten."""
    spans = Spans()
    for first, last in ((5, 9), (12, 20), (14, 21), (11, 22)):
        spans.add(first, last)
    assert [spans.before(cursor) for cursor in (3, 4, 5, 8, 9, 10, 11, 21)] == [3, 4, 4, 4, 9, 10, 10, 10]
    assert [spans.before(cursor) for cursor in (22, 30)] == [22, 30]


def test_the_cursor_cuts_no_group() -> None:
    """A page that is open behind a head's end keeps the cursor before the group, not before itself."""
    merger = Merger()
    merger.feed(opened(1, RECORDS[3]))
    merger.feed(closed(2, RECORDS[3]))
    for seq, record in enumerate(RECORDS[:2], 3):
        merger.feed(opened(seq, record, kind=EventKind.CARRY))
    merger.feed(headed(5, RECORDS[0]))
    merger.feed(headed(6, RECORDS[1]))
    merger.feed(opened(7, RECORDS[2]))
    for seq, head in enumerate(RECORDS[:2], 8):
        merger.feed(over(seq, head))
    merger.feed(opened(10, RECORDS[4]))
    assert merger.cursor("w0", 10) == 2
    merger.feed(closed(11, RECORDS[2]))
    assert merger.cursor("w0", 11) == 9, "the group is past, the page behind it is not"


def test_no_clock_settles_a_head() -> None:
    """A worker or its disk may stand still for an hour between two repeats; what is open meanwhile is told."""
    clock = Clock()
    merger = Merger(wait=60.0, most=1, clock=clock)
    for seq, record in enumerate(RECORDS[:3], 1):
        merger.feed(opened(seq, record))
    merger.feed(headed(4, RECORDS[0]))
    clock.now += 3600
    assert merger.overdue("w0", 4, all_read=False) == [
        (RECORDS[1], interrupted(TOO_MANY_OPEN)), (RECORDS[2], interrupted(TOO_MANY_OPEN)),
    ]  # fmt: skip
    merger.feed(opened(5, RECORDS[3]))
    clock.now += 3600
    assert merger.overdue("w0", 5, all_read=False) == [(RECORDS[3], interrupted(TOO_MANY_OPEN))]
    merger.feed(opened(6, RECORDS[4]))
    merger.feed(repeated(7, RECORDS[4], RECORDS[0]))
    row = merger.feed(over(8, RECORDS[0]))
    assert isinstance(row, tuple)
    assert row[1].repeats == 1


@pytest.mark.parametrize(("later", "last"), [(True, 20), (False, 2 + HEAD_EVENTS)])
def test_a_head_whose_over_was_destroyed_is_settled_by_events(later: bool, last: int) -> None:
    """By the OVER of a later one, or by more events than its second can have had; one before is not enough."""
    merger = Merger()
    merger.feed(opened(1, RECORDS[0], kind=EventKind.CARRY))
    merger.feed(headed(2, RECORDS[0]))
    assert merger.overdue("w0", 1 + HEAD_EVENTS) == []
    if later:
        merger.feed(opened(15, RECORDS[1], kind=EventKind.CARRY))
        merger.feed(headed(16, RECORDS[1]))
        assert merger.overdue("w0", 16) == []
        assert isinstance(merger.feed(over(17, RECORDS[1])), tuple)
    assert merger.overdue("w0", last + 1) == [(RECORDS[0], DELIVERED)]
    assert (merger.cursor("w0", last + 1), len(merger)) == (last + 1, 0)


def test_a_record_that_was_given_up_counts_no_repeats() -> None:
    """Its row is stored already: those that repeat it are rows of their own, however often it is said again."""
    merger = Merger(most=1)
    for seq, record in enumerate(RECORDS[:2], 1):
        merger.feed(opened(seq, record))
    assert merger.overdue("w0", 2) == [(RECORDS[0], interrupted(TOO_MANY_OPEN))]
    assert merger.feed(opened(3, RECORDS[0], kind=EventKind.CARRY)) is None
    assert merger.feed(headed(4, RECORDS[0])) == Orphan(RECORDS[0].id)
    assert merger.feed(repeated(5, RECORDS[1], RECORDS[0])) == (RECORDS[1], DELIVERED)


@dataclasses.dataclass
class Life:
    """One life of a shipper whose clock passes when told: it reads a spool into a store, batch by batch."""

    spool: Path
    store: Store
    clock: Clock
    rows: int = 1_000

    def __post_init__(self) -> None:
        """It knows what the store knows."""
        merger = Merger(clock=self.clock)
        self.reader = SpoolReader(self.spool)
        self.collector = Collector(
            self.reader, merger, Quarantine(self.spool), self.rows, None, lambda: datetime.now(UTC)
        )
        self.stored = self.store.cursors()
        for name, seq in self.stored.items():
            self.reader.seek(SpoolCursor(name, seq))

    def look(self) -> None:
        """All that lies there."""
        for producer in self.reader.producers():
            more = True
            while more:
                gathering = self.collector.begin(SpoolCursor(producer.name, self.stored.get(producer.name, 0)))
                batch = self.collector.finish(gathering, producer)
                self.store.append(batch.rows, batch.cursor)
                self.stored[producer.name] = batch.cursor.seq
                more = batch.events >= self.rows


def requests_in(folder: Path) -> int:
    with Archive(folder) as archive:
        return requests_of([(row.record, row.ending) for row in archive.walk(LogFilter(), rising=True)])


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_flood_whose_worker_stood_still_for_an_hour_loses_no_repeat(
    tmp_path: Path, download: bool, restarts: bool
) -> None:
    """The shipper reads half, waits, perhaps begins anew, and reads the rest; a download may keep its place back."""
    clock, waiting, ids, spool = Clock(), Clock(), RecordIds(0), tmp_path / "spool"
    writer = writer_in(spool, clock)
    exchange(writer, ids, path="/before")
    if download:
        writer.open(make_record(ids, path="/film"))
    with Store(tmp_path / "store") as store:
        life = Life(spool, store, waiting)
        for _ in range(2):
            for _ in range(6):
                exchange(writer, ids)
            life.look()
            waiting.now += 3_600
            life.look()
            if restarts:
                life = Life(spool, store, waiting)
        writer.shut()
        life.look()
    assert requests_in(tmp_path / "store") == 13 + download


@pytest.mark.parametrize("destroyed", [None, EventKind.HEAD, EventKind.CARRY])
def test_a_restart_in_a_damaged_spool_doubles_nothing(tmp_path: Path, destroyed: EventKind | None) -> None:
    """A page that was open within the flood makes the shipper read part of it again; missing is the beginning of the
    flood, its head's end, or the beginning of the last page, long after."""
    clock, ids, spool = Clock(), RecordIds(0), tmp_path / "spool"
    writer = writer_in(spool, clock)
    for _ in range(5):
        exchange(writer, ids)
    page = make_record(ids, path="/film")
    writer.open(page)
    for _ in range(5):
        exchange(writer, ids)
    clock.now += 1.0
    for _ in range(2):
        exchange(writer, ids, path="/after")
    kinds = [event.kind for event in events_in(spool)]
    lost = 1 + (len(kinds) - 2 if destroyed is None else kinds.index(destroyed))
    segment, *_ = list_segments(spool)[writer.producer]
    with contextlib.closing(sqlite3.connect(segment.path(spool), timeout=10)) as connection, connection:
        connection.execute("DELETE FROM q WHERE seq = ?", (lost,))
    shippers = [Shipper(spool, lambda: Store(tmp_path / "store")) for _ in range(3)]
    for shipper in shippers[:2]:
        assert shipper.drain()
        shipper.close()
    writer.close(page.id, DELIVERED)
    writer.shut()
    assert shippers[2].drain()
    assert shippers[2].status().missing_events == 1
    shippers[2].close()
    stored(tmp_path / "store")
    assert requests_in(tmp_path / "store") == (13 if destroyed else 12)
