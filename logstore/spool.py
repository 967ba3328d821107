"""The spool: where a worker writes what happened, on local disk, on the request path.

In come `LogRecord`s at the decision and `Ending`s at the end; each becomes one row of the worker's own segment file
before the call returns; an ending given `together` comes with the next event. A row survives the process's death at
once, the machine's within a second, or once `durable` is fulfilled. Nothing here knows a database, a network, a worker.

The room's rule: what cannot be recorded is told (`SpoolFull`), never swallowed. Call from one thread only.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logstore.disk import Level, SpoolLimits, lay_ballast, measure, spend_ballast
from logstore.encoding import (
    EventKind,
    Fact,
    encode_close,
    encode_fact,
    encode_open,
    encode_over,
    encode_repeat,
    encode_write,
)
from logstore.flood import Flood, may_fold
from logstore.floor import claim_floor
from logstore.ids import wall_clock_us
from logstore.record import Ending, EndingKind, LogRecord
from logstore.segments import INSERT, INSERTS, TOGETHER, Segment, is_full, lock_path, producer_name, take_lock
from logstore.upkeep import Upkeep

__all__ = ["Level", "SpoolFull", "SpoolLimits", "SpoolState", "SpoolWriter"]

ROWS = 20_000
"""Events in a segment before the next one is begun."""
SECONDS = 60.0
"""Seconds a segment is written before the next one is begun."""
OPENS = 50_000
"""Records open at a time. One more, and the oldest is closed as interrupted: a leak must not eat the worker."""
DEFERRED = 10_000
"""Endings kept in memory while the disk is full."""

_OPEN, _CLOSE, _WRITE, _CARRY, _FACT, _HEAD, _REPEAT, _OVER = map(int, EventKind)
_OVERHEAD = 24
_RETRY = 1.0


class SpoolFull(Exception):
    """The event could not be recorded: no room is left, or the disk refuses. Says which."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How the spool is doing."""

    bytes: int
    """Bytes of all workers' segments in this folder."""
    events: int
    """Events of this worker in segments the shipper has not removed: an upper bound of what is not yet shipped."""
    oldest_us: int | None
    """When the oldest of those segments was begun, microseconds since the Unix epoch; None when there are no events."""
    full: bool
    """True when the latest event could not be recorded."""
    level: Level
    """`ok`, `warn` (70 %), `alert` (85 %) or `full`."""
    trouble: str = ""
    """What the disk said last, for the log and the doctor; empty when all is well."""


