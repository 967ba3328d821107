"""A batch as the columns of `log`: what every engine's writer does before its own way in.

In come rows of a spool, or pairs of `LogRecord` and `Ending`; out go the days they belong to, the ids of their
dimensions and the values of their rows. Nothing here opens a database: what is new is learned by the function that is
handed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Protocol, final

from logstore.dimensions import FOLDED, Dimension
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS
from logstore.schema import log
from logstore.told import DECIDED, ENDED, WHERE, WHO, Ended, Group, Opened, Told
from logstore.unread import Row, ended_of, opened_of

type _Getter = Callable[[Any], Any]
type Learn = Callable[[Dimension, Set[Any]], Mapping[Any, int]]

COLUMNS = tuple(column.name for column in log.columns)
"""Columns of a row, in order."""
_DAY_MS: Final = 86_400_000
_ID_BITS: Final = NODE_BITS + COUNTER_BITS
_EPOCH_US: Final = EPOCH_US
_HOUR_US: Final = 3_600_000_000
_FIRST_DAY = date(2025, 1, 1)
_BY_COLUMN = {dimension.column: (place, dimension) for place, dimension in enumerate(FOLDED)}


def _part(group: Sequence[str], names: Sequence[str]) -> _Getter:
    """What gives the fields called `names` of a group: a tuple, or the value of one alone."""
    return itemgetter(*(group.index(name) for name in names))


_WHO = tuple(
    (place, _part(WHO, dimension.record))
    for place, dimension in map(
        _BY_COLUMN.__getitem__, ("user_id", "device_id", "address_id", "client_id", "engine_id")
    )
)
"""The dimensions a `WHO` names: their place in `FOLDED`, and what gives their key."""
_WHERE = tuple(
    (place, _part(WHERE, dimension.record))
    for place, dimension in map(_BY_COLUMN.__getitem__, ("manner_id", "host_id"))
)
"""The dimensions a `WHERE` names."""
_VERDICT, _ENTRY, _MEDIA = (_BY_COLUMN[column][0] for column in ("verdict_id", "entry_id", "media_id"))
_decided, _at_end = _part(DECIDED, FOLDED[_VERDICT].record), _part(ENDED, FOLDED[_VERDICT].ending)
_BLOCKED, _BLOCKED_AT_END = DECIDED.index("blocked"), ENDED.index("blocked")


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


@final
class Missing:
    """What rows name and a day is not known to use."""

    def __init__(self) -> None:
        self.who: set[Told] = set()
        """Groups of `WHO`."""
        self.where: set[Told] = set()
        """Groups of `WHERE`."""
        self.verdict: set[tuple[Told, Told]] = set()
        """What was decided and how it ended."""
        self.entry: set[Any] = set()
        """Entries."""
        self.media: set[Any] = set()
        """Media types."""


@final
class Known:
    """The ids one day is known to use: what of a row repeats, in few look-ups.

    Fields that hardly vary without each other are looked up together, in the groups of `logstore.unread`.
    """

    def __init__(self) -> None:
        self.sign = object()
        """By it a `Group` knows that its numbers are of this day."""
        self.ids: tuple[dict[Any, int | None], ...] = tuple(
            {None: None} if dimension.derive is None else {} for dimension in FOLDED
        )
        """The ids of each dimension, in the order of `FOLDED`; None is known to be NULL."""
        self.who: dict[Told, tuple[int | None, ...]] = {}
        """User, device, address, client and engine of each who."""
        self.where: dict[Told, tuple[int | None, ...]] = {}
        """Manner and host of each where."""
        self.verdict: dict[tuple[Told, Told], tuple[int | None, int]] = {}
        """The id of what was decided and how it ended, and 1 for what was blocked."""

    def gives(self, group: Group, known: Mapping[Told, tuple[int | None, ...]]) -> bool:
        """Tell a group its numbers, which are among the `known` of its kind; False when they are not."""
        numbers = known.get(group.told)
        if numbers is None:
            return False
        group.known, group.numbers = self.sign, numbers
        return True

    def learn(self, missing: Missing, learn: Learn) -> None:
        """Learn what is not known yet; `learn` is asked once for each dimension."""
        wanted = {place: set(map(part, missing.who)) for place, part in _WHO}
        wanted |= {place: set(map(part, missing.where)) for place, part in _WHERE}
        wanted[_VERDICT] = {_verdict_key(one) for one in missing.verdict}
        wanted |= {_ENTRY: missing.entry, _MEDIA: missing.media}
        for place, there in enumerate(self.ids):
            if unknown := wanted[place].difference(there):
                there.update(learn(FOLDED[place], unknown))
        for key in missing.who:
            self.who[key] = tuple([self.ids[place][part(key)] for place, part in _WHO])
        for key in missing.where:
            self.where[key] = tuple([self.ids[place][part(key)] for place, part in _WHERE])
        for one in missing.verdict:
            blocked, at_end = one[0][_BLOCKED], one[1][_BLOCKED_AT_END]
            number = self.ids[_VERDICT][_verdict_key(one)]
            self.verdict[one] = number, 1 if (blocked if at_end is None else at_end) else 0


def _verdict_key(key: tuple[Told, Told]) -> tuple[Any, Any]:
    return _decided(key[0]), _at_end(key[1])


@final
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


def fold(batch: Sequence[Row], known: Known, learn: Learn) -> list[tuple[Any, ...]]:
    """The rows as they stand in `log`; what of them is not `known` yet is learned, and known from then on.

    One pass over the fields of each row, while the processor has them at hand: a pass over the whole batch for each
    dimension took three times as long.
    """
    missing = Missing()
    rows, missed = _folded(batch, known, missing)
    if missed:
        known.learn(missing, learn)
        learned, unknown = _folded([batch[place] for place in missed], known, missing)
        if unknown:
            raise LookupError("a row names what was just learned, and it is not known")
        for place, row in zip(missed, learned, strict=True):
            rows[place] = row
    return rows


def _folded(batch: Sequence[Row], known: Known, missing: Missing) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The rows, and the places of those that name something which is `missing`; their rows are empty."""
    sign, whos, wheres = known.sign, known.who, known.where
    entries, medias = known.ids[_ENTRY], known.ids[_MEDIA]
    rows: list[tuple[Any, ...]] = []
    missed: list[int] = []
    for record, ending in batch:
        opened: Opened = record if isinstance(record, Opened) else opened_of(record)
        ended: Ended = ending if isinstance(ending, Ended) else ended_of(ending)
        who, where, decided = opened.who, opened.where, opened.decided
        whole = True
        if who.known is not sign and not known.gives(who, whos):
            missing.who.add(who.told)
            whole = False
        if where.known is not sign and not known.gives(where, wheres):
            missing.where.add(where.told)
            whole = False
        entry: Any = opened.entry
        if entry is not None:
            named = entry
            entry = entries.get(named)
            if entry is None:
                missing.entry.add(named)
                whole = False
        media: Any = medias.get(ended.media)
        if media is None and ended.media is not None:
            missing.media.add(ended.media)
            whole = False
        if decided.known is not sign:
            decided.known, decided.ends = sign, {}
        verdict = decided.ends.get(ended.group)
        if verdict is None:
            pair = decided.told, ended.group.told
            verdict = known.verdict.get(pair)
            if verdict is None:
                missing.verdict.add(pair)
                whole = False
            else:
                decided.ends[ended.group] = verdict
        if not whole or verdict is None:
            missed.append(len(rows))
            rows.append(())
            continue
        record_id: int = opened.id
        asker, target, terms = who.numbers, where.numbers, opened.terms
        rows.append((
            record_id, opened.time_us - (record_id >> _ID_BITS) * 1000 - _EPOCH_US,
            asker[0], asker[1], asker[2], asker[3], target[0], target[1], verdict[0], asker[4],
            entry, media, verdict[1],
            ended.status, ended.up, ended.down, ended.duration, opened.note, ended.error, ended.title,
            json.dumps(terms, ensure_ascii=False) if terms else None, opened.path, opened.query, ended.repeats or None,
        ))  # fmt: skip
    return rows, missed


