"""Partitions a week ahead, every hour, whether or not rows come; and what the metrics say of a record in a database.

ClickHouse makes a day's partition with its first row, so of it only the oldest day is told.

In come the settings; out go partitions and a small file in the run folder. The rules: it works in a thread of its own;
a database that is away is asked again at the next round, and the file says what was known last and when.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from typing import Any

import sqlalchemy.exc

from logstore.errorwords import without_rows
from logstore.place import Database, StoreError
from logstore.retention import oldest_day
from proxy.settings import Settings

logger = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two rounds."""
AGAIN = 30.0
"""Seconds to the next round after one that failed."""
TOLD = "partitions.json"
"""File of the run folder that says how the record's days stand."""


class PartitionJob:
    """Rounds, in a thread of the shipper's."""

    def __init__(self, settings: Settings, stop: threading.Event, every: float = EVERY) -> None:
        """`stop` ends it soon."""
        self._settings = settings
        self._stop = stop
        self._every = every
        self._thread = threading.Thread(target=self._run, name="partitions", daemon=True)

    def start(self) -> None:
        """Begin; the first round at once."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so many seconds."""
        self._thread.join(seconds)

    def round(self, now: datetime) -> bool:
        """Make what is missing and tell how it stands; False when the database did not let it. `now` is aware."""
        store = self._settings.store
        told: dict[str, Any] = {"at": now.timestamp(), "missing": 0, "stray": 0}
        try:
            if isinstance(store, Database):
                from logstore.postgres.days import make_ahead, missing_ahead, stray_rows

                make_ahead(store, now)
                told |= {"missing": len(missing_ahead(store, now)), "stray": stray_rows(store)}
            oldest = oldest_day(store)
            told["oldest"] = None if oldest is None else oldest.isoformat()
        except (StoreError, sqlalchemy.exc.SQLAlchemyError) as error:
            logger.warning("partitions could not be made ahead: %s", without_rows(error))
            return False
        if told["stray"]:
            logger.error("%d rows of the record lie outside every day's partition", told["stray"])
        self._tell(told)
        return True

    def _run(self) -> None:
        while True:
            done = self.round(datetime.now(UTC))
            if self._stop.wait(self._every if done else AGAIN):
                return

    def _tell(self, told: dict[str, Any]) -> None:
        path = self._settings.data / "run" / TOLD
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.new")
        aside.write_text(json.dumps(told) + "\n", encoding="utf-8")
        aside.replace(path)
