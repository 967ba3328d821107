"""Record ids: 64 bits, ordered by time, made in the worker.

In comes a clock, out go ids that only ever rise. Layout, from the top: milliseconds since 2025-01-01 UTC, 14 bits of
node (the gateway's number and the worker's: `logstore.gateways`), 8 bits of counter. In SQLite the id is the rowid, so
time order costs nothing; the store drops a second row with the same id, so an id must never be given twice, whatever
the clock does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

EPOCH_US = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z in microseconds since the Unix epoch."""
NODE_BITS = 14
"""Bits of the node."""
COUNTER_BITS = 8
"""Bits of the counter within one millisecond."""
NODES = 1 << NODE_BITS
"""Nodes that can be told apart."""
WORKERS = 64
"""Workers one gateway may have."""
NUMBERS = NODES // WORKERS
"""Gateways that can be told apart within one store."""

_SHIFT = NODE_BITS + COUNTER_BITS
_LAST_COUNT = (1 << COUNTER_BITS) - 1
_MAX_MS = (1 << (63 - _SHIFT)) - 1


def wall_clock_us() -> int:
    """Microseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1000


class RecordIds:
    """Gives ids that rise even when the clock is set back: `max(last + 1, now)`."""

    def __init__(self, node: int, clock: Callable[[], int] = wall_clock_us, floor: int = 0) -> None:
        """`clock` gives microseconds since the Unix epoch; ids stay above `floor` (see `SpoolWriter.id_floor`)."""
        if not 0 <= node < NODES:
            raise ValueError(f"node is {node}; a node lies between 0 and {NODES - 1}")
        self._clock = clock
        self._node = node << COUNTER_BITS
        self._ms = floor >> _SHIFT
        self._count = _LAST_COUNT if floor else -1

    def next(self) -> int:
        """The next id. More than 256 in a millisecond borrow from the next one."""
        now = (self._clock() - EPOCH_US) // 1000
        if now > self._ms:
            self._ms, self._count = min(now, _MAX_MS), 0
        elif self._count < _LAST_COUNT:
            self._count += 1
        else:
            self._ms, self._count = self._ms + 1, 0
        return (self._ms << _SHIFT) | self._node | self._count


def id_time_us(record_id: int) -> int:
    """When an id was given: microseconds since the Unix epoch, to the millisecond."""
    return (record_id >> _SHIFT) * 1000 + EPOCH_US


def id_node(record_id: int) -> int:
    """The node within an id."""
    return (record_id >> COUNTER_BITS) & (NODES - 1)


def id_range(start_us: int, end_us: int) -> tuple[int, int]:
    """Ids given from `start_us` up to but not including `end_us`, as `(first, past_the_last)`.

    Both are microseconds since the Unix epoch; a part of a millisecond counts as the whole of it at the end, so that
    no row of the span is left out. Times before 2025 give 0.
    """
    first = max(0, (start_us - EPOCH_US) // 1000)
    past = max(first, -((EPOCH_US - end_us) // 1000))
    return min(first, _MAX_MS) << _SHIFT, min(past, _MAX_MS) << _SHIFT
