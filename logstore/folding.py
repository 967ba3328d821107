"""A batch as the columns of `log`: what every engine's writer does before its own way in.

In come pairs of `LogRecord` and `Ending`; out go the days they belong to, the ids of their dimensions and the values of
their rows. Nothing here opens a database: what is new is learned by the function that is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from functools import lru_cache
from itertools import repeat
from typing import Any, Protocol

from logstore.dimensions import FOLDED, Dimension, tightened
from logstore.ids import COUNTER_BITS, NODE_BITS, id_time_us
from logstore.record import Ending, LogRecord
from logstore.schema import log

type Pair = tuple[LogRecord, Ending]
type Learn = Callable[[Dimension, Set[Any]], Mapping[Any, int]]

COLUMNS = tuple(column.name for column in log.columns)
"""Columns of a row, in order."""
_UNKNOWN = -1
_DAY_MS = 86_400_000
_FIRST_DAY = date(2025, 1, 1)


class Position(Protocol):
    """A place in a producer's spool (`SpoolCursor`): everything up to `seq` is in the batches so far."""

    @property
    def producer(self) -> str:
        """Who wrote the spool."""

    @property
    def seq(self) -> int:
        """Number of the last event."""


class BadRow(ValueError):
    """One row cannot be stored, whatever is tried; nothing of its batch was. The shipper puts it in quarantine."""

    def __init__(self, record_id: object, why: str) -> None:
        super().__init__(f"record {record_id!r}: {why}")
        self.id = record_id
        """Id of the row, as it came."""
        self.why = why
        """What is wrong with it, without its content."""


@lru_cache(maxsize=1024)
def _name_of(days: int) -> str:
    return (_FIRST_DAY + timedelta(days=days)).isoformat()


def day_of(record_id: int) -> str:
    """The UTC day a record belongs to, by its id: `2026-11-21`. Raises ValueError for what is no id."""
    if record_id < 0:
        raise ValueError("a record id is not negative")
    return _name_of((record_id >> (NODE_BITS + COUNTER_BITS)) // _DAY_MS)


def fold(
    records: Sequence[LogRecord],
    endings: Sequence[Ending],
    known: tuple[dict[Any, int | None], ...],
    learn: Learn,
) -> dict[str, list[int | None]]:
    """The ids of each dimension's column; what is not `known` yet is learned, and known from then on."""
    ids: dict[str, list[int | None]] = {}
    for dimension, there in zip(FOLDED, known, strict=True):
        keys = dimension.keys(records, endings)
        found = list(map(there.get, keys, repeat(_UNKNOWN)))  # each key is hashed once: that is most of the cost
        if _UNKNOWN in found:
            there.update(learn(dimension, {key for key, number in zip(keys, found, strict=True) if number == _UNKNOWN}))
            found = [there[key] for key in keys]
        ids[dimension.column] = found
    return ids


def by_day(batch: Sequence[Pair]) -> Iterator[tuple[str, Sequence[Pair]]]:
    """The rows of each UTC day, oldest day first."""
    days: dict[str, list[Pair]] = {}
    for pair in batch:
        days.setdefault(day_of(pair[0].id), []).append(pair)
    yield from sorted(days.items())


def row_values(
    records: Sequence[LogRecord], endings: Sequence[Ending], ids: dict[str, list[int | None]]
) -> list[tuple[Any, ...]]:
    """The rows as they stand in `log`, values in the order of `COLUMNS`."""
    columns: dict[str, list[Any]] = {
        "id": [record.id for record in records],
        "offset_us": [record.time_us - id_time_us(record.id) for record in records],
        **ids,
        "blocked": [
            1 if tightened(record.blocked, ending.blocked) else 0
            for record, ending in zip(records, endings, strict=True)
        ],
        "note": [record.note for record in records],
        "path": [record.path for record in records],
        "query": [record.query for record in records],
        "terms": [json.dumps(record.terms, ensure_ascii=False) if record.terms else None for record in records],
        "status": [ending.status for ending in endings],
        "bytes_up": [ending.bytes_up for ending in endings],
        "bytes_down": [ending.bytes_down for ending in endings],
        "duration_us": [ending.duration_us for ending in endings],
        "error": [ending.error for ending in endings],
        "title": [ending.title for ending in endings],
    }
    return list(zip(*(columns[name] for name in COLUMNS), strict=True))
