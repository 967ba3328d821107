"""A batch as the columns of `log`: what every engine's writer does before its own way in.

In come pairs of `LogRecord` and `Ending`; out go the days they belong to, the ids of their dimensions and the values of
their rows. Nothing here opens a database: what is new is learned by the function that is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Protocol

from logstore.dimensions import FOLDED, Dimension
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS
from logstore.record import Ending, LogRecord
from logstore.schema import log

type Pair = tuple[LogRecord, Ending]
type _Keys = tuple[Any, Any, Any, Any, Any, Any]
"""What a row is folded by: who, where, verdict, engine, entry, media."""
type _Getter = Callable[[Any], Any]
type Learn = Callable[[Dimension, Set[Any]], Mapping[Any, int]]

COLUMNS = tuple(column.name for column in log.columns)
"""Columns of a row, in order."""
_UNKNOWN = -1
_DAY_MS = 86_400_000
_ID_BITS = NODE_BITS + COUNTER_BITS
_FIRST_DAY = date(2025, 1, 1)
_BY_COLUMN = {dimension.column: (place, dimension) for place, dimension in enumerate(FOLDED)}


def _together(*columns: str) -> tuple[_Getter, tuple[tuple[int, _Getter], ...]]:
    """What gives the fields of several dimensions at once; each one's place in `FOLDED`, and what gives its part."""
    fields: tuple[str, ...] = ()
    parts: list[tuple[int, _Getter]] = []
    for place, dimension in (_BY_COLUMN[column] for column in columns):
        first, fields = len(fields), fields + dimension.record
        part = first if len(dimension.record) == 1 else slice(first, len(fields))
        parts.append((place, itemgetter(part)))
    return attrgetter(*fields), tuple(parts)


_who, _WHO = _together("user_id", "device_id", "address_id", "client_id")
_where, _WHERE = _together("manner_id", "host_id")
_decided = attrgetter(*_BY_COLUMN["verdict_id"][1].record)
_at_end = attrgetter(*_BY_COLUMN["verdict_id"][1].ending)
_engine = attrgetter(*_BY_COLUMN["engine_id"][1].record)
_VERDICT, _ENGINE, _ENTRY, _MEDIA = (
    _BY_COLUMN[column][0] for column in ("verdict_id", "engine_id", "entry_id", "media_id")
)


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


class Known:
    """The ids one day is known to use: what of a row repeats, in few look-ups.

    Fields that hardly vary without each other are looked up together: who asked (user, device, address, client) and
    where (manner, host).
    """

    def __init__(self) -> None:
        self.ids: tuple[dict[Any, int | None], ...] = tuple(
            {None: None} if dimension.derive is None else {} for dimension in FOLDED
        )
        """The ids of each dimension, in the order of `FOLDED`; None is known to be NULL."""
        self.who: dict[Any, tuple[int | None, ...]] = {}
        """User, device, address and client of each who."""
        self.where: dict[Any, tuple[int | None, ...]] = {}
        """Manner and host of each where."""

    def learn(self, keys: Sequence[_Keys], learn: Learn) -> None:
        """Learn what of `keys` is not known yet; `learn` is asked once for each dimension."""
        who, where = {one[0] for one in keys}.difference(self.who), {one[1] for one in keys}.difference(self.where)
        wanted = {place: set(map(part, who)) for place, part in _WHO}
        wanted |= {place: set(map(part, where)) for place, part in _WHERE}
        wanted |= {place: {one[at] for one in keys} for at, place in enumerate((_VERDICT, _ENGINE, _ENTRY, _MEDIA), 2)}
        for place, there in enumerate(self.ids):
            if unknown := wanted[place].difference(there):
                there.update(learn(FOLDED[place], unknown))
        for key in who:
            self.who[key] = tuple(self.ids[place][part(key)] for place, part in _WHO)
        for key in where:
            self.where[key] = tuple(self.ids[place][part(key)] for place, part in _WHERE)


class Days:
    """What is known of each day.

    A key known for a day has that day between its `first_day` and `last_day`; the retention job therefore never
    removes a key that is known here for a day that is still kept.
    """

    def __init__(self, keep: int = 4) -> None:
        """`keep`: days held at a time."""
        self._keep = keep
        self._days: dict[str, Known] = {}

    def known(self, day: str) -> Known:
        """The ids known for `day`."""
        found = self._days.pop(day, None)
        if found is None:
            found = Known()
            while len(self._days) >= self._keep:
                del self._days[next(iter(self._days))]
        self._days[day] = found
        return found

    def forget(self) -> None:
        """Drop everything: what a transaction taught is void when it was rolled back."""
        self._days.clear()


def fold(batch: Sequence[Pair], known: Known, learn: Learn) -> list[tuple[Any, ...]]:
    """The rows as they stand in `log`; what of them is not `known` yet is learned, and known from then on.

    One pass over the fields of each row, while the processor has them at hand: a pass over the whole batch for each
    dimension took three times as long.
    """
    whos, wheres, ids = known.who, known.where, known.ids
    verdicts, engines, entries, medias = ids[_VERDICT], ids[_ENGINE], ids[_ENTRY], ids[_MEDIA]
    rows: list[Any] = []
    missed: list[tuple[int, _Keys]] = []
    for record, ending in batch:
        keys = _who(record), _where(record), (_decided(record), _at_end(ending)), _engine(record)
        who, where, verdict, engine = (
            whos.get(keys[0]),
            wheres.get(keys[1]),
            verdicts.get(keys[2]),
            engines.get(keys[3]),
        )
        entry, media = entries.get(record.entry, _UNKNOWN), medias.get(ending.content_type, _UNKNOWN)
        if who is None or where is None or verdict is None or engine is None or _UNKNOWN in (entry, media):
            missed.append((len(rows), (*keys, record.entry, ending.content_type)))
            rows.append(None)
        else:
            rows.append(_row(record, ending, who, where, (verdict, engine, entry, media)))
    if missed:
        known.learn([keys for _, keys in missed], learn)
    for place, (of_whom, at, decision, worker, entry_key, media_key) in missed:
        others = verdicts[decision], engines[worker], entries[entry_key], medias[media_key]
        rows[place] = _row(*batch[place], whos[of_whom], wheres[at], others)
    return rows


def _row(
    record: LogRecord,
    ending: Ending,
    who: tuple[int | None, ...],
    where: tuple[int | None, ...],
    others: tuple[int | None, ...],
) -> tuple[Any, ...]:
    """The values of a row in the order of `COLUMNS`."""
    record_id, blocked, terms = record.id, ending.blocked, record.terms
    return (
        record_id, record.time_us - (record_id >> _ID_BITS) * 1000 - EPOCH_US, *who, *where, *others,
        1 if (record.blocked if blocked is None else blocked) else 0, ending.status, ending.bytes_up,
        ending.bytes_down, ending.duration_us, record.note, ending.error, ending.title,
        json.dumps(terms, ensure_ascii=False) if terms else None, record.path, record.query,
        ending.repeats or None,
    )  # fmt: skip


def by_day(batch: Sequence[Pair]) -> Iterator[tuple[str, Sequence[Pair]]]:
    """The rows of each UTC day, oldest day first."""
    ids = [record.id for record, _ in batch]
    if ids and (day := day_of(min(ids))) == day_of(max(ids)):
        yield day, batch
        return
    days: dict[str, list[Pair]] = {}
    for pair in batch:
        days.setdefault(day_of(pair[0].id), []).append(pair)
    yield from sorted(days.items())
