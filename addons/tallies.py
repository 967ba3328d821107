"""Numbers that are added up here for a moment before the metrics are told.

In come the counts and the seconds of each exchange, from the thread of the loop alone; out go their sums, a few times a
second. The rule: a metric that all workers share lies in a file that is mapped, and adding to it costs as much as a
decision, so an exchange that counts a dozen times must not do so itself. A worker that is killed takes the numbers of
`DELAY` with it, never rows.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, final

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric

DELAY = 0.25
"""Seconds until the metrics are told."""


@final
class Tallies:
    """Everything that is added up, and when it is passed on."""

    def __init__(self) -> None:
        self.awaited = False
        """Whether the metrics will be told anyway."""
        self._all: list[TalliedCounter | TalliedHistogram] = []

    def counter(self, child: Counter) -> TalliedCounter:
        """A counter without labels, or the child of one with them."""
        return self._kept(TalliedCounter(child, self))

    def histogram(self, histogram: Histogram) -> TalliedHistogram:
        """A histogram without labels."""
        return self._kept(TalliedHistogram(histogram, self))

    def soon(self) -> None:
        """Tell the metrics within `DELAY`; at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.tell()
        else:
            self.awaited = True
            loop.call_later(DELAY, self.tell)

    def tell(self) -> None:
        """Pass on what has come together."""
        self.awaited = False
        for one in self._all:
            one.tell()

    def _kept[T: (TalliedCounter, TalliedHistogram)](self, one: T) -> T:
        self._all.append(one)
        return one


@final
class TalliedCounter:
    """A counter that is told a sum."""

    __slots__ = ("_child", "_of", "_sum")

    def __init__(self, child: Counter, of: Tallies) -> None:
        self._child, self._of, self._sum = child, of, 0

    def inc(self, amount: int = 1) -> None:
        """Count so many more."""
        self._sum += amount
        if not self._of.awaited:
            self._of.soon()

    def tell(self) -> None:
        """Pass the sum on."""
        if self._sum:
            self._child.inc(self._sum)
            self._sum = 0


@final
class TalliedHistogram:
    """A histogram that is told how many fell into each of its buckets."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_of", "_sum")

    def __init__(self, histogram: Histogram, of: Tallies) -> None:
        own: Any = histogram
        self._histogram, self._of, self._sum = own, of, 0.0
        self._bounds: list[float] = list(own._upper_bounds)
        self._counts = [0] * len(self._bounds)

    def observe(self, amount: float) -> None:
        """One more of such a size."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount
        if not self._of.awaited:
            self._of.soon()

    def tell(self) -> None:
        """Pass on what fell into each bucket. The parts are the library's own; a test watches over them."""
        counts = self._counts
        if any(counts):
            for bucket, count in zip(self._histogram._buckets, counts, strict=True):
                if count:
                    bucket.inc(count)
            self._histogram._sum.inc(self._sum)
            self._counts, self._sum = [0] * len(counts), 0.0

    def collect(self) -> Iterable[Metric]:
        """What the histogram says."""
        found: Iterable[Metric] = self._histogram.collect()
        return found
