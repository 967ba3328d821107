"""How many connections each client address has open, at this worker and at all the others of its gateway.

Every worker writes counts of its own into memory they all see, and nobody else writes there: no lock, so a worker that
hangs or is killed keeps nobody waiting. The memory holds no address. An address has a cell in each of two rows, found
by a keyed digest, and two addresses may share one: what others count is the smaller of the two sums, so that a
neighbour can make a client's count too large only by sharing both. What this worker counts itself is exact.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

CELLS = 4096
"""Cells of one row of one worker."""
ROWS = 2
REGION = CELLS * ROWS * 4
"""Bytes a worker writes into."""


class OpenConnections:
    """Counts by address. Without memory that is shared, one worker counts for itself."""

    def __init__(self, memory: memoryview | None = None, worker: int = 0, secret: bytes = b"") -> None:
        """`memory` is a region for each worker, zeros at the start; `worker` says which is ours. `secret` keeps
        clients from choosing addresses that share a neighbour's cells."""
        self._cells = memoryview(bytearray(REGION) if memory is None else memory).cast("B").cast("I")
        self._ours = (worker if memory is not None else 0) * CELLS * ROWS
        self._secret = secret[:64]
        self._open: Counter[str] = Counter()
        self._written: Counter[int] = Counter()

    def opened(self, address: str) -> int:
        """Count a connection; how many the address has now, this one among them."""
        self._open[address] += 1
        places = self._places(address)
        for cell in places:
            self._add(cell, 1)
        return self._open[address] + min(self._others(cell) for cell in places)

    def closed(self, address: str) -> None:
        """A connection is over."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]
        for cell in self._places(address):
            self._add(cell, -1)

    def _places(self, address: str) -> tuple[int, int]:
        digest = blake2b(address.encode(), key=self._secret, digest_size=8).digest()
        first, second = int.from_bytes(digest[:4]), int.from_bytes(digest[4:])
        return first % CELLS, CELLS + second % CELLS

    def _add(self, cell: int, change: int) -> None:
        self._written[cell] += change
        if self._written[cell] <= 0:
            del self._written[cell]
        self._cells[self._ours + cell] = self._written[cell]

    def _others(self, cell: int) -> int:
        """What the other workers count there."""
        return sum(self._cells[cell :: CELLS * ROWS].tolist()) - self._cells[self._ours + cell]


def forget(memory: memoryview, worker: int) -> None:
    """A worker is gone, and with it every connection it had."""
    memory.cast("B")[worker * REGION : (worker + 1) * REGION] = bytes(REGION)
