"""Asking the disk for the pages of an index before a search goes through them backwards.

In come a day file and the name of one of its indexes; out go hints to the kernel, a stretch at a time. Who looks
for a word that is rarely there reads the whole index of search terms, newest first, page by page: a disk reads ahead of
whoever goes forwards only, so each page would be waited for. The rule: it is a hint, and no search fails by it. In a
packed file an index lies in one piece, from its root to that of the next one; of other files (days sealed before there
was packing) nobody knows where it lies, and nothing is asked for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

FIRST = 1 << 20
"""Bytes asked for before the search begins: it may be done after the first page."""
STRETCH = 1 << 17
"""Bytes asked for at once at least: asking costs more than a look at the clock does."""
_PACKED = "log_met"
"""A table that packed files have, and no others."""
_PIECES = "SELECT name, rootpage FROM day.sqlite_schema WHERE rootpage > 0 ORDER BY rootpage"


class Backwards:
    """The pages of an index, asked for from its end."""

    def __init__(self, handle: int, begin: int, end: int) -> None:
        """`handle`: the file, open; `begin` and `end`: where the index lies in it, bytes."""
        self._handle = handle
        self._left = end
        self._due = 0
        self.span = (begin, end)
        """Where the index lies, bytes."""

    @classmethod
    def through(cls, driver: Any, path: Path, index: str) -> Self | None:
        """Those of `index` of the file at `path`, attached as `day`; None when there is nothing to ask for."""
        pieces = dict(driver.execute(_PIECES).fetchall())
        if _PACKED not in pieces or (root := pieces.get(index)) is None:
            return None
        size, pages = (driver.execute(f"PRAGMA day.{name}").fetchone()[0] for name in ("page_size", "page_count"))
        past = min((page for page in pieces.values() if page > root), default=pages + 1)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # retention has removed it meanwhile, or there are no descriptors left
            return None
        made = cls(handle, (root - 1) * size, (past - 1) * size)
        made.step(FIRST)
        return made

    def step(self, size: int) -> None:
        """Ask for `size` bytes more, as soon as that makes a stretch."""
        self._due += size
        there = self._left - self.span[0]
        if not there or self._due < min(STRETCH, there):
            return
        asked, self._due = min(self._due, there), 0
        self._left -= asked
        with suppress(OSError):
            os.posix_fadvise(self._handle, self._left, asked, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
