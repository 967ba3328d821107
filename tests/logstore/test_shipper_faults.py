"""One event, or one worker, that is at fault costs no other record.

Shows: `logstore.shipper`, `logstore.collecting`, `logstore.merge`.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgpack
import pytest

from logstore.encoding import (
    ENDING_FIELDS,
    EventKind,
    Fact,
    encode_close,
    encode_open,
    encode_over,
    encode_repeat,
)
from logstore.filter import LogFilter
from logstore.ids import RecordIds
from logstore.query import Archive
from logstore.reading import SpoolCursor
from logstore.segments import INSERT, list_segments
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from tests.logstore.spooling import DELIVERED, School, fill, make_record
from tests.logstore.test_shipper import AWAY

GARBAGE = b"\xc1garbage"


@pytest.fixture
def other(school: School) -> Iterator[SpoolWriter]:
    """A second worker, whose spool is looked at after the first one's."""
    writer = SpoolWriter(school.spool, "w1", limits=SpoolLimits(ballast_bytes=0))
    yield writer
    writer.shut()


def lay(school: School, events: Sequence[tuple[Any, Any]]) -> None:
    """Put events behind those of the worker, which is then dead, as they are."""
    school.writer.shut()
    (segment, *_) = list_segments(school.spool)[school.writer.producer]
    with sqlite3.connect(segment.path(school.spool)) as connection:
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM q").fetchone()
        for seq, (kind, payload) in enumerate(events, last + 1):
            connection.execute(INSERT, (seq, kind, payload))
    connection.close()


def flood(school: School, spoil: Callable[[bytes], bytes], place: int) -> list[int]:
    """A head and six that repeat it, of whose events the one at `place` is spoilt; the ids, the head's first."""
    head, *others = [make_record(school.ids, path="/poll") for _ in range(7)]
    events: list[tuple[int, bytes]] = [
        (EventKind.OPEN, encode_open(head)),
        (EventKind.HEAD, encode_close(head.id, DELIVERED)),
    ]
    for one in others:
        events += [
            (EventKind.OPEN, encode_open(one)),
            (EventKind.REPEAT, encode_repeat(one.id, DELIVERED, head.id)),
        ]
    events.append((EventKind.OVER, encode_over(head.id)))
    kind, payload = events[place]
    events[place] = (kind, spoil(payload))
    lay(school, events)
    return [head.id, *(one.id for one in others)]


def with_text_as(field: str) -> Callable[[bytes], bytes]:
    """A number of the ending becomes an empty text, as one flipped bit makes of 32."""

    def spoil(payload: bytes) -> bytes:
        parts = msgpack.unpackb(payload)
        parts[2][ENDING_FIELDS.index(field)] = ""
        spoilt: bytes = msgpack.packb(parts)
        return spoilt

    return spoil


def reasons(shipper: Shipper) -> list[str]:
    return [
        json.loads(line)["reason"]
        for path in shipper.quarantine.folder.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]


@pytest.mark.parametrize("spoil", [lambda payload: GARBAGE, with_text_as("bytes_up"), with_text_as("repeats")])
def test_a_head_whose_end_cannot_be_read_costs_no_repeat(school: School, spoil: Callable[[bytes], bytes]) -> None:
    """Each is a row of its own, the head is interrupted, and its end lies in the quarantine."""
    head, *others = flood(school, spoil, place=1)
    shipper = school.shipper()
    assert shipper.drain()
    assert school.rows() == {head: "interrupted", **dict.fromkeys(others, "response")}
    assert (shipper.status().quarantined, shipper.status().folded) == (1, 0)


@pytest.mark.parametrize("begins_later", [False, True])
def test_a_head_that_cannot_be_read_costs_no_repeat(school: School, begins_later: bool) -> None:
    """Each is a row of its own, wherever reading began; a restart does not double it."""
    if begins_later:
        done = fill(school.writer, school.ids, 3)
        assert school.shipper().drain()
        assert school.rows().keys() == set(done)
    _, *others = flood(school, lambda payload: GARBAGE, place=0)
    shipper = school.shipper()
    assert shipper.drain()
    assert shipper.status().quarantined == 1
    assert set(others) <= school.rows().keys()


@pytest.mark.parametrize("field", ["repeats", "bytes_up", "bytes_down"])
def test_a_repeat_that_cannot_be_counted_is_set_aside(school: School, field: str) -> None:
    """Its own record is interrupted; the others are counted in their head's row."""
    head, unlucky, *others = flood(school, with_text_as(field), place=3)
    shipper = school.shipper()
    assert shipper.drain()
    assert school.rows() == {head: "response", unlucky: "interrupted"}
    with Archive(school.store_folder) as archive:
        (row,) = [row for row in archive.walk(LogFilter(), rising=True) if row.record.id == head]
    assert (row.ending.repeats, row.ending.bytes_down) == (len(others), 6 * DELIVERED.bytes_down)
    assert shipper.status().quarantined == 1
    assert f"{field} is str" in reasons(shipper)[0]


