"""Many plain events are read as one piece of bytes, and told as if each had been read by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstore.encoding import EventKind, Fact, encode_close, encode_fact, encode_open, encode_write
from logstore.ids import RecordIds
from logstore.merge import Merger
from logstore.reading import SpoolEvent, SpoolReader
from logstore.runs import run_of
from logstore.segments import INSERT, Segment, create_segment
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.unread import Row, pair_of
from tests.logstore.spooling import DELIVERED, fill, make_record

IDS = RecordIds(0)
RECORDS = [make_record(IDS) for _ in range(3)]
OPEN, CLOSE = int(EventKind.OPEN), int(EventKind.CLOSE)
OPENED, CLOSED = encode_open(RECORDS[0]), encode_close(RECORDS[0].id, DELIVERED)
type Lying = tuple[int, Any, Any]
PLAIN: list[Lying] = [
    (1, OPEN, OPENED), (2, OPEN, encode_open(RECORDS[1])), (3, CLOSE, CLOSED),
    (4, CLOSE, encode_close(RECORDS[1].id, DELIVERED)), (5, CLOSE, encode_close(RECORDS[2].id, DELIVERED)),
]  # fmt: skip


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A segment as a worker makes it, empty."""
    connection = create_segment(Segment("w0-77-abc", 1).path(tmp_path))
    yield connection
    connection.close()


def test_plain_events_are_told_together_as_one_by_one(segment: sqlite3.Connection) -> None:
    """From any event on, and however many: the rows and the orphans are those of the events themselves."""
    segment.executemany(INSERT, PLAIN)
    for after in range(len(PLAIN) + 1):
        for limit in range(1, len(PLAIN) + 2):
            run = run_of(segment, after, limit)
            assert run is not None
            assert (run.first, len(run.told)) == (after + 1, min(limit, len(PLAIN) - after))
            wanted = PLAIN[after : after + limit]
            together, single = Merger(), Merger()
            rows: list[Row] = []
            orphans = together.feed_run("w0", run.first, run.told, rows)
            came = [single.feed(SpoolEvent("w0", *event)) for event in wanted]
            assert list(map(pair_of, rows)) == [one for one in came if isinstance(one, tuple)]
            assert orphans == sum(one is not None and not isinstance(one, tuple) for one in came)
            assert together.cursor("w0", after + limit) == single.cursor("w0", after + limit)
            assert len(together) == len(single)


@pytest.mark.parametrize(
    ("what", "events"),
    [
        ("a hole", [PLAIN[0], *PLAIN[2:]]),
        ("a hole longer than what is read", [(n + 100, kind, payload) for n, kind, payload in PLAIN]),
        ("a fact", [*PLAIN, (6, int(EventKind.FACT), encode_fact(Fact("sign-in", 1, {})))]),
        ("a write", [*PLAIN, (6, int(EventKind.WRITE), encode_write(RECORDS[2], DELIVERED))]),
        ("an open that is said again", [*PLAIN, (6, int(EventKind.CARRY), OPENED)]),
        ("an ending that others repeat", [PLAIN[0], (2, int(EventKind.HEAD), CLOSED)]),
        ("an open called a close", [PLAIN[0], (2, CLOSE, encode_open(RECORDS[1]))]),
        ("a close called an open", [PLAIN[0], (2, OPEN, CLOSED)]),
        ("an unknown kind", [*PLAIN, (6, 77, CLOSED)]),
        ("a kind that is no number", [*PLAIN, (6, "close", CLOSED)]),
        ("an event cut short", [PLAIN[0], (2, CLOSE, CLOSED[:-1])]),
        ("an event that is too long", [PLAIN[0], (2, CLOSE, CLOSED + b"\xc0")]),
        ("bytes of one event in the one before", [(1, OPEN, OPENED + CLOSED[:20]), (2, CLOSE, CLOSED[20:])]),
        ("bytes of one event in the one behind", [(1, OPEN, OPENED[:-20]), (2, CLOSE, OPENED[-20:] + CLOSED)]),
        ("two events in one and none in the other", [(1, OPEN, OPENED + CLOSED), (2, CLOSE, b"")]),
        ("a text that is no UTF-8", [(1, OPEN, OPENED.replace(b"/maths/year-4", b"/maths/year-\xff"))]),
        ("an ending of no kind we know", [PLAIN[0], (2, CLOSE, CLOSED.replace(b"response", b"responce"))]),
        ("a later version", [(1, OPEN, b"\x92\x02" + OPENED[2:])]),
        ("no bytes at all", [(1, OPEN, b"")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_plain_is_left_to_reading_one_by_one(
    segment: sqlite3.Connection, what: str, events: list[Lying]
) -> None:
    segment.executemany(INSERT, events)
    assert run_of(segment, 0, 50) is None, what


def test_nothing_behind_the_last_event_is_a_run_of_none(segment: sqlite3.Connection) -> None:
    """So that nobody looks again one by one."""
    for events in ([], PLAIN):
        segment.executemany(INSERT, events)
        run = run_of(segment, len(events), 50)
        assert run is not None
        assert run.told == []


@pytest.mark.parametrize("limit", [1, 7, 40, 1000])
def test_a_reader_goes_on_from_run_to_run_and_from_segment_to_segment(tmp_path: Path, limit: int) -> None:
    """Each event once, in order, whoever reads in between; and at the end no segment is held open."""
    writer = SpoolWriter(tmp_path, "w0", limits=SpoolLimits(ballast_bytes=0), rows=40)
    done = fill(writer, RecordIds(0), 100)
    reader, merger = SpoolReader(tmp_path), Merger()
    (producer,) = reader.producers()
    rows: list[Row] = []
    runs = 0
    while (run := reader.read_run(producer, limit)) is None or run.told:
        if run is not None:
            assert merger.feed_run(producer.name, run.first, run.told, rows) == 0
            runs += 1
        if run is None or runs % 3 == 0:  # as where a segment begins with an open that is said again
            assert merger.feed_all(producer.name, reader.read_lying(producer, 3), rows) == []
    assert runs
    assert [row[0].id for row in rows] == done
    assert reader.position(producer.name) == reader.newest(producer)
    for segment in producer.segments:
        with sqlite3.connect(segment.path(tmp_path)) as connection:
            assert connection.execute("SELECT max(seq) FROM q").fetchone() == (reader.end_of(segment) or None,)
        connection.close()
    writer.shut()
    held = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    assert not [path for path in held if path.startswith(str(tmp_path)) and path.endswith(".seg")]


def test_a_spool_with_damage_is_read_one_by_one(tmp_path: Path) -> None:
    """There an ending without its beginning is kept, which needs the event itself."""
    writer = SpoolWriter(tmp_path, "w0", limits=SpoolLimits(ballast_bytes=0))
    fill(writer, RecordIds(0), 3)
    reader = SpoolReader(tmp_path)
    (producer,) = reader.producers()
    assert reader.read_run(producer, 2) is not None
    reader.gaps[producer.name] = 1
    assert reader.read_run(producer, 2) is None
    assert [event.seq for event in reader.read(producer, 10)] == [3, 4, 5, 6]
