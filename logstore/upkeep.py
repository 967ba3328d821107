"""The spool writer's helper thread: whatever would make a request wait is done here, aside.

Once a second, and whenever it is woken: bring appended events to the disk, make the next segment before it is needed,
close finished ones, measure the disk, keep the ballast, note how far record ids have come. The writer's thread and this
one share the few fields below; each has one writer, or is a queue.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from logstore.disk import DiskUse, SpoolLimits, lay_ballast, measure
from logstore.errorwords import without_rows
from logstore.floor import MARGIN, save_floor
from logstore.ids import id_range
from logstore.segments import Segment, create_segment, remove_segment, sync_segment

logger = logging.getLogger(__name__)

type Prepared = tuple[Segment, sqlite3.Connection]

SECOND = 1.0
"""Longest time, in seconds, an event waits for the disk: what a power cut can cost where nobody waits."""


class Upkeep:
    """The helper thread of one `SpoolWriter`."""

    def __init__(self, folder: Path, producer: str, worker: str, limits: SpoolLimits, clock: Callable[[], int]) -> None:
        self.folder = folder
        self.producer = producer
        self.worker = worker
        self.limits = limits
        self.active: Segment | None = None
        """Segment being written. Set by the writer."""
        self.dirty = False
        """True when something was appended since the last sync. Set by the writer, cleared here."""
        self.last_id = 0
        """Highest record id seen. Set by the writer."""
        self.noted = 0
        """Ids up to this are safe: a later life of the worker starts above them. Set by `note`."""
        self.rotate_after = 60.0
        """Seconds a segment is written at most."""
        self.due = False
        """True when the active segment has been written long enough. Set here, cleared by the writer."""
        self.disk = DiskUse(0, 0, 0)
        """Latest measurement. Set here."""
        self.grown = 0
        """Bytes appended since the latest measurement."""
        self.trouble = ""
        """What went wrong last, empty when all is well. Set here."""
        self._clock = clock
        self._noting = threading.Lock()
        self._trouble: list[str] = []
        self._number = 1
        self._began = time.monotonic()
        self._next: deque[Prepared] = deque()
        self._retired: deque[Prepared] = deque()
        self._waiting: deque[Future[None]] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._syncing = threading.Lock()
        self._preparing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"spool-{producer}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Do a round now instead of within the second."""
        self._wake.set()

    def take_next(self) -> Prepared | None:
        """The segment made ahead; None when it is not ready."""
        try:
            prepared = self._next.popleft()
        except IndexError:
            return None
        self._began = time.monotonic()
        self.due = False
        self._wake.set()
        return prepared

    def retire(self, finished: Prepared) -> None:
        """Hand over a segment that is written to no more. Call before setting `active` to the next."""
        self._retired.append(finished)

    def when_durable(self) -> Future[None]:
        """Fulfilled when everything appended so far is on the disk; many callers share one sync."""
        future: Future[None] = Future()
        self._waiting.append(future)
        self.dirty = True
        self._wake.set()
        return future

    def sync(self) -> None:
        """Bring everything appended so far to the disk; raises `OSError`."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            with self._syncing:
                self._close_retired()
                if self.dirty and (active := self.active) is not None:
                    self.dirty = False
                    sync_segment(active.path(self.folder))
        except OSError as error:
            self.dirty = True
            for future in waiting:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            raise
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def prepare(self) -> None:
        """Make the next segment if there is none; raises `OSError` or `sqlite3.Error`."""
        with self._preparing:
            if self._next or self._stop.is_set():
                return
            segment = Segment(self.producer, self._number)
            self._number += 1
            self._next.append((segment, create_segment(segment.path(self.folder))))

    def note(self, last_id: int) -> None:
        """Remember how far ids have come, across lives: `last_id`, or the time if that is further. Raises `OSError`.

        The writer calls it itself for an id that is further ahead than a note made once a second allows for: the
        clock has jumped.
        """
        with self._noting:
            now = self._clock()
            highest = max(last_id, self.last_id, id_range(now, now)[0], self.noted - MARGIN)
            self.noted = highest + MARGIN
            save_floor(self.folder, self.worker, highest)

    def look_at_disk(self) -> None:
        """Measure the disk and lay the ballast again when there is room; raises `OSError`."""
        self.disk, self.grown = measure(self.folder), 0
        size, disk = self.limits.ballast, self.disk
        with_it = DiskUse(disk.used + size, disk.free - size, 0, disk.writable)
        if disk.ballast == 0 and size and disk.free > 2 * size and self.limits.level(with_it) == "ok":
            lay_ballast(self.folder, size)

    def stop(self) -> None:
        """End the thread, bring everything to the disk, close and delete what was made ahead."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        for segment, connection in self._next:
            connection.close()
            remove_segment(segment.path(self.folder))
        self._next.clear()
        self._guard("sync", self.sync)
        self._guard("record ids", lambda: self.note(self.last_id))

    def _run(self) -> None:
        look_at = 0.0
        while not self._stop.is_set():
            self._wake.wait(SECOND)
            self._wake.clear()
            self._trouble = []
            self._guard("sync", self.sync)
            self._guard("next segment", self.prepare)
            if (now := time.monotonic()) >= look_at:
                look_at = now + SECOND
                self._guard("disk", self.look_at_disk)
                self._guard("record ids", lambda: self.note(self.last_id))
                self.due = self.due or now - self._began >= self.rotate_after
            self._tell("; ".join(self._trouble))

    def _guard(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (OSError, sqlite3.Error) as error:
            self._trouble.append(f"{what}: {without_rows(error)}")

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            logger.warning("spool of %s: %s", self.producer, trouble)
        self.trouble = trouble

    def _close_retired(self) -> None:
        while self._retired:
            segment, connection = self._retired[0]
            sync_segment(segment.path(self.folder))
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            self._retired.popleft()
