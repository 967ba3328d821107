"""Opens and closes become one row each, in whatever order exchanges end."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logstore.encoding import (
    ENDING_FIELDS,
    EncodingProblem,
    EventKind,
    Fact,
    decode_open,
    encode_close,
    encode_fact,
    encode_open,
    encode_over,
    encode_repeat,
    encode_write,
)
from logstore.ids import RecordIds
from logstore.merge import STILL_OPEN, TOO_MANY_OPEN, WORKER_ENDED, Merger, Orphan, interrupted
from logstore.reading import SpoolEvent
from logstore.record import LogRecord
from logstore.unread import Row, pair_of
from tests.logstore.spooling import DELIVERED, make_record

IDS = RecordIds(0)
RECORDS = [make_record(IDS, path=f"/{number}") for number in range(12)]


def opened(seq: int, record: LogRecord, producer: str = "w0", kind: EventKind = EventKind.OPEN) -> SpoolEvent:
    return SpoolEvent(producer, seq, kind, encode_open(record))


def closed(seq: int, record: LogRecord, producer: str = "w0") -> SpoolEvent:
    return SpoolEvent(producer, seq, EventKind.CLOSE, encode_close(record.id, DELIVERED))


class Clock:
    """Seconds that only pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_open_and_its_close_are_one_row() -> None:
    """The row comes with the close."""
    merger = Merger()
    assert merger.feed(opened(1, RECORDS[0])) is None
    assert len(merger) == 1
    assert merger.feed(closed(2, RECORDS[0])) == (RECORDS[0], DELIVERED)
    assert len(merger) == 0


def test_a_write_and_a_fact_come_through_at_once() -> None:
    """Nothing waits for them."""
    merger = Merger()
    fact = Fact("sign-in", 5, {"user": "pupil-0417"})
    both = SpoolEvent("w0", 1, EventKind.WRITE, encode_write(RECORDS[0], DELIVERED))
    assert merger.feed(both) == (RECORDS[0], DELIVERED)
    assert merger.feed(SpoolEvent("w0", 2, EventKind.FACT, encode_fact(fact))) == fact


def test_the_cursor_stays_before_the_oldest_open_record() -> None:
    """So that it is read again when the shipper dies."""
    merger = Merger()
    for seq, event in enumerate([opened(1, RECORDS[0]), opened(2, RECORDS[1]), closed(3, RECORDS[1])], 1):
        merger.feed(event)
        assert merger.cursor("w0", seq) == 0
    merger.feed(closed(4, RECORDS[0]))
    assert merger.cursor("w0", 4) == 4


def test_a_carried_record_lets_the_cursor_go_on() -> None:
    """The later saying of it is enough."""
    merger = Merger()
    merger.feed(opened(1, RECORDS[0]))
    merger.feed(opened(90, RECORDS[0], kind=EventKind.CARRY))
    assert merger.cursor("w0", 95) == 89
    assert merger.feed(closed(96, RECORDS[0])) == (RECORDS[0], DELIVERED)


def test_a_close_whose_record_was_settled_before_is_an_orphan() -> None:
    """After a restart it is read again, its open perhaps not."""
    assert Merger().feed(closed(7, RECORDS[0])) == Orphan(RECORDS[0].id)


def test_what_a_dead_worker_left_open_is_interrupted() -> None:
    """Its own records only."""
    merger = Merger()
    merger.feed(opened(1, RECORDS[0]))
    merger.feed(opened(1, RECORDS[1], producer="w1"))
    assert merger.ended("w0") == [(RECORDS[0], interrupted(WORKER_ENDED))]
    assert merger.ended("w0") == []
    assert merger.cursor("w0", 9) == 9
    assert len(merger) == 1


