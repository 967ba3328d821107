"""Asking the disk for the pages of an index before a search goes through them backwards.

In come a packed day file and the name of one of its indexes; out go hints to the kernel, a stretch at a time. Who looks
for a word that is rarely there reads the whole index of search terms, newest first, page by page: a disk reads ahead of
whoever goes forwards only, so each page would be waited for. The rule: it is a hint. In a packed file an index lies in
one piece, from its root to that of the next one; where it does not, or nothing is hinted, the answer is the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

FIRST = 1 << 20
"""Bytes asked for before the search begins: it may be done after the first page."""
_PIECES = "SELECT name, rootpage FROM day.sqlite_schema WHERE rootpage > 0 ORDER BY rootpage"


class Backwards:
    """The pages of an index, asked for from its end."""

    def __init__(self, handle: int, begin: int, end: int) -> None:
        """`handle`: the file, open; `begin` and `end`: where the index lies in it, bytes."""
        self._handle = handle
        self._left = end
        self.span = (begin, end)
        """Where the index lies, bytes."""

    @classmethod
    def through(cls, driver: Any, path: Path, index: str) -> Self | None:
        """Those of `index` of the file at `path`, attached as `day`; None when it is not there."""
        pieces = dict(driver.execute(_PIECES).fetchall())
        if (root := pieces.get(index)) is None:
            return None
        size, pages = (driver.execute(f"PRAGMA day.{name}").fetchone()[0] for name in ("page_size", "page_count"))
        past = min((page for page in pieces.values() if page > root), default=pages + 1)
        made = cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC), (root - 1) * size, (past - 1) * size)
        made.step(FIRST)
        return made

    def step(self, size: int) -> None:
        """Ask for the next `size` bytes."""
        start = max(self.span[0], self._left - size)
        if start == self._left:
            return
        os.posix_fadvise(self._handle, start, self._left - start, os.POSIX_FADV_WILLNEED)
        self._left = start

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
