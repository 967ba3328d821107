"""How many requests each client address has made within this second, at this worker and at all the others.

As with open connections (`addons.openconnections`), every worker writes counts of its own into memory they all see: no
lock, no address in it, only cells found by a keyed digest, two for each address, of which the smaller sum counts. A
cell says of which second it is, so nothing has to be cleared, and what a killed worker wrote is soon of no account.
"""

from __future__ import annotations

from hashlib import blake2b

CELLS = 4096
"""Cells of one row of one worker."""
ROWS = 2
REGION = CELLS * ROWS * 4
"""Bytes a worker writes into."""
LITTLE = 16
"""A worker looks at what the others count with every so many requests of a client: reading them all takes longest."""
_MOST = 0xFFFF
"""What half a cell holds: the count; the other half is the second."""


class RequestPace:
    """Counts by address, within a second. Without memory that is shared, one worker counts for itself."""

    def __init__(self, memory: memoryview | None = None, worker: int = 0, secret: bytes = b"") -> None:
        """`memory` is a region for each worker, zeros at the start; `worker` says which is ours. `secret` keeps clients
        from choosing addresses that share a neighbour's cells."""
        self._cells = memoryview(bytearray(REGION) if memory is None else memory).cast("B").cast("I")
        self._ours = (worker if memory is not None else 0) * CELLS * ROWS
        self._secret = secret[:64]
        self._second = -1
        self._asked: dict[str, list[int]] = {}

    def asked(self, address: str, at: float) -> int:
        """Count a request made at `at`, seconds of a clock that all workers share (`time.monotonic`); how many the
        address has made within this second, this one among them, as far as this worker has looked."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._asked.clear()
        known = self._asked.get(address)
        if known is None:
            known = self._asked[address] = [0, 0, *self._places(address)]
        known[0] += 1
        mark = (second & _MOST) << 16
        for cell in known[2:]:
            here = self._cells[self._ours + cell]
            count = (here & _MOST) + 1 if here & ~_MOST == mark else 1
            self._cells[self._ours + cell] = mark | min(count, _MOST)
        if known[0] % LITTLE == 0:
            known[1] = min(self._others(cell, mark) for cell in known[2:])
        return known[0] + known[1]

    def _places(self, address: str) -> tuple[int, int]:
        digest = blake2b(address.encode(), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest[:4]) % CELLS, CELLS + int.from_bytes(digest[4:]) % CELLS

    def _others(self, cell: int, mark: int) -> int:
        """What the other workers count there in this second."""
        all_of_them = self._cells[cell :: CELLS * ROWS].tolist()
        all_of_them[self._ours // (CELLS * ROWS)] = 0
        return sum(one & _MOST for one in all_of_them if one & ~_MOST == mark)
