"""Reading the spool: events in order, from live producers and dead ones, whole or damaged.

In comes a spool folder, out go events. Nothing here writes to a segment: files are opened `mode=ro`, beside a writer
that never waits for a reader. A damaged segment gives what can be read, is set aside with its reason, and stops nobody.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from logstore.errorwords import in_words
from logstore.runs import Run, run_of
from logstore.segments import Segment, is_alive, list_segments

_BUSY_SECONDS = 1.0
_JUST_MADE = 4096
_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
     sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL}
)  # fmt: skip
_SELECT = "SELECT seq, kind, payload FROM q WHERE seq > ? ORDER BY seq LIMIT ?"
_SELECT_BACK = "SELECT seq, kind, payload FROM q WHERE seq > ? ORDER BY seq DESC"


@dataclass(frozen=True, slots=True)
class SpoolCursor:
    """How far a producer's events are settled: each one up to `seq` has its row in the store, or needs none."""

    producer: str
    """The producer."""
    seq: int
    """The last settled event; 0 when there is none."""


class SpoolEvent(NamedTuple):
    """One event as it lies in a segment."""

    producer: str
    """Who wrote it."""
    seq: int
    """Its number in the producer's series, from 1, without a hole."""
    kind: int
    """An `EventKind`."""
    payload: bytes
    """See `logstore.encoding`."""


type Lying = tuple[int, int, bytes]
"""Number, kind and payload of an event, as its producer's segment holds them: a batch has thousands, and to make an
object of each costs as much as to read it."""


@dataclass(frozen=True, slots=True)
class Producer:
    """One life of one worker, as its files tell."""

    name: str
    """`<worker>-<pid>-<start>`."""
    alive: bool
    """Whether it still holds its lock."""
    segments: tuple[Segment, ...]
    """Its segments, in order. The last of a live one is made ahead and may be empty."""


@dataclass(slots=True)
class SegmentReading:
    """What one segment gave."""

    events: list[Lying] = field(default_factory=list)
    """Its events, in order."""
    damage: str = ""
    """Why it cannot be read whole; empty when it can."""
    busy: str = ""
    """Why it could not be read *now*; its remaining events must not be passed over."""


@dataclass(slots=True)
class _Place:
    """Where reading of a producer stands."""

    number: int = 0
    seq: int = 0