@final
class Reach:
    """Where folded rows lie in time."""

    def __init__(self, values: Sequence[tuple[Any, ...]]) -> None:
        """`values` as `fold` gives them."""
        first: int = values[0][0] if values else 0
        last = early = late = 0
        before = -1
        hours: set[int] = set()
        for value in values:
            record_id: int = value[0]
            offset: int = value[1]
            if record_id > last:
                last = record_id
            elif record_id < first:
                first = record_id
            if offset < early:
                early = offset
            elif offset > late:
                late = offset
            hour = ((record_id >> _ID_BITS) * 1000 + _EPOCH_US + offset) // _HOUR_US
            if hour != before:
                hours.add(hour)
                before = hour
        self.first: int | None = first if values else None
        """The least id; None without rows."""
        self.last: int | None = last if values else None
        """The greatest."""
        self.early_us: int = -early
        """How much earlier than its id a row was at most, microseconds."""
        self.late_us: int = late
        """How much later."""
        self.hours: set[int] = hours
        """Hours since the Unix epoch in which there are rows, by their own time."""


def by_day(batch: Sequence[Row]) -> Iterator[tuple[str, Sequence[Row]]]:
    """The rows of each UTC day, oldest day first."""
    ids = [record.id for record, _ in batch]
    if ids and (day := day_of(min(ids))) == day_of(max(ids)):
        yield day, batch
        return
    days: dict[str, list[Row]] = {}
    for pair in batch:
        days.setdefault(day_of(pair[0].id), []).append(pair)
    yield from sorted(days.items())
