"""Costly pages, one at a time for each account: whoever asks for a second waits for the first.

A name in; a turn out, or a refusal. Safe to use from several threads.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Turns:
    """Who is having theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = set[str]()

    @contextlib.contextmanager
    def of(self, who: str) -> Iterator[bool]:
        """Whether it is theirs; False while they are having one."""
        with self._lock:
            theirs = who not in self._busy
            self._busy.add(who)
        try:
            yield theirs
        finally:
            if theirs:
                with self._lock:
                    self._busy.discard(who)
