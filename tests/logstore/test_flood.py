"""A device that floods is counted to the last request, in few rows, whoever is killed; what is blocked never is."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest

from logstore.encoding import EventKind, encode_open
from logstore.filter import LogFilter
from logstore.flood import LONGEST, Flood, may_fold
from logstore.gateways import node_of
from logstore.ids import RecordIds
from logstore.merge import Merger, Orphan
from logstore.query import Archive
from logstore.reading import SpoolEvent, SpoolReader
from logstore.record import Ending, EndingKind, LogRecord
from logstore.shipper import Shipper
from logstore.spool import SpoolFull, SpoolLimits, SpoolWriter
from logstore.stats import top, totals
from logstore.store import Store
from logstore.unread import Pair
from tests.logstore.spooling import DELIVERED, make_record, stored

BLOCKED = Ending(kind=EndingKind.BLOCKED, status=403)


class Clock:
    """Seconds that only pass when told."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def writer_in(folder: Path, clock: Clock, worker: str = "w0", after: int = 2) -> SpoolWriter:
    return SpoolWriter(
        folder, worker, limits=SpoolLimits(ballast_bytes=0), rows=40, flood=Flood(after=after, clock=clock)
    )


def exchange(writer: SpoolWriter, ids: RecordIds, path: str = "/poll", **ending: Any) -> LogRecord:
    record = make_record(ids, path=path)
    writer.open(record)
    writer.close(record.id, dataclasses.replace(DELIVERED, **ending))
    return record


def requests_of(rows: list[Pair]) -> int:
    return sum(1 + ending.repeats for _, ending in rows)


def events_in(folder: Path) -> list[SpoolEvent]:
    reader = SpoolReader(folder)
    return [event for producer in reader.producers() for event in reader.read(producer, 100_000)]


def test_the_first_of_a_second_are_rows_and_the_others_stand_in_one() -> None:
    """And the next second begins anew."""
    clock, ids = Clock(), RecordIds(0)
    flood = Flood(after=2, clock=clock)
    assert flood.over() == ()
    made = [make_record(ids) for _ in range(5)]
    places = [flood.place(one.id, encode_open(one), DELIVERED) for one in made]
    assert places == [None, None, made[2].id, made[2].id, made[2].id]
    clock.now += 1.0
    assert flood.over() == (made[2].id,)
    assert flood.place(made[0].id, encode_open(made[0]), DELIVERED) is None


@pytest.mark.parametrize(
    "other",
    [
        {"user": "pupil-0418"}, {"device": None}, {"host": "example.org"}, {"path": "/other"}, {"query": None},
        {"method": "POST"}, {"category": "games"}, {"site": "beech"}, {"note": "warn-continued"},
    ],
)  # fmt: skip
def test_only_what_is_alike_is_counted_together(other: dict[str, Any]) -> None:
    """Anything recorded that differs makes another row of it."""
    flood, ids = Flood(after=1), RecordIds(0)
    flood.over()
    first, second = make_record(ids), make_record(ids)
    flood.place(first.id, encode_open(first), DELIVERED)
    assert flood.place(second.id, encode_open(second), DELIVERED) == second.id
    third = dataclasses.replace(make_record(ids), **other)
    assert flood.place(third.id, encode_open(third), DELIVERED) is None
    fourth = make_record(ids)
    gone = dataclasses.replace(DELIVERED, status=304)
    assert flood.place(fourth.id, encode_open(fourth), gone) == fourth.id
    fifth = make_record(ids)
    assert flood.place(fifth.id, encode_open(fifth), DELIVERED) == second.id


