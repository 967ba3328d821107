"""Writes down which one-click decisions and own entries are over: the audit trail says so, the overlay forgets them.

Asked a few times a second by the supervisor. Nothing is opened or closed by this, and nothing depends on it: workers
know the time of every decision themselves. A database that is away is tried again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from identity.overlay import FILE_NAME, OverlayError, OverlayWatch, read_overlay
from logstore.db import Where, open_catalog
from proxy.decided import Decided, decided_in
from registry import entries, overrides

WHO = "schoolgate"
"""Who ends what nobody ended."""
PAUSE = timedelta(seconds=30)
"""Time between two tries of a database that is away."""


class Expiry:
    """Looks whether something is over."""

    def __init__(self, where: Where, overlay: Path) -> None:
        """`where` decisions are; `overlay` is the folder that workers read them from."""
        self._where = where
        self._watch = OverlayWatch(overlay / FILE_NAME)
        self._decided = Decided()
        self._not_before = datetime(1970, 1, 1, tzinfo=UTC)

    def look(self, at: datetime) -> int:
        """Write down what is over at `at`; how many. Raises `SQLAlchemyError`, `StoreError` or `OSError`."""
        if self._watch.changed():
            try:
                self._decided = decided_in(read_overlay(self._watch.path))
            except OverlayError:
                return 0  # the workers say so, and the next overlay is read again
        if at < self._not_before or self._decided.at(at) == self._decided:
            return 0
        # Set back when it is done: a database that is away is asked, and complained about, now and then.
        self._not_before = at + PAUSE
        engine = open_catalog(self._where)
        try:
            with engine.begin() as connection:
                over = len(overrides.end_expired(connection, at, WHO)) + len(entries.end_expired(connection, at, WHO))
        finally:
            engine.dispose()
        self._decided = self._decided.at(at)
        self._not_before = at
        return over