def test_a_living_workers_long_download_is_shown_after_a_while() -> None:
    """Carrying it on does not make it young again."""
    clock = Clock()
    merger = Merger(wait=6 * 3600, clock=clock)
    merger.feed(opened(1, RECORDS[0]))
    clock.now += 6 * 3600 - 1
    merger.feed(opened(50, RECORDS[0], kind=EventKind.CARRY))
    assert merger.overdue("w0") == []
    clock.now += 1
    assert merger.overdue("w0") == [(RECORDS[0], interrupted(STILL_OPEN))]
    assert merger.cursor("w0", 60) == 60


def test_what_waits_is_bounded() -> None:
    """The oldest make room."""
    merger = Merger(most=5)
    for seq, record in enumerate(RECORDS[:8], 1):
        merger.feed(opened(seq, record))
    assert merger.overdue("w0") == [(record, interrupted(TOO_MANY_OPEN)) for record in RECORDS[:3]]
    assert len(merger) == 5


@st.composite
def school_hours(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Opens and closes in any order in which they can happen; some never close."""
    script: list[tuple[str, int]] = []
    running: list[int] = []
    waiting = list(range(len(RECORDS)))
    for _ in range(draw(st.integers(0, 3 * len(RECORDS)))):
        what = draw(st.sampled_from(["open", "close", "carry"]))
        if what == "open" and waiting:
            running.append(waiting.pop(0))
            script.append((what, running[-1]))
        elif what == "close" and running:
            script.append((what, running.pop(draw(st.integers(0, len(running) - 1)))))
        elif what == "carry" and running:
            script.append((what, draw(st.sampled_from(running))))
    return script


@given(school_hours(), st.data())
def test_every_open_becomes_one_row_and_a_restart_anywhere_loses_none(
    script: list[tuple[str, int]], data: st.DataObject
) -> None:
    """A shipper that dies at any event and starts at its cursor gives, with what it gave before, the same rows."""
    kinds = {"open": EventKind.OPEN, "carry": EventKind.CARRY}
    events = [
        closed(seq, RECORDS[n]) if what == "close" else opened(seq, RECORDS[n], kind=kinds[what])
        for seq, (what, n) in enumerate(script, 1)
    ]
    dies_after = data.draw(st.integers(0, len(events)))
    rows: dict[int, str] = {}

    def take(merged: object) -> None:
        if isinstance(merged, tuple):
            rows.setdefault(merged[0].id, str(merged[1].kind))

    first = Merger()
    for event in events[:dies_after]:
        take(first.feed(event))
    second = Merger()
    for event in events[first.cursor("w0", dies_after) :]:
        take(second.feed(event))
    for row in second.ended("w0"):
        take(row)
    began = {RECORDS[n].id for what, n in script if what == "open"}
    ended = {RECORDS[n].id for what, n in script if what == "close"}
    assert rows.keys() == began
    assert {one for one, kind in rows.items() if kind == "response"} == ended


def test_a_record_changed_by_nobody_stays_as_it_was() -> None:
    """The merger hands over what it was given."""
    record = dataclasses.replace(RECORDS[0], note="x")
    merger = Merger()
    merger.feed(opened(1, record))
    row = merger.feed(closed(2, record))
    assert isinstance(row, tuple)
    assert row[0] == record


EVENTS = [
    *(opened(number, record)[1:] for number, record in enumerate(RECORDS, 1)),
    *(closed(number, record)[1:] for number, record in enumerate(RECORDS, 10)),
    (20, EventKind.WRITE, encode_write(RECORDS[0], DELIVERED)),
    (21, EventKind.FACT, encode_fact(Fact("sign-in", 5, {}))),
    (22, 77, b""),
    (23, EventKind.OPEN, b"\x92\x63\xc0"),
    (24, None, None),
    (25, EventKind.CLOSE, "no bytes"),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_events_fed_together_become_what_they_become_alone(events: list[tuple[int, int, bytes]]) -> None:
    """Rows in order; facts, orphans and what cannot be read with the event they are."""
    one, all_of_them = Merger(clock=lambda: 0.0), Merger(clock=lambda: 0.0)
    rows, others = [], []
    for event in events:
        try:
            merged = one.feed(SpoolEvent("w0", *event))
        except EncodingProblem as problem:
            others.append((event, str(problem)))
            continue
        if isinstance(merged, tuple):
            rows.append(merged)
        elif merged is not None:
            others.append((event, str(merged)))
    found: list[Row] = []
    told = all_of_them.feed_all("w0", events, found)
    assert ([pair_of(row) for row in found], [(event, str(other)) for event, other in told]) == (rows, others)
    assert (len(one), one.cursor("w0", 99)) == (len(all_of_them), all_of_them.cursor("w0", 99))


def headed(seq: int, record: LogRecord) -> SpoolEvent:
    return SpoolEvent("w0", seq, EventKind.HEAD, encode_close(record.id, DELIVERED))


def repeated(seq: int, record: LogRecord, head: LogRecord) -> SpoolEvent:
    return SpoolEvent("w0", seq, EventKind.REPEAT, encode_repeat(record.id, DELIVERED, head.id))


def over(seq: int, head: LogRecord) -> SpoolEvent:
    return SpoolEvent("w0", seq, EventKind.OVER, encode_over(head.id))


def test_a_repeat_whose_head_has_no_end_is_a_row() -> None:
    """The end could not be read: nothing will count the repeat."""
    merger = Merger()
    for seq, record in enumerate(RECORDS[:2], 8):
        merger.feed(opened(seq, record))
    assert merger.feed(repeated(10, RECORDS[1], RECORDS[0])) == (RECORDS[1], DELIVERED)
    assert merger.ended("w0") == [(RECORDS[0], interrupted(WORKER_ENDED))]


@pytest.mark.parametrize("first", [1, 8])
def test_a_repeat_without_a_head_is_a_row(first: int) -> None:
    """Wherever reading began: a head that has counted it would have been read again with it."""
    merger = Merger()
    merger.feed(opened(first, RECORDS[1]))
    assert merger.feed(repeated(first + 1, RECORDS[1], RECORDS[0])) == (RECORDS[1], DELIVERED)


def test_a_head_keeps_what_was_counted_whatever_else_names_it() -> None:
    """An id with a flipped bit may be the head's: it ends once, and its OVER gives its row."""
    merger = Merger()
    for seq, record in enumerate(RECORDS[:3], 1):
        merger.feed(opened(seq, record))
    merger.feed(headed(4, RECORDS[0]))
    merger.feed(repeated(5, RECORDS[1], RECORDS[0]))
    assert merger.feed(closed(6, RECORDS[0])) == Orphan(RECORDS[0].id)
    assert merger.feed(headed(7, RECORDS[0])) == Orphan(RECORDS[0].id)
    assert merger.feed(opened(8, RECORDS[0])) is None
    with pytest.raises(EncodingProblem, match="repeats itself"):
        merger.feed(repeated(9, RECORDS[0], RECORDS[0]))
    assert (merger.cursor("w0", 9), len(merger)) == (0, 2)
    row = merger.feed(over(10, RECORDS[0]))
    assert isinstance(row, tuple)
    assert (row[0], row[1].repeats, row[1].bytes_down) == (RECORDS[0], 1, 2 * DELIVERED.bytes_down)
    assert (merger.cursor("w0", 10), len(merger)) == (0, 1)


@pytest.mark.parametrize("field", ["repeats", "bytes_up", "bytes_down"])
@pytest.mark.parametrize("odd", ["", None, 1.5, True, (1,)])
def test_an_end_that_cannot_be_added_up_is_no_event(field: str, odd: Any) -> None:
    """The record it names stays open, the head as it was."""
    merger = Merger()
    for seq, record in enumerate(RECORDS[:3], 1):
        merger.feed(opened(seq, record))
    merger.feed(headed(4, RECORDS[0]))
    for event in (headed(5, RECORDS[1]), repeated(5, RECORDS[1], RECORDS[0])):
        parts = msgpack.unpackb(event.payload)
        parts[2][ENDING_FIELDS.index(field)] = odd
        with pytest.raises(EncodingProblem, match=f"{field} is {type(odd).__name__}"):
            merger.feed(event._replace(payload=msgpack.packb(parts)))
    assert (len(merger), merger.folded) == (3, 0)
    assert merger.feed(closed(6, RECORDS[1])) == (RECORDS[1], DELIVERED)


FLOOD = [
    *(opened(seq, record) for seq, record in enumerate(RECORDS[:3], 1)),
    closed(4, RECORDS[1]),
    headed(5, RECORDS[0]),
    repeated(6, RECORDS[2], RECORDS[0]),
    *(opened(seq, record) for seq, record in enumerate(RECORDS[3:9], 7)),
    *(repeated(seq, record, RECORDS[0]) for seq, record in enumerate(RECORDS[3:7], 13)),
    opened(17, RECORDS[7], kind=EventKind.CARRY),
    over(18, RECORDS[0]),
    closed(19, RECORDS[7]),
]
"""A flood of six among other pages; one page stays open."""
ODD = st.sampled_from([None, True, -1, 2**63, 2**64 - 1, 1.5, "", "x", b"x", [], [1], {}, {"a": 1}])


@st.composite
def mutated(draw: st.DrawFn, payload: bytes) -> Any:
    """A payload with flipped bits, another value in it, or another payload altogether."""
    how = draw(st.sampled_from(["bits", "bits", "value", "value", "cut", "other"]))
    if how == "bits":
        places = draw(st.lists(st.integers(0, 8 * len(payload) - 1), min_size=1, max_size=2, unique=True))
        number = int.from_bytes(payload)
        for place in places:
            number ^= 1 << place
        return number.to_bytes(len(payload))
    if how == "cut":
        return payload[: draw(st.integers(0, len(payload) - 1))]
    if how == "other":
        return draw(st.sampled_from([None, "text", 5, b"", b"\xc1garbage"]))
    parts = msgpack.unpackb(payload)
    within = next((part for part in parts if isinstance(part, list)), None)
    if within is not None and draw(st.integers(0, 3)):
        within[draw(st.integers(0, len(within) - 1))] = draw(ODD)
    else:
        parts[draw(st.integers(0, len(parts) - 1))] = draw(ODD)
    return msgpack.packb(parts)


@settings(max_examples=400)
@given(st.lists(st.integers(0, len(FLOOD) - 1), min_size=1, max_size=4, unique=True), st.data())
def test_whatever_an_event_says_no_opened_record_is_lost(places: list[int], data: st.DataObject) -> None:
    """It is stored, or waits, or is counted in a row that is; nothing but a problem with the event comes out."""
    events: list[tuple[Any, Any, Any]] = [event[1:] for event in FLOOD]
    for place in places:
        seq, kind, payload = events[place]
        if data.draw(st.integers(0, 9)):
            payload = data.draw(mutated(payload))
        else:
            kind = data.draw(st.sampled_from([None, "1", 0, 99, 2.5, b"x", -1]))
        events[place] = (seq, kind, payload)
    merger = Merger()
    rows: list[Row] = []
    others = merger.feed_all("w0", events, rows)
    unread = [event for event, other in others if isinstance(other, EncodingProblem)]
    pairs = [pair_of(row) for row in rows] + merger.overdue("w0") + merger.ended("w0")
    assert len(merger) == 0
    was_opened: list[int] = []
    for event in events:
        if event not in unread and event[1] in (EventKind.OPEN, EventKind.CARRY):
            with contextlib.suppress(EncodingProblem):
                was_opened.append(decode_open(event[2]).id)
    lost = set(was_opened) - {record.id for record, _ in pairs}
    assert len(lost) <= merger.folded, "neither a row nor counted in one"
