"""Where the groups of repeats lie among a producer's events, so that none is ever read in part.

In come the first and the last event of each group that was settled, out goes a cursor moved back before a group it
would cut in two. Read again from there, the group gives the row the store knows already; cut in two, its repeats behind
the cut would have lost their head, and nobody could say whether it had counted them. A worker begins no group before it
has said that those of the second before are over (`logstore.spool`), so groups that overlap are of one second.
"""

from __future__ import annotations


class Spans:
    """The settled groups of one producer that reading may still begin before."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """A group from event `first` to event `last` is settled. Groups come in the order of their ends."""
        while self._spans and self._spans[-1][1] >= first:
            first = min(first, self._spans.pop()[0])
        self._spans.append((first, last))

    def before(self, cursor: int) -> int:
        """The highest cursor up to `cursor` that cuts no group; those behind it are forgotten: it never goes back."""
        while self._spans and self._spans[0][1] <= cursor:
            del self._spans[0]
        return min(cursor, self._spans[0][0] - 1) if self._spans else cursor