def test_what_is_blocked_is_never_folded(tmp_path: Path) -> None:
    """Neither at the decision nor later: each attempt is a row."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path / "spool", clock)
    assert not may_fold(dataclasses.replace(make_record(ids), action="block", blocked=True))
    assert not may_fold(dataclasses.replace(make_record(ids), action="warn"))
    for _ in range(30):
        record = dataclasses.replace(make_record(ids), action="block", blocked=True)
        writer.open(record)
        writer.close(record.id, BLOCKED)
        exchange(writer, ids, blocked=True, action="block", kind=EndingKind.BLOCKED)
        exchange(writer, ids, path="/late", blocked=True, action="block")
    writer.shut()
    shipper = Shipper(tmp_path / "spool", lambda: Store(tmp_path / "store"))
    assert shipper.drain()
    assert (shipper.status().shipped, shipper.status().folded) == (90, 0)
    shipper.close()


@pytest.mark.parametrize("destroyed", [(), (EventKind.HEAD,), (EventKind.OVER,), (EventKind.HEAD, EventKind.OVER)])
@pytest.mark.parametrize("seed", range(12))
def test_every_request_is_counted_once_whenever_the_shipper_is_killed(
    tmp_path: Path, seed: int, destroyed: tuple[EventKind, ...]
) -> None:
    """Exchanges overlap, segments change, reading begins again at the cursor at any moment; also where every other
    event that leads or ends a group is lost: then its head is interrupted, and each that repeats it a row."""
    chance, clock, ids = random.Random(seed), Clock(), RecordIds(0)
    writer = writer_in(tmp_path, clock)
    running: list[LogRecord] = []
    opened = ended = 0
    for _ in range(400):
        clock.now += chance.choice((0.0, 0.001, 0.01, 0.3))
        if running and chance.random() < 0.55:
            record = running.pop(chance.randrange(len(running)))
            writer.close(record.id, dataclasses.replace(DELIVERED, bytes_down=7, status=chance.choice((200, 200, 304))))
            ended += 1
        else:
            running.append(make_record(ids, path=chance.choice(("/poll", "/poll", "/a"))))
            writer.open(running[-1])
            opened += 1
    events = [one for one in events_in(tmp_path) if one.kind not in destroyed or chance.random() < 0.5]
    found: dict[int, Pair] = {}
    cursor, folded = 0, 0
    while cursor < events[-1].seq:
        merger, read = Merger(), cursor
        last = chance.random() < 0.2  # else it is killed on the way, before or after the cursor was stored
        stop = events[-1].seq if last else min(events[-1].seq, cursor + chance.randrange(1, 120))
        rows: list[Pair] = []
        for event in events:
            if cursor < event.seq <= stop:
                merged, read = merger.feed(event), event.seq
                assert merged is None or isinstance(merged, (tuple, Orphan))
                rows += [merged] if isinstance(merged, tuple) else []
        rows += merger.overdue(writer.producer, read)
        for row in rows:
            assert found.setdefault(row[0].id, row) == row, "the same row came with another content"
        if last or chance.random() < 0.7:
            cursor = max(cursor, merger.cursor(writer.producer, read))
        if last:
            folded = merger.folded
            for row in merger.ended(writer.producer):
                assert found.setdefault(row[0].id, row) == row
            break
    else:
        folded = 1
    writer.shut()
    through = [row for row in found.values() if row[1].kind is EndingKind.RESPONSE]
    assert requests_of(list(found.values())) == opened
    if EventKind.HEAD not in destroyed:
        assert requests_of(through) == ended
        assert sum(row[1].bytes_down for row in through) == 7 * ended
    assert folded or any(row[1].repeats for row in through)


def test_a_flood_through_shipper_and_store_is_counted(tmp_path: Path) -> None:
    """Two gateways, one store; the shippers begin anew in the middle; totals and rankings tell every request."""
    folder = tmp_path / "store"
    made = 0
    for number in range(2):
        clock, ids, spool = Clock(), RecordIds(node_of(number, 0)), tmp_path / f"spool{number}"
        writer = writer_in(spool, clock, f"gateway{number}_worker0")
        download = make_record(ids, path="/film")
        writer.open(download)  # keeps the cursor back: all that follows comes again
        for second in range(4):
            for _ in range(50):
                exchange(writer, ids)
            exchange(writer, ids, path=f"/page/{second}")
            clock.now += 1.0
            made += 51
            shipper = Shipper(spool, lambda: Store(folder), rows=37)
            shipper.drain()
            shipper.close()
        writer.close(download.id, DELIVERED)
        made += 1
        writer.shut()
        shipper = Shipper(spool, lambda: Store(folder), rows=37)
        assert shipper.drain()
        shipper.close()
    rows = stored(folder)
    assert len(rows) == 2 * (4 * (3 + 1) + 1)
    assert set(rows.values()) == {"response"}
    with Archive(folder) as archive:
        sums = totals(archive, LogFilter())
        assert (sums.rows, sums.blocked, sums.bytes_down) == (made, 0, made * DELIVERED.bytes_down)
        (place,) = top(archive, LogFilter(), "user")
        assert (place.rows, place.bytes) == (made, made * DELIVERED.bytes_down)


def test_a_worker_that_dies_in_a_flood_leaves_what_it_counted(tmp_path: Path) -> None:
    """The head has its ending, not *interrupted*; what was still open is interrupted, a row each."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path / "spool", clock)
    for _ in range(10):
        exchange(writer, ids)
    writer.open(make_record(ids))
    writer.shut()
    shipper = Shipper(tmp_path / "spool", lambda: Store(tmp_path / "store"))
    assert shipper.drain()
    shipper.close()
    with Archive(tmp_path / "store") as archive:
        rows = [(row.record, row.ending) for row in archive.walk(LogFilter(), rising=True)]
    assert [ending.kind for _, ending in rows] == [EndingKind.RESPONSE] * 3 + [EndingKind.INTERRUPTED]
    assert requests_of(rows) == 11


