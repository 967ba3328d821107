"""Opens and closes become one row each, in whatever order exchanges end."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from logstore.encoding import EncodingProblem, EventKind, Fact, encode_close, encode_fact, encode_open, encode_write
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
