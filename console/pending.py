"""Files that somebody sent to see what they would do, until they say yes: kept in memory, for a while, for them alone.

Bytes and a session in; a key out, and for the key and the session the bytes again. The rule: nothing is written to
disk, because such a file may hold passwords; what is too old or too much is forgotten.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from console import secrets

KEPT = timedelta(minutes=15)
"""How long a file waits."""
MOST = 8
"""Most files that wait at once; the oldest goes first."""


class Pending:
    """The files that wait. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, tuple[str, bytes, datetime]] = {}

    def keep(self, session: str, data: bytes, at: datetime) -> str:
        """Keep a file for this session; its key."""
        key = secrets.new()
        with self._lock:
            self._forget(at)
            while len(self._files) >= MOST:
                del self._files[next(iter(self._files))]
            self._files[key] = (session, data, at)
        return key

    def get(self, session: str, key: str, at: datetime) -> bytes | None:
        """The file; None when it is gone, or somebody else's."""
        with self._lock:
            self._forget(at)
            found = self._files.get(key)
        return None if found is None or found[0] != session else found[1]

    def drop(self, key: str) -> None:
        """Forget a file."""
        with self._lock:
            self._files.pop(key, None)

    def _forget(self, at: datetime) -> None:
        for key in [key for key, (_, _, kept) in self._files.items() if at >= kept + KEPT]:
            del self._files[key]
