"""Keeps roll-ups up with the rows, aside, as long as the shipper runs.

In comes where the record is; out go roll-ups and, every few minutes, a small file that says how they stand. The rules:
it works in a thread of its own and takes no lock a writer waits for, so that records are shipped meanwhile; what fails
is told and tried again at the next round, because an answer without roll-ups is slower and still right.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy.exc

from logstore.db import StoreError, catalog_path
from logstore.errorwords import without_rows
from logstore.place import Beside
from logstore.rolling import roller

logger = logging.getLogger(__name__)

EVERY = 300.0
"""Seconds between two rounds."""
TOLD = "rollups.json"
"""File of the run folder that says how the latest round went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupStatus:
    """How the latest round went."""

    at: float
    """When it ended, POSIX seconds."""
    hours: int
    """Hours it summed."""
    stale: int
    """Hours that are behind still: it was stopped, or they changed meanwhile."""
    seconds: float
    """How long it took."""
    error: str = ""
    """How it failed; empty when it did not."""


class RollupJob:
    """Rounds of catching up, in a thread."""

    def __init__(self, where: Beside, status: Path, stop: threading.Event, every: float = EVERY) -> None:
        """`status`: file to tell in; `stop` ends it soon."""
        self._where = where
        self._status = status
        self._stop = stop
        self._every = every
        self._roller = roller(where)
        self._thread = threading.Thread(target=self._run, name="rollups", daemon=True)

    def start(self) -> None:
        """Begin; the first round at once."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so many seconds; what it was at then is done again another time."""
        self._thread.join(seconds)

    def round(self) -> RollupStatus:
        """Catch up once."""
        begin, hours, error = time.monotonic(), 0, ""
        try:
            if self._is_there():
                for rolled in self._roller.catch_up():
                    hours += rolled.grain == "hour"
                    if self._stop.is_set():
                        break
            stale = len(self._roller.stale()) if self._is_there() else 0
        except (OSError, StoreError, sqlalchemy.exc.SQLAlchemyError) as failure:
            error, stale = without_rows(failure), -1
            logger.warning("roll-ups could not be made: %s", error)
        return RollupStatus(
            at=time.time(), hours=hours, stale=stale, seconds=round(time.monotonic() - begin, 3), error=error
        )

    def _is_there(self) -> bool:
        return not isinstance(self._where, Path) or catalog_path(self._where).exists()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # of this thread alone: shipping goes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            self._tell(self.round())
            if self._stop.wait(self._every):
                return

    def _tell(self, status: RollupStatus) -> None:
        with contextlib.suppress(OSError):  # an old status tells by its age
            self._status.parent.mkdir(parents=True, exist_ok=True)
            aside = self._status.with_name(f"{self._status.name}.{os.getpid()}.new")
            aside.write_text(json.dumps(asdict(status)) + "\n", encoding="utf-8")
            aside.replace(self._status)
