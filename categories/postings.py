"""Where the compiled entries' lists and lines stand: three columns of a snapshot.

In come the bytes of a snapshot, out go rows of numbers. The rule here: only names for what `domains` walks. (Apart from
it because mypyc cannot compile a NamedTuple with a `memoryview` in it.)
"""

from __future__ import annotations

from typing import NamedTuple


class Postings(NamedTuple):
    """Three columns: entries of key *n* are rows `starts[n]` to `starts[n + 1]` of `lists` and `lines`."""

    starts: memoryview
    """Unsigned 32-bit row numbers, one more than there are keys."""
    lists: memoryview
    """Unsigned 16-bit list numbers, perhaps with `BELOW`."""
    lines: memoryview
    """Unsigned 32-bit line numbers."""