def test_a_flood_before_a_quiet_hour_is_over_too(tmp_path: Path) -> None:
    """Nothing ends that could say so: the worker says it by itself, once its second is over and not before."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path, clock)
    for _ in range(9):
        exchange(writer, ids)
    writer.settle()
    assert EventKind.OVER not in {event.kind for event in events_in(tmp_path)}
    clock.now += 1.0
    writer.settle()
    writer.settle()
    assert [event.kind for event in events_in(tmp_path)].count(EventKind.OVER) == 1
    writer.shut()
    writer.settle()


def test_what_lasts_long_is_a_row_of_its_own(tmp_path: Path) -> None:
    """The shipper gives up what is open for hours, and a head's row must not stand in the store before its repeats."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path, clock, after=1)
    old, young = [make_record(ids, path="/poll") for _ in range(3)], [make_record(ids, path="/poll") for _ in range(3)]
    for record in old:
        writer.open(record)
    clock.now += LONGEST + 1
    for record in young:
        writer.open(record)
    for record in (*old, *young):
        writer.close(record.id, DELIVERED)
    ends = [event.kind for event in events_in(tmp_path)[len(old) + len(young) :]]
    writer.shut()
    assert ends == [EventKind.CLOSE] * 4 + [EventKind.CARRY, EventKind.HEAD, EventKind.REPEAT]


def test_a_flood_that_lasts_keeps_the_place_in_the_spool_back_for_no_longer_than_a_second(tmp_path: Path) -> None:
    """Exchanges of one second end in the next, and groups that overlapped would hang together without end."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path, clock)
    running = [make_record(ids) for _ in range(10)]
    for record in running:
        writer.open(record)
    merger, read, furthest = Merger(), 0, 0
    for _ in range(30):
        for _ in range(20):
            running.append(make_record(ids))
            writer.open(running[-1])
            writer.close(running.pop(0).id, DELIVERED)
            clock.now += 0.05
        for event in events_in(tmp_path)[read:]:
            merger.feed(event)
            read = event.seq
        furthest = max(furthest, read - merger.cursor(writer.producer, read))
    writer.shut()
    assert merger.folded > 300
    assert furthest < 120, "two seconds of a flood are some 90 events"


class Cramped(SpoolWriter):
    """A disk that has no room just when it is to be said that a second is over, and some again right after."""

    cramped = False

    def _append(self, kind: int, payload: bytes) -> None:
        if self.cramped and kind == EventKind.OVER:
            raise SpoolFull("no room")
        super()._append(kind, payload)


@pytest.mark.parametrize("cramped", [False, True])
def test_nothing_is_folded_before_the_second_before_is_said_to_be_over(tmp_path: Path, cramped: bool) -> None:
    """Groups that overlap would hang together: what ends meanwhile is a row of its own."""
    clock, ids = Clock(), RecordIds(0)
    writer = Cramped(tmp_path, "w0", limits=SpoolLimits(ballast_bytes=0), flood=Flood(after=2, clock=clock))
    for _ in range(9):
        exchange(writer, ids)
    clock.now += 1.0
    writer.cramped = cramped
    for _ in range(9):
        exchange(writer, ids)
    writer.cramped = False
    writer.settle()
    kinds = [event.kind for event in events_in(tmp_path)]
    writer.shut()
    assert (kinds.count(EventKind.HEAD), kinds.count(EventKind.OVER)) == ((1, 1) if cramped else (2, 1))
    assert kinds.count(EventKind.CLOSE) == (2 + 9 if cramped else 4)


def test_a_repeat_whose_head_was_destroyed_is_a_row(tmp_path: Path) -> None:
    """A damaged spool costs what was damaged, nothing else; wherever reading begins."""
    clock, ids = Clock(), RecordIds(0)
    writer = writer_in(tmp_path, clock, after=1)
    for _ in range(4):
        exchange(writer, ids)
    events = events_in(tmp_path)
    writer.shut()
    rest = [event for event in events if event.seq not in {3, 4}]  # without the head's OPEN and its CARRY
    came = [merger.feed(event) for merger in [Merger()] for event in rest]
    assert len([one for one in came if isinstance(one, Orphan)]) == 1
    assert requests_of([one for one in came if isinstance(one, tuple)]) == 3
    came = [merger.feed(event) for merger in [Merger()] for event in rest if event.seq > 2]
    assert requests_of([one for one in came if isinstance(one, tuple)]) == 2