class SpoolReader:
    """Reads the events of every producer of a folder, each from where it stood."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: dict[Segment, str] = {}
        """Segments that cannot be read whole, and why."""
        self.busy: dict[Segment, str] = {}
        """Segments that could not be opened at the latest try, and why."""
        self.gaps: dict[str, int] = {}
        """Events that are missing between those read, by producer."""
        self._places: dict[str, _Place] = {}
        self._ends: dict[Segment, int] = {}
        self._kept: tuple[Segment, sqlite3.Connection] | None = None

    def producers(self) -> tuple[Producer, ...]:
        """Every producer that has segments.

        Whether it lives is asked *before* its segments are listed: one called dead writes no more, and all it wrote
        is there.
        """
        alive = {name: is_alive(self.folder, name) for name in list_segments(self.folder)}
        segments = list_segments(self.folder)
        return tuple(Producer(name, alive[name], tuple(segments[name])) for name in alive if name in segments)

    def seek(self, cursor: SpoolCursor) -> None:
        """Read this producer from after the cursor on."""
        self._places[cursor.producer] = _Place(0, cursor.seq)

    def position(self, producer: str) -> int:
        """The last event read of a producer."""
        return self._places[producer].seq if producer in self._places else 0

    def segment_number(self, producer: str) -> int:
        """Number of the segment reading stands in: all earlier ones have been read. 0 before the first."""
        return self._places[producer].number if producer in self._places else 0

    def read(self, producer: Producer, limit: int) -> list[SpoolEvent]:
        """The next events of a producer, at most `limit` or what one damaged segment holds, in order."""
        return [SpoolEvent(producer.name, *lying) for lying in self.read_lying(producer, limit)]

    def read_lying(self, producer: Producer, limit: int) -> list[Lying]:
        """What `read` gives, as it lies there."""
        place = self._places.setdefault(producer.name, _Place())
        events: list[Lying] = []
        for segment in producer.segments:
            room = limit - len(events)
            if room <= 0 or segment.number < place.number:
                continue
            reading = self._read_segment(segment, place.seq, room)
            found = reading.events
            if found and found[0][0] > place.seq + 1:
                late = self._late(producer, segment, place, found[0][0])
                found = late + found
            if found:
                place.number = segment.number
                self._count_gap(producer.name, place.seq, found)
                place.seq = self._ends[segment] = found[-1][0]
                events += found
            if reading.busy:
                break
        return events

    def read_run(self, producer: Producer, limit: int) -> Run | None:
        """The next events of a producer, when all are plain opens and closes; None when `read_lying` must be asked."""
        place = self._places.setdefault(producer.name, _Place())
        if self.is_damaged(producer.name):  # what was lost there is told by the events, one by one
            return None
        for segment in producer.segments:
            if segment.number < place.number:
                continue
            try:
                run = run_of(self._keep_open(segment), place.seq, limit)
            except sqlite3.Error:
                run = None
            if run is None:
                self.pause()
                return None
            self.busy.pop(segment, None)
            if run.told:
                place.number = segment.number
                place.seq = self._ends[segment] = place.seq + len(run.told)
                return run
        self.pause()
        return Run(place.seq + 1, [])

    def pause(self) -> None:
        """No run is read for a while: hold no segment open, for it may be about to go."""
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    def newest(self, producer: Producer) -> int:
        """The number of the last event on disk; never less than the last one read."""
        newest = self.position(producer.name)
        for segment in reversed(producer.segments):
            with contextlib.suppress(sqlite3.Error), _opened(segment.path(self.folder)) as connection:
                (highest,) = connection.execute("SELECT max(seq) FROM q").fetchone()
                if highest is not None:
                    return max(newest, int(highest))
        return newest

    def first_unread(self, producer: Producer) -> SpoolEvent | None:
        """The next event of a producer, without reading on."""
        for segment in producer.segments:
            if segment.number >= self.segment_number(producer.name):
                path = segment.path(self.folder)
                for lying in read_segment(path, self.position(producer.name), 1).events:
                    return SpoolEvent(producer.name, *lying)
        return None

    def end_of(self, segment: Segment) -> int:
        """The last event read from a segment; 0 when none was: then all of them lay before where reading began."""
        return self._ends.get(segment, 0)

    def is_damaged(self, producer: str) -> bool:
        """Whether events of the producer are known to be lost."""
        return producer in self.gaps or any(segment.producer == producer for segment in self.damaged)

    def is_busy(self, producer: str) -> bool:
        """Whether a segment of the producer could not be opened at the latest try."""
        return any(segment.producer == producer for segment in self.busy)

    def drop(self, segment: Segment) -> str:
        """The segment is being removed; why it is damaged, or empty."""
        self._ends.pop(segment, None)
        self.busy.pop(segment, None)
        return self.damaged.get(segment, "")

    def forget(self, producer: str) -> None:
        """The producer is gone."""
        self._places.pop(producer, None)
        for segment in [segment for segment in self.damaged if segment.producer == producer]:
            del self.damaged[segment]

    def _keep_open(self, segment: Segment) -> sqlite3.Connection:
        """A connection to the segment, until there is one to another or a pause: to open one costs as much as to read
        three hundred events."""
        if self._kept is None or self._kept[0] != segment:
            self.pause()
            self._kept = segment, _connect(segment.path(self.folder))
        return self._kept[1]

    def _late(self, producer: Producer, segment: Segment, place: _Place, before: int) -> list[Lying]:
        """The writer went on to `segment` between two looks: what it had still put into the one before."""
        late: list[Lying] = []
        for earlier in producer.segments:
            if place.number <= earlier.number < segment.number:
                after = late[-1][0] if late else place.seq
                late += [one for one in self._read_segment(earlier, after, -1).events if one[0] < before]
                self._ends[earlier] = late[-1][0] if late else self._ends.get(earlier, 0)
        return late

    def _count_gap(self, name: str, after: int, found: list[Lying]) -> None:
        missing = found[-1][0] - after - len(found)
        if missing > 0:
            self.gaps[name] = self.gaps.get(name, 0) + missing

    def _read_segment(self, segment: Segment, after: int, limit: int) -> SegmentReading:
        reading = read_segment(segment.path(self.folder), after, limit)
        if reading.damage:
            self.damaged.setdefault(segment, reading.damage)
        self.busy.pop(segment, None)
        if reading.busy:
            self.busy[segment] = reading.busy
        return reading


def read_segment(path: Path, after: int, limit: int) -> SegmentReading:
    """Events of one segment after `after`, at most `limit` (-1: all).

    A damaged one is read from both ends, so that only what is damaged is lost.
    """
    reading = SegmentReading()
    try:
        with _opened(path) as connection:
            wanted = (after, limit)
            try:
                reading.events += connection.execute(_SELECT, wanted).fetchall()
            except sqlite3.DatabaseError as error:
                _judge(error, path, reading)
                with contextlib.suppress(sqlite3.DatabaseError):  # again, for those before what cannot be read
                    for row in connection.execute(_SELECT, wanted):
                        reading.events.append(row)
                if reading.damage:
                    last = reading.events[-1][0] if reading.events else after
                    reading.events += reversed(list(_from_the_end(connection, last)))
    except sqlite3.Error as error:
        _judge(error, path, reading)
    return reading


def _judge(error: sqlite3.Error, path: Path, reading: SegmentReading) -> None:
    """Damage, a file only just being made (or removed), or something that passes."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return
    if size <= _JUST_MADE and (code == sqlite3.SQLITE_ERROR or not _has_log(path)):
        return
    if code in _PASSING:
        reading.busy = str(error)
    else:
        reading.damage = in_words(error)


def _has_log(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def _from_the_end(connection: sqlite3.Connection, after: int) -> Iterator[Lying]:
    with contextlib.suppress(sqlite3.Error):
        yield from connection.execute(_SELECT_BACK, (after,))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = _connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