@pytest.mark.parametrize("kind", ["text", b"bytes", 2.5])
def test_an_event_whose_kind_is_no_number_goes_to_the_quarantine(school: School, kind: Any) -> None:
    """Its neighbours are stored."""
    done = fill(school.writer, school.ids, 5)
    lay(school, [(kind, b"\x91\x01")])
    shipper = school.shipper()
    assert shipper.drain()
    assert school.rows().keys() == set(done)
    assert shipper.status().quarantined == 1


def test_a_record_whose_time_is_no_number_does_not_stop_the_status(school: School) -> None:
    """It is set aside, its neighbours are stored, and the status says so."""
    odd = dataclasses.replace(make_record(school.ids), time_us="")  # type: ignore[arg-type]
    fresh = make_record(school.ids)
    lay(
        school,
        [
            (EventKind.OPEN, encode_open(odd)), (EventKind.OPEN, encode_open(fresh)),
            (EventKind.CLOSE, encode_close(odd.id, DELIVERED)), (EventKind.CLOSE, encode_close(fresh.id, DELIVERED)),
        ],
    )  # fmt: skip
    shipper = school.shipper()
    for _ in range(4):
        shipper.run_once()
        shipper.tell()
    assert school.rows().keys() | {odd.id} == {odd.id, fresh.id}
    assert (odd.id in school.rows()) != bool(shipper.status().rejected)


def test_a_worker_whose_events_cannot_be_taken_stops_no_other(school: School, other: SpoolWriter) -> None:
    """The other's rows are stored at each look, the trouble is told, and what could not be taken comes later."""
    done = fill(school.writer, school.ids, 5)
    school.writer.fact("sign-in", {"user": "pupil-0417"})
    others_ids, at_fault = RecordIds(1), [True]

    def take(facts: Sequence[tuple[SpoolCursor, Fact]]) -> None:
        if at_fault[0]:
            raise KeyError("a bug in the taker of facts")

    shipper = school.shipper(facts=take, jitter=lambda: 1.0)
    stored: list[int] = []
    for _ in range(3):
        stored += fill(other, others_ids, 5)
        report = shipper.run_once()
        assert (report.ok, report.rows, report.more) == (False, 5, False)
        assert school.rows().keys() == set(stored)
        assert "a bug in the taker" in shipper.status().error
        assert shipper.status().lag_events == 11
        assert shipper._delay() == 1.0, "others are served: the next look is soon"
    assert shipper.status().failed == 3
    at_fault[0] = False
    assert shipper.drain()
    assert school.rows() == dict.fromkeys([*done, *stored], "response")
    assert (shipper.status().error, shipper.status().lag_events) == ("", 0)


def test_a_worker_alone_whose_events_cannot_be_taken_is_tried_less_and_less(school: School) -> None:
    """A look that moves nothing makes the next one wait longer."""
    school.writer.fact("sign-in", {})

    def take(facts: Sequence[tuple[SpoolCursor, Fact]]) -> None:
        raise KeyError("a bug")

    shipper = school.shipper(facts=take, jitter=lambda: 1.0)
    waits = []
    for _ in range(4):
        assert not shipper.run_once().ok
        waits.append(shipper._delay())
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_a_taker_that_is_away_stops_the_look(school: School, other: SpoolWriter) -> None:
    """That is no worker's fault: it is waited for, and nothing is lost."""
    school.writer.fact("sign-in", {})
    done = fill(other, RecordIds(1), 5)
    answers: list[Exception | None] = [AWAY, None]

    def take(facts: Sequence[tuple[SpoolCursor, Fact]]) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    shipper = school.shipper(facts=take)
    assert not shipper.run_once().ok
    assert school.store.calls == []
    assert shipper.drain()
    assert school.rows() == dict.fromkeys(done, "response")


def test_nothing_is_open_too_long_while_there_is_more_to_read(school: School) -> None:
    """A store that was away for a night: what was open then has ended since, further on in the spool."""
    page = make_record(school.ids)
    school.writer.open(page)
    done = fill(school.writer, school.ids, 30)
    school.writer.close(page.id, DELIVERED)
    assert school.shipper(rows=10, wait=0.0).drain()
    assert school.rows() == dict.fromkeys([page.id, *done], "response")