class SpoolWriter:
    """Appends the events of one worker. Not for use across a fork."""

    def __init__(
        self,
        folder: Path,
        worker: str,
        *,
        limits: SpoolLimits | None = None,
        strict: bool = False,
        clock: Callable[[], int] = wall_clock_us,
        rows: int = ROWS,
        seconds: float = SECONDS,
        flood: Flood | None = None,
    ) -> None:
        """Begin a new producer in `folder`, made if need be. Raises `SpoolFull` when nothing can be written there.

        `clock` gives microseconds since the Unix epoch; `rows` and `seconds` say how long a segment is written;
        `flood` says which exchanges repeat another; without it each is a row of its own.
        """
        self.limits = limits or SpoolLimits()
        self.folder = folder
        self.strict = strict
        """Whether an exchange has to wait for `durable` before its answer goes out. Whoever answers keeps to it."""
        self._clock = clock
        self._rows_at_most = rows
        self._seq = 0
        self._rows = 0
        self._began_us = 0
        self._opens: dict[int, tuple[bytes, int, float | None]] = {}
        self._flood = flood
        self._ending_heads: deque[int] = deque()
        self._deferred: deque[bytes] = deque()
        self._ends: list[bytes] = []  # endings that wait for an event to be written with
        self._full = ""
        self._shut = False
        self._retry_at = 0.0
        self._written: dict[Segment, tuple[int, int]] = {}
        self._segment: Segment | None = None
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            self.producer, self._lock = self._new_producer(worker)
            name = self.producer.partition("-")[0]
            self.id_floor = claim_floor(folder, name, clock())
            """Ids have to stay above this: `RecordIds(node, floor=writer.id_floor)`."""
        except OSError as error:
            raise SpoolFull(f"spool folder {folder} cannot be written: {error}") from error
        self._upkeep = Upkeep(folder, self.producer, name, self.limits, clock)
        self._upkeep.rotate_after = seconds
        self._begin()

    def open(self, record: LogRecord) -> None:
        """Record what is known at the decision. Raises `SpoolFull`: then it is not recorded."""
        payload = encode_open(record)
        self._append(_OPEN, payload)
        opens, flood = self._opens, self._flood
        began = flood.now() if flood is not None and may_fold(record) else None
        opens[record.id] = (payload, self._segment.number if self._segment else 0, began)
        self._reached(record.id)
        if len(opens) > OPENS:
            self.close(next(iter(opens)), Ending(kind=EndingKind.INTERRUPTED, error="too many open records"))

    def close(self, record_id: int, ending: Ending, *, together: bool = False) -> None:
        """Record the ending of an open record; `together`: with the next event, for the price of one. Whoever says so
        calls `bring` soon, and what has not been brought when the process is killed ends as interrupted.

        While the disk is full, up to `DEFERRED` endings wait in memory, without an error: the record itself is safe
        and would end as interrupted. Raises `SpoolFull` beyond that.
        """
        payload = encode_close(record_id, ending)
        head = None if self._flood is None else self._head(self._flood, record_id, ending)
        try:
            if head is None and together and not self._full and len(self._ends) < TOGETHER:
                self._ends.append(payload)
            elif head is None:
                self._append(_CLOSE, payload)
            elif head == record_id:
                self._append(_CARRY, self._opens[record_id][0])  # it begins here, behind all of the second before
                self._append(_HEAD, payload)
            else:
                self._append(_REPEAT, encode_repeat(record_id, ending, head))
        except SpoolFull:
            if self._flood is not None and head == record_id:
                self._flood.forget(record_id)
            if len(self._deferred) >= DEFERRED:
                raise
            self._deferred.append(payload)
        self._opens.pop(record_id, None)

    def write(self, record: LogRecord, ending: Ending) -> None:
        """Record an exchange that is over already. Raises `SpoolFull`: then it is not recorded."""
        self._append(_WRITE, encode_write(record, ending))
        self._reached(record.id)

    def fact(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Record something other than a request: `warn-continue`, `sign-in`, `tls-failure`. Raises `SpoolFull`."""
        self._append(_FACT, encode_fact(Fact(kind, self._clock(), payload)))

    def bring(self) -> None:
        """Write the endings that wait for another event; those there is no room for wait in memory, as in `close`."""
        if not self._shut:
            with contextlib.suppress(SpoolFull):
                self._catch_up()

    def settle(self) -> None:
        """What waits for the next event, without one: endings there was no room for, and floods that are over.

        To be called about once a second; else the row of a flood is stored when something else ends.
        """
        if self._shut:
            return
        self.bring()
        if self._flood is not None:
            self._say_over(self._flood)

    def durable(self) -> Future[None]:
        """Fulfilled when all that was recorded before this call is on the disk; callers share one sync (group commit).

        Carries an `OSError` when the disk refused. For an event loop: `await asyncio.wrap_future(spool.durable())`.
        """
        self.bring()
        return self._upkeep.when_durable()

    def flush(self) -> None:
        """Bring everything recorded so far to the disk now. Raises `SpoolFull` when the disk refuses."""
        self._catch_up()
        self._upkeep.dirty = True
        try:
            self._upkeep.sync()
        except OSError as error:
            raise SpoolFull(f"the disk refuses: {error}") from error

    def state(self) -> SpoolState:
        """How the spool is doing, at most a second old."""
        upkeep = self._upkeep
        self.bring()
        for segment in [one for one in self._written if not one.path(self.folder).exists()]:
            del self._written[segment]
        level: Level = "full" if self._full else self.limits.level(replace(upkeep.disk, used=self._used()))
        return SpoolState(
            bytes=self._used(),
            events=sum(rows for rows, _ in self._written.values()) + self._rows,
            oldest_us=min(
                (began for _, began in self._written.values()), default=self._began_us if self._rows else None
            ),
            full=bool(self._full),
            level=level,
            trouble=self._full or upkeep.trouble,
        )

    def shut(self) -> None:
        """Bring everything to the disk and let go; once is enough. What is still open is shipped as interrupted."""
        if self._shut:
            return
        self.bring()
        self._shut, self._full = True, "the spool is shut"
        if self._connection is not None and self._segment is not None:
            self._upkeep.retire((self._segment, self._connection))
        self._connection = None
        self._upkeep.stop()
        os.close(self._lock)

    def _head(self, flood: Flood, record_id: int, ending: Ending) -> int | None:
        """Where an exchange that has ended stands (`Flood.place`). Heads whose second is over are said first.

        While they cannot be said nothing is folded: groups of two seconds must not overlap (`logstore.spans`).
        """
        self._say_over(flood)
        opened = self._opens.get(record_id)
        if opened is None or opened[2] is None or self._ending_heads:
            return None
        return flood.place(record_id, opened[0], ending, opened[2])

    def _say_over(self, flood: Flood) -> None:
        self._ending_heads.extend(flood.over())
        if not self._ending_heads:
            return
        with contextlib.suppress(SpoolFull):  # their rows are safe, and wait until there is room to say it
            while self._ending_heads:
                self._append(_OVER, encode_over(self._ending_heads[0]))
                self._ending_heads.popleft()

    def _reached(self, record_id: int) -> None:
        """How far ids have come. One far ahead of the last note is noted at once: the clock has jumped forward."""
        upkeep = self._upkeep
        upkeep.last_id = record_id
        if record_id > upkeep.noted:
            with contextlib.suppress(OSError):  # the helper thread tries again every second, and tells
                upkeep.note(record_id)

    def _new_producer(self, worker: str) -> tuple[str, int]:
        while True:
            name = producer_name(worker, os.getpid(), self._clock())
            path = lock_path(self.folder, name)
            if not path.exists() and (lock := take_lock(path)) is not None:
                return name, lock

    def _begin(self) -> None:
        """First segment, first measurement. A disk that is full now may have room later: then it begins there."""
        try:
            self._upkeep.prepare()
            lay_ballast(self.folder, self.limits.ballast)
            self._upkeep.disk = measure(self.folder)
            self._rotate()
        except (OSError, sqlite3.Error) as error:
            self._full = f"no segment can be made: {error}"
        self._upkeep.start()
        self._upkeep.wake()

    def _append(self, kind: int, payload: bytes) -> None:
        """One event into the active segment, and behind it what waited for room. All it costs a request is here."""
        self._lay(kind, payload)
        if self._full:
            self._full = ""
            with contextlib.suppress(SpoolFull):
                self._catch_up()

    def _lay(self, kind: int, payload: bytes) -> None:
        upkeep = self._upkeep
        if self._rows >= self._rows_at_most or (upkeep.due and self._rows):
            self._rotate()
        size = len(payload) + sum(map(len, self._ends)) + (len(self._ends) + 1) * _OVERHEAD
        upkeep.grown += size
        if upkeep.disk.used + upkeep.grown + upkeep.disk.ballast > self.limits.max_bytes:
            self._make_room(size)
        if (error := self._put(kind, payload)) is not None:
            self._insist(error, kind, payload)
        upkeep.dirty = True

    def _put(self, kind: int, payload: bytes) -> sqlite3.Error | None:
        if self._connection is None:
            return sqlite3.OperationalError("no segment can be made")
        values: list[int | bytes] = []
        for place, end in enumerate(self._ends, 1):
            values += (self._seq + place, _CLOSE, end)
        rows = len(self._ends) + 1
        try:
            self._connection.execute(INSERTS[rows], (*values, self._seq + rows, kind, payload))
        except sqlite3.Error as error:
            return error
        self._seq += rows
        self._rows += rows
        self._ends.clear()
        return None

    def _insist(self, error: sqlite3.Error, kind: int, payload: bytes) -> None:
        """The disk refused an event: throw out the ballast, then try a new segment; else raise `SpoolFull`."""
        if spend_ballast(self.folder) and self._put(kind, payload) is None:
            return
        now = time.monotonic()
        if not is_full(error) and now >= self._retry_at and not self._shut:
            self._retry_at = now + _RETRY
            with contextlib.suppress(OSError, sqlite3.Error):
                self._upkeep.prepare()
            if self._rotate() and self._put(kind, payload) is None:
                return
        self._full = "the spool is shut" if self._shut else f"the disk refuses: {error}"
        raise SpoolFull(self._full) from error

    def _make_room(self, needed: int) -> None:
        """The limit is reached: throw out the ballast, else raise `SpoolFull`."""
        upkeep = self._upkeep
        if upkeep.disk.ballast and spend_ballast(self.folder):
            upkeep.wake()
        if self._used() <= self.limits.max_bytes:
            return
        upkeep.grown -= needed
        self._full = f"the spool has reached its limit of {self.limits.max_bytes} bytes"
        raise SpoolFull(self._full)

    def _used(self) -> int:
        return self._upkeep.disk.used + self._upkeep.grown

    def _catch_up(self) -> None:
        """Write the endings that waited, for room or for an event."""
        self._deferred.extend(self._ends)
        self._ends.clear()
        while self._deferred:
            payload = self._deferred.popleft()
            try:
                self._lay(_CLOSE, payload)
            except BaseException:  # whatever it was: this one is not written, and is nowhere else
                self._deferred.appendleft(payload)
                raise
            self._full = ""

    def _rotate(self) -> bool:
        """Go on in the segment made ahead. When there is none yet the present one grows: a request never waits."""
        prepared = self._upkeep.take_next()
        if prepared is None:
            self._upkeep.wake()
            return False
        if self._connection is not None and self._segment is not None:
            self._upkeep.retire((self._segment, self._connection))
            self._written[self._segment] = (self._rows, self._began_us)
        self._segment, self._connection = prepared
        self._upkeep.active = self._segment
        self._rows, self._began_us = 0, self._clock()
        self._carry(self._segment.number)
        return True

    def _carry(self, number: int) -> None:
        """Say again which records have long been open, so that no old segment has to be kept for their sake.

        Those opened in the segment just finished are left alone: most end within it.
        """
        old = [(record_id, opened) for record_id, opened in self._opens.items() if opened[1] < number - 1]
        if not old or self._connection is None:
            return
        rows = [(self._seq + place, _CARRY, payload) for place, (_, (payload, *_)) in enumerate(old, 1)]
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(INSERT, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return
        self._seq += len(rows)
        self._rows += len(rows)
        self._opens.update({record_id: (payload, number, folds) for record_id, (payload, _, folds) in old})
