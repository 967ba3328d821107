"""One batch into the store: whose fault it is when it fails, and which row.

In come a batch and a way to append it; out goes nothing, or the rows that can never be stored. A store that is away is
no row's fault: nothing is set aside on the word of a store that takes nothing at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import sqlalchemy.exc

from logstore.gateways import GatewayClash
from logstore.reading import SpoolCursor
from logstore.store import BadRow
from logstore.unread import Row

TRIES = 3
"""Failures of a batch before one of its rows is blamed."""
_AWAY = (
    OSError, MemoryError, sqlite3.OperationalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError,
    GatewayClash,
)  # fmt: skip
_ONLY_READS = "25006"
"""What a PostgreSQL server says that only reads, as a standby does after a failover; the driver calls that internal."""
_PATIENCE = 40


class RowStore(Protocol):
    """Where rows go (`logstore.store.Store`): takes a row once, however often it comes."""

    def append(self, batch: Sequence[Row], cursor: SpoolCursor | None) -> int:
        """Store the rows, then the cursor; how many rows were new."""

    def cursors(self) -> dict[str, int]:
        """How far each producer is stored."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class WaitingStore(Protocol):
    """A store whose server does the work: while it does, there is time for something else."""

    def meanwhile(self, work: Callable[[], bool]) -> None:
        """Do `work`, portion by portion, whenever `append` waits; it says whether there is more, and never raises."""

    def ahead(self, batch: list[Row]) -> bool:
        """Part of that work: make a portion of the next batch ready to be stored; False when nothing is left to do."""


@dataclass(slots=True)
class Batch:
    """Rows of one producer on their way, and the cursor that goes with them."""

    cursor: SpoolCursor
    """The cursor once these rows are stored."""
    rows: list[Row] = field(default_factory=list)
    """The rows."""
    events: int = 0
    """Events behind them."""
    oldest_us: int = 0
    """When the first of these events was, microseconds since the Unix epoch; 0 when unknown."""
    failures: int = 0
    """How often sending failed."""
    proof: int = 0
    """Rows the store had taken from anybody when sending first failed."""


def is_away(error: Exception) -> bool:
    """Whether the store itself failed: away, locked, full, read-only. Then no row is to blame."""
    return isinstance(error, _AWAY) or getattr(getattr(error, "orig", error), "sqlstate", None) == _ONLY_READS


def find_poison(
    rows: Sequence[Row], append: Callable[[Sequence[Row]], object], error: Exception, *, healthy: bool = False
) -> list[tuple[Row, Exception]] | None:
    """Rows that cannot be stored while their neighbours can; None when the store is to blame.

    `error` is how the whole batch failed; `healthy` says that the store took other rows meanwhile. Halves the batch
    until single rows are left; every part that can be stored is. Gives up after `_PATIENCE` failures without one
    success: a store that takes nothing proves nothing against a row.
    """
    if isinstance(error, BadRow):
        guilty = [row for row in rows if row[0].id == error.id]
        return [(row, error) for row in guilty] or None
    poison: list[tuple[Row, Exception]] = []
    parts: list[Sequence[Row]] = _halves(rows)
    stored, failures = int(healthy), 0
    while parts:
        part = parts.pop()
        try:
            append(part)
            stored += len(part)
        except Exception as found:
            failures += 1
            if is_away(found) or (not stored and failures > _PATIENCE):
                return None
            if len(part) == 1:
                poison.append((part[0], found))
            else:
                parts += _halves(part)
    return poison if stored else None


def _halves(rows: Sequence[Row]) -> list[Sequence[Row]]:
    if len(rows) < 2:
        return [rows]
    middle = len(rows) // 2
    return [rows[middle:], rows[:middle]]
