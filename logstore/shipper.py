"""From the spool to the store: every record once, in order, whatever dies in between.

In come spool segments of any number of workers, out go batches to the store. Nothing is remembered on disk: how far a
producer is shipped stands in the store, next to the rows. A store that is away is waited for; a row it will never
take, or an event nobody can read, goes to the quarantine; a segment goes when the store is past it and its writer has
left it.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from logstore.allocation import Spent, no_collections
from logstore.collecting import Collector, FactTaker, Gathering
from logstore.daily import DailyJob
from logstore.disk import SpoolLimits, measure
from logstore.encoding import event_time_us
from logstore.errorwords import in_words, without_rows
from logstore.ids import wall_clock_us
from logstore.merge import WAIT_SECONDS, Merger
from logstore.quarantine import Quarantine
from logstore.reading import Producer, SpoolCursor, SpoolReader
from logstore.segments import Segment, list_locks, remove_lock, remove_segment, remove_strays
from logstore.sending import TRIES, Batch, RowStore, WaitingStore, find_poison, is_away
from logstore.shipping import ShipperStatus, ShipReport, write_status
from logstore.unread import Row

logger = logging.getLogger(__name__)

ROWS = 40_000
"""Rows and events of a full batch; 20,000 exchanges, since each is an open and a close. Only a spool that has run full
gives as many: then pages of indexes are written once for four times the rows."""
PAUSE = 0.5
"""Seconds between two looks at the spool when there is no full batch."""
SPELL_SECONDS = 5.0
"""Longest time, in seconds, for full batches without a search for circular garbage between them."""
LAST_SECONDS = 5.0
"""Longest time, in seconds, for what lies in the spool when the shipper is told to stop; the rest waits there."""
LONGEST_PAUSE = 30.0
"""Longest wait, in seconds, between two tries of a store that is away."""


@dataclass(slots=True)
class _Totals:
    shipped: int = 0
    failed: int = 0
    rejected: int = 0
    appended: int = 0
    failures: int = 0
    last_success: float = 0.0
    error: str = ""


class Shipper:
    """Ships one spool folder. Only one may do so at a time (`shipper_lock`)."""

    def __init__(
        self,
        folder: Path,
        open_store: Callable[[], RowStore],
        *,
        status: Path | None = None,
        rows: int = ROWS,
        wait: float = WAIT_SECONDS,
        facts: FactTaker | None = None,
        job: DailyJob | None = None,
        limits: SpoolLimits | None = None,
        clock: Callable[[], int] = wall_clock_us,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`open_store` is called when the store is first needed, and again after it was away.

        `wait` is how long a living worker's record may stay open, seconds; `facts` takes what is no request and must
        tolerate repeats; `job` is asked between two looks; `clock` gives microseconds since the Unix epoch.
        """
        self.folder = folder
        self.quarantine = Quarantine(folder)
        self._open_store = open_store
        self._status_file = status
        self._rows = rows
        self._job = job
        self._limits = limits or SpoolLimits()
        self._clock = clock
        self._jitter = jitter
        self._reader = SpoolReader(folder)
        self._collector = Collector(self._reader, Merger(wait=wait), self.quarantine, rows, facts, self._now)
        self._store: RowStore | None = None
        self._waiting: WaitingStore | None = None
        self._stored: dict[str, int] = {}
        self._batches: dict[str, Batch] = {}
        self._following: Producer | None = None
        self._ahead: Gathering | None = None
        self._spent = Spent()
        self._totals = _Totals()
        self._told_at = 0.0
        self._tidy_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set; the batch in hand is finished first."""
        while not stop.is_set():
            report = self._spell(time.monotonic() + SPELL_SECONDS, stop)
            if self._job is not None:
                self._job.run_if_due()
            if not report.more:
                self._rest(stop, self._delay())
        self.drain(until=time.monotonic() + LAST_SECONDS)
        self.close()

    def drain(self, until: float = float("inf")) -> bool:
        """Ship until nothing is left that can be shipped now, or `until` (monotonic); False when the store failed."""
        while (report := self._spell(min(until, time.monotonic() + SPELL_SECONDS))).more and time.monotonic() < until:
            pass
        self.tell()
        return report.ok

    def run_once(self) -> ShipReport:
        """One look at every producer: at most one batch each."""
        with no_collections():
            return self._look()

    def _spell(self, until: float, stop: threading.Event | None = None) -> ShipReport:
        """Looks while there are full batches, until `until` (monotonic) or `stop`; how the last one went.

        The next batch is in hand when one is stored: a search for garbage between them would go through all of it.
        """
        with no_collections():
            while True:
                report = self._look()
                self.tell(every=1.0)
                if not report.more or time.monotonic() >= until or (stop is not None and stop.is_set()):
                    return report

    def _look(self) -> ShipReport:
        rows = events = sent = 0
        more = False
        trouble: Exception | None = None
        try:
            store = self._opened()
            producers = self._reader.producers()
            full: list[Producer] = []
            for place, producer in enumerate(producers):
                try:
                    batch = self._next_batch(producer)
                    if batch.events >= self._rows:
                        full.append(producer)
                    self._following = next(iter((*producers[place + 1 :], *full)), None)
                    self._send(store, producer.name, batch)
                except Exception as error:  # one producer's fault stops no other's records
                    if is_away(error):
                        raise
                    trouble = error
                    continue
                sent += 1
                more = more or batch.events >= self._rows or batch.failures > 0
                rows, events = rows + len(batch.rows), events + batch.events
                if self._waiting is not None and batch.events >= self._rows:
                    self._spent.add(batch.rows)
                self._tidy(producer)
            if not more:  # nobody may wait for the store for a long time
                self._spent.add([])
            self._tidy_folder()
        except Exception as error:
            trouble, sent = error, 0
            self._spent.add([])
            self._reader.pause()  # nothing is kept open while the store is waited for
        self._following = None
        self._note(trouble, sent)
        return ShipReport(
            rows, events, more=more, ok=trouble is None and not self._reader.busy, error=self._totals.error
        )

    def status(self) -> ShipperStatus:
        """How shipping goes, for metrics and `log spool`."""
        lag, oldest = self._lag()
        now, totals, reader = self._clock() / 1e6, self._totals, self._reader
        disk = measure(self.folder)
        busy = "; ".join(f"{segment.path(self.folder).name}: {why}" for segment, why in reader.busy.items())
        job = self._job
        return ShipperStatus(
            written_at=now,
            lag_events=lag,
            oldest_seconds=max(0.0, now - oldest / 1e6) if oldest else 0.0,
            spool_bytes=disk.used,
            level=self._limits.level(disk),
            open_records=len(self._collector.merger),
            shipped=totals.shipped,
            folded=self._collector.merger.folded,
            failed=totals.failed,
            rejected=totals.rejected,
            quarantined=self.quarantine.count(),
            facts=self._collector.facts,
            orphans=self._collector.orphans,
            missing_events=sum(reader.gaps.values()),
            last_success=totals.last_success,
            retention_last_run=job.done.timestamp() if job is not None and job.done is not None else 0.0,
            error="; ".join(filter(None, (totals.error, busy, job.error if job is not None else ""))),
        )

    def tell(self, every: float = 0.0) -> None:
        """Write the status file, unless that was done less than `every` seconds ago."""
        if self._status_file is None or (every and time.monotonic() - self._told_at < every):
            return
        self._told_at = time.monotonic()
        with contextlib.suppress(OSError):  # an old status tells by its age
            write_status(self._status_file, self.status())

    def close(self) -> None:
        """Tell the status a last time and let the store go."""
        self.tell()
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _opened(self) -> RowStore:
        if self._store is None:
            self._store = self._open_store()
            self._waiting = self._store if isinstance(self._store, WaitingStore) else None
            if self._waiting is not None:
                self._waiting.meanwhile(self._gather_ahead)
            self._stored = dict(self._store.cursors())
            for producer in self._reader.producers():
                if not self._reader.position(producer.name):
                    self._reader.seek(SpoolCursor(producer.name, self._stored.get(producer.name, 0)))
        return self._store

    def _note(self, trouble: Exception | None, sent: int) -> None:
        """Remember how a look went. Only a look that moved nothing makes the next one wait longer."""
        if trouble is None:
            if self._totals.error:
                logger.info("the store takes records again")
            self._totals.failures, self._totals.error = 0, ""
            return
        said = in_words(trouble)
        if said != self._totals.error:
            logger.warning("records cannot be shipped and wait in the spool: %s", without_rows(trouble))
        self._totals.error = said
        self._totals.failed += 1
        self._totals.failures = 1 if sent else self._totals.failures + 1
        if is_away(trouble) and self._store is not None:
            store, self._store = self._store, None
            with contextlib.suppress(Exception):
                store.close()

    def _next_batch(self, producer: Producer) -> Batch:
        """The batch that waits to be sent again, else the next one."""
        batch = self._batches.get(producer.name)
        if batch is None:
            gathering = self._ahead
            if gathering is None or gathering.after.producer != producer.name:
                gathering = self._collector.begin(SpoolCursor(producer.name, self._stored.get(producer.name, 0)))
            else:
                self._ahead = None
            batch = self._batches[producer.name] = self._collector.finish(gathering, producer)
        return batch

    def _gather_ahead(self) -> bool:
        """While the store is busy with one batch: a portion of the next. False when there is nothing to do."""
        if self._spent.go_on():
            return True
        producer = self._following
        if producer is None:
            return False
        if self._ahead is None:
            batch = self._batches.get(producer.name)
            stored = SpoolCursor(producer.name, self._stored.get(producer.name, 0))
            self._ahead = self._collector.begin(stored if batch is None else batch.cursor)
        if self._ahead.after.producer != producer.name:
            return False
        try:
            if self._collector.go_on(self._ahead, producer):
                return True
        except Exception:  # it comes again when this batch is wanted, and is told then
            self._ahead = self._following = None
            return False
        batch = self._ahead.batch
        full = batch.events >= self._rows  # else more may come first, and be looked for each time
        return full and self._waiting is not None and self._waiting.ahead(batch.rows)

    def _send(self, store: RowStore, name: str, batch: Batch) -> None:
        """The rows and their cursor, in that order, into the store. Raises what the store raised."""
        if batch.rows or batch.cursor.seq > self._stored.get(name, 0):
            try:
                self._append(store, batch.rows, batch.cursor)
            except Exception as error:
                batch.proof = batch.proof if batch.failures else self._totals.appended
                batch.failures += 1
                if batch.failures < TRIES or is_away(error) or not self._sift(store, name, batch, error):
                    raise
            self._stored[name] = max(batch.cursor.seq, self._stored.get(name, 0))
            self._totals.last_success = self._clock() / 1e6
        self._batches.pop(name, None)

    def _append(self, store: RowStore, rows: Sequence[Row], cursor: SpoolCursor | None) -> None:
        self._totals.shipped += store.append(rows, cursor)
        self._totals.appended += len(rows)

    def _sift(self, store: RowStore, name: str, batch: Batch, error: Exception) -> bool:
        """Set the rows to blame aside and store the others; False when the store is to blame."""
        while True:
            healthy = self._totals.appended > batch.proof
            poison = find_poison(batch.rows, lambda rows: self._append(store, rows, None), error, healthy=healthy)
            if poison is None:
                return False
            for row, reason in poison:
                self._set_row_aside(name, row, reason)
            guilty = {row[0].id for row, _ in poison}
            batch.rows = [row for row in batch.rows if row[0].id not in guilty]
            try:
                self._append(store, batch.rows, batch.cursor)
            except Exception as again:
                if is_away(again) or not poison:
                    raise
                error = again
            else:
                return True

    def _set_row_aside(self, name: str, row: Row, reason: Exception) -> None:
        logger.warning("record %d of %s goes to quarantine: %s", row[0].id, name, type(reason).__name__)
        self.quarantine.add_row(name, row, in_words(reason), self._now())
        self._totals.rejected += 1

    def _tidy(self, producer: Producer) -> None:
        """Remove segments the store is past and nobody writes any more."""
        reader, name = self._reader, producer.name
        stored = self._stored.get(name, 0)
        over = not producer.alive and not reader.is_busy(name) and stored >= reader.newest(producer)
        for segment in producer.segments:
            passed = segment.number < reader.segment_number(name) and reader.end_of(segment) <= stored
            if over or passed:
                self._retire(segment)
        if over:
            remove_lock(self.folder, name)
            reader.forget(name)
            if self._ahead is not None and self._ahead.after.producer == name:
                self._ahead = None

    def _retire(self, segment: Segment) -> None:
        path = segment.path(self.folder)
        if damage := self._reader.drop(segment):
            logger.warning("segment %s goes to quarantine: %s", path.name, damage)
            self.quarantine.add_segment(path, damage)
        else:
            remove_segment(path)

    def _tidy_folder(self) -> None:
        """Once a minute: what a kill left behind."""
        if (now := time.monotonic()) < self._tidy_at:
            return
        self._tidy_at = now + 60.0
        remove_strays(self.folder)
        with_segments = {producer.name for producer in self._reader.producers()}
        for name in list_locks(self.folder):
            if name not in with_segments:
                remove_lock(self.folder, name)

    def _lag(self) -> tuple[int, int]:
        """Events on their way, and when the oldest of them was."""
        lag, times = 0, []
        for producer in self._reader.producers():
            batch = self._batches.get(producer.name)
            unread = self._reader.newest(producer) - self._reader.position(producer.name)
            lag += unread + (batch.events if batch else 0)
            if (ahead := self._ahead) is not None and ahead.after.producer == producer.name:
                batch = batch or ahead.batch
                lag += ahead.batch.events
            if batch and batch.oldest_us:
                times.append(batch.oldest_us)
            elif unread and (event := self._reader.first_unread(producer)) is not None:
                times.append(event_time_us(event.kind, event.payload) or self._clock())
        return lag, min(times, default=0)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1e6, UTC)

    def _delay(self) -> float:
        failures = self._totals.failures
        if not failures:
            return PAUSE
        return min(LONGEST_PAUSE, PAUSE * 2.0 ** min(failures, 10)) * (0.5 + self._jitter() / 2)

    def _rest(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not stop.wait(min(1.0, left)):
            self.tell(every=1.0)
