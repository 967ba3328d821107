"""Endings that wait for the next event cost no append of their own, and none is lost but by a kill.

Shows: `logstore.spool`, `logstore.segments`.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logstore.encoding import EventKind, decode_close
from logstore.flood import Flood
from logstore.ids import RecordIds
from logstore.segments import TOGETHER
from logstore.spool import SpoolWriter
from tests.logstore.spooling import DELIVERED, events_of, make_record

OPEN, CLOSE, HEAD, REPEAT = EventKind.OPEN, EventKind.CLOSE, EventKind.HEAD, EventKind.REPEAT


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(tmp_path / "spool", "w0")
    yield made
    made.shut()


def exchanges(writer: SpoolWriter, count: int) -> list[int]:
    """So many records, opened and then closed together; their ids."""
    records = [make_record(RecordIds(place)) for place in range(count)]
    for record in records:
        writer.open(record)
    for record in records:
        writer.close(record.id, DELIVERED, together=True)
    return [record.id for record in records]


def ended(folder: Path) -> list[int]:
    """The ids of the endings on the disk, in order."""
    return [decode_close(event.payload)[0] for event in events_of(folder) if event.kind == CLOSE]


def test_an_ending_waits_for_the_next_record_and_stands_before_it(writer: SpoolWriter) -> None:
    """One append for both; the numbers run on."""
    (first,) = exchanges(writer, 1)
    assert [event.kind for event in events_of(writer.folder)] == [OPEN]
    writer.open(make_record(RecordIds(9)))
    assert [(event.seq, event.kind) for event in events_of(writer.folder)] == [(1, OPEN), (2, CLOSE), (3, OPEN)]
    assert ended(writer.folder) == [first]


WAYS: dict[str, Callable[[SpoolWriter], object]] = {
    "brought": SpoolWriter.bring,
    "settled": SpoolWriter.settle,
    "its state asked": SpoolWriter.state,
    "flushed": SpoolWriter.flush,
    "to be durable": SpoolWriter.durable,
    "shut": SpoolWriter.shut,
}


@pytest.mark.parametrize("way", WAYS)
def test_endings_that_wait_are_written_when_the_spool_is(writer: SpoolWriter, way: str) -> None:
    """Whatever asks for all that was recorded finds them there."""
    ids = exchanges(writer, 3)
    assert ended(writer.folder) == []
    WAYS[way](writer)
    assert ended(writer.folder) == ids


def test_more_endings_than_are_written_at_once_do_not_wait(writer: SpoolWriter) -> None:
    """What waits is bounded, and their order stays."""
    most = TOGETHER + 1
    ids = exchanges(writer, most * 2 - 1)
    assert ended(writer.folder) == ids[:most]
    writer.bring()
    assert ended(writer.folder) == ids


def test_groups_of_repeats_are_written_behind_what_waits(tmp_path: Path) -> None:
    """A head and its repeats wait for nothing, and nothing that ended before them comes after."""
    writer = SpoolWriter(tmp_path / "spool", "w0", flood=Flood(after=2, clock=lambda: 5.0))
    ids = RecordIds(0)
    records = [make_record(ids) for _ in range(4)]
    for record in records:
        writer.open(record)
    for record in records:
        writer.close(record.id, DELIVERED, together=True)
    writer.shut()
    kinds = [event.kind for event in events_of(writer.folder) if event.kind in (CLOSE, HEAD, REPEAT)]
    assert kinds == [CLOSE, CLOSE, HEAD, REPEAT]


def test_without_room_endings_wait_in_memory_and_come_when_there_is_some(writer: SpoolWriter) -> None:
    """As those that do not wait for an event."""
    ids = exchanges(writer, 2)
    connection, writer._connection = writer._connection, None
    writer._upkeep.take_next = lambda: None  # type: ignore[method-assign]
    writer.bring()
    assert ended(writer.folder) == []
    writer._connection = connection
    writer.bring()
    assert ended(writer.folder) == ids


class Forgetful:
    """A segment's connection, and a machine that has no memory when it is asked for the `at`th time."""

    def __init__(self, real: sqlite3.Connection | None, at: int) -> None:
        self.real, self.left = real, at

    def execute(self, statement: str, values: Any) -> None:
        """As the segment's."""
        self.left -= 1
        if not self.left:
            raise MemoryError
        assert self.real is not None
        self.real.execute(statement, values)


@pytest.mark.parametrize("for_room", [False, True], ids=["for an event", "for room"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_ending_that_fails_in_any_other_way_comes_later_and_once(
    writer: SpoolWriter, at: int, for_room: bool
) -> None:
    """Those before it are not written again, and it is not forgotten."""
    ids = exchanges(writer, 3)
    connection = writer._connection
    if for_room:
        writer._connection = None
        writer._upkeep.take_next = lambda: None  # type: ignore[method-assign]
        writer.bring()
    writer._connection = Forgetful(connection, at)  # type: ignore[assignment]
    with pytest.raises(MemoryError):
        writer.bring()
    assert ended(writer.folder) == ids[: at - 1]
    writer._connection = connection
    writer.bring()
    assert ended(writer.folder) == ids


KILLED = """
import os, sys
from pathlib import Path
from logstore.spool import SpoolWriter
from logstore.ids import RecordIds
from tests.logstore.spooling import DELIVERED, make_record
writer, record = SpoolWriter(Path(sys.argv[1]), "w0"), make_record(RecordIds(0))
writer.open(record)
writer.close(record.id, DELIVERED, together=True)
os._exit(9)
"""


def test_a_kill_leaves_the_record_of_an_ending_that_waited(tmp_path: Path) -> None:
    """It ends as interrupted then: the row is there since the decision."""
    told = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "spool")], env=dict(os.environ), check=False)
    assert told.returncode == 9
    assert [event.kind for event in events_of(tmp_path / "spool")] == [OPEN]
