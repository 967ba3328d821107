"""A batch as the columns of `log`: what every engine's writer does before its own way in.

In come rows of a spool, or pairs of `LogRecord` and `Ending`; out go the days they belong to, the ids of their
dimensions and the values of their rows. Nothing here opens a database: what is new is learned by the function that is
handed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Protocol, final

from logstore.dimensions import FOLDED, Dimension
from logstore.ids import COUNTER_BITS, EPOCH_US, NODE_BITS
from logstore.schema import log
from logstore.told import DECIDED, ENDED, WHERE, WHO, Ended, Group, Opened
from logstore.unread import Row, ended_of, opened_of

type _Getter = Callable[[Any], Any]
type Learn = Callable[[Dimension, Mapping[Any, str]], Mapping[Any, int]]
"""Gives the numbers of keys; each comes with its text (`Dimension.text`)."""
type Make = Callable[[Sequence[Row], Known], tuple[list[Any], list[int]]]
"""Makes rows of a batch as they are stored, and says the places of those that name something which is missing."""

COLUMNS = tuple(column.name for column in log.columns)
"""Columns of a row, in order."""
_DAY_MS: Final = 86_400_000
ID_BITS: Final = NODE_BITS + COUNTER_BITS
"""Bits of an id behind its milliseconds."""
_EPOCH_US: Final = EPOCH_US
_HOUR_US: Final = 3_600_000_000
_FIRST_DAY = date(2025, 1, 1)
_BY_COLUMN = {dimension.column: (place, dimension) for place, dimension in enumerate(FOLDED)}


def _part(group: Sequence[str], names: Sequence[str]) -> _Getter:
    """What gives the fields called `names` of a group: a tuple, or the value of one alone."""
    return itemgetter(*(group.index(name) for name in names))


_WHO: Final = tuple(
    (place, _part(WHO, dimension.record))
    for place, dimension in map(
        _BY_COLUMN.__getitem__, ("user_id", "device_id", "address_id", "client_id", "engine_id")
    )
)
"""The dimensions a `WHO` names: their place in `FOLDED`, and what gives their key."""
_WHERE: Final = tuple(
    (place, _part(WHERE, dimension.record))
    for place, dimension in map(_BY_COLUMN.__getitem__, ("manner_id", "host_id"))
)
"""The dimensions a `WHERE` names."""
_VERDICT: Final = _BY_COLUMN["verdict_id"][0]
_ENTRY: Final = _BY_COLUMN["entry_id"][0]
_MEDIA: Final = _BY_COLUMN["media_id"][0]
_decided: Final = _part(DECIDED, FOLDED[_VERDICT].record)
_at_end: Final = _part(ENDED, FOLDED[_VERDICT].ending)
_UNKNOWN: Final = object()
_BLOCKED: Final = DECIDED.index("blocked")
_BLOCKED_AT_END: Final = ENDED.index("blocked")


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
        self.missing: tuple[dict[Any, str], ...] = tuple([{} for _ in FOLDED])
        """What rows named of each dimension and is not known, and its text: made when it is met, which may be ahead."""
        self.lacking = object()
        """By it a `Group` knows that something of it is missing, until that is learned."""

    def gives(self, group: Group, parts: Sequence[tuple[int, _Getter]]) -> bool:
        """Tell a group its numbers, those of its `parts`; False when one is not known, which is then missing."""
        numbers: list[Any] = []
        for place, part in parts:
            key = part(group.told)
            number = self.ids[place].get(key, _UNKNOWN)
            if number is _UNKNOWN:
                self.lacks(place, key)
            else:
                numbers.append(number)
        if len(numbers) != len(parts):
            group.known = self.lacking
            return False
        group.known, group.numbers, group.packed = self.sign, tuple(numbers), b""
        return True

    def verdict(self, decided: Group, ended: Group) -> bool:
        """Tell a verdict its numbers with this ending: its id, and 1 for what was blocked; False when it is missing."""
        key = _decided(decided.told), _at_end(ended.told)
        number = self.ids[_VERDICT].get(key)
        if number is None:
            self.lacks(_VERDICT, key)
            return False
        blocked, at_end = decided.told[_BLOCKED], ended.told[_BLOCKED_AT_END]
        decided.ends[ended] = number, 1 if (blocked if at_end is None else at_end) else 0
        return True

    def lacks(self, place: int, key: Any) -> None:
        """A row names what is not known."""
        missing = self.missing[place]
        if key not in missing:
            missing[key] = FOLDED[place].text(key)

    def begin(self) -> None:
        """Nothing is missing: what a batch that failed had left so is looked for again."""
        self.lacking = object()
        for left in self.missing:
            left.clear()

    def learn(self, learn: Learn) -> None:
        """Learn what is missing; `learn` is asked once for each dimension."""
        self.lacking = object()
        for place, unknown in enumerate(self.missing):
            if unknown:
                self.ids[place].update(learn(FOLDED[place], unknown))
                unknown.clear()


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


def fold(batch: Sequence[Row], known: Known, learn: Learn, make: Make | None = None) -> list[tuple[Any, ...]]:
    """The rows as they stand in `log`; what of them is not `known` yet is learned, and known from then on.

    `make`: what makes them, when they are to be something else than `folded` gives.

    One pass over the fields of each row, while the processor has them at hand: a pass over the whole batch for each
    dimension took three times as long.
    """
    known.begin()
    rows, missed = folded(batch, known) if make is None else make(batch, known)
    if missed:
        for place, row in zip(missed, _learned([batch[place] for place in missed], known, learn, make), strict=True):
            rows[place] = row
    return rows


def _learned(batch: Sequence[Row], known: Known, learn: Learn, make: Make | None) -> list[tuple[Any, ...]]:
    """The rows, once what is missing is learned; all that they lack is among it."""
    known.learn(learn)
    rows, unknown = folded(batch, known) if make is None else make(batch, known)
    if unknown:
        raise LookupError("a row names what was just learned, and it is not known")
    return rows


@final
class Folding:
    """A batch of one day that is folded in portions, before it is stored and perhaps before it is whole.

    What was folded stays right as long as `known` is what its day is known to use, whatever else is folded meanwhile.
    """

    def __init__(self, batch: list[Row], known: Known, make: Make | None = None) -> None:
        """`batch` may still grow at its end; `make` as for `fold`.

        Of the batches of `known` only the last that was begun is folded fast.
        """
        known.begin()
        self._lacking = known.lacking
        self._make = make
        self.batch = batch
        """The rows."""
        self.known = known
        """The ids they are given."""
        self._rows: list[tuple[Any, ...]] = []
        self._missed: list[int] = []
        self._fails = False

    def go_on(self, most: int) -> bool:
        """Fold so many rows more; False when there is none now, or one that cannot be folded: `whole` says so."""
        done = len(self._rows)
        portion = self.batch[done : done + most]
        if self._fails or not portion:
            return False
        try:
            rows, missed = folded(portion, self.known) if self._make is None else self._make(portion, self.known)
        except Exception:  # told by whoever stores the batch
            self._fails = True
            return False
        self._rows += rows
        self._missed += [done + place for place in missed]
        return True

    def whole(self, learn: Learn) -> list[tuple[Any, ...]]:
        """All rows of the batch, as `fold` gives them."""
        while self.go_on(len(self.batch)):
            pass
        if self._fails:
            return fold(self.batch, self.known, learn, self._make)
        if self._missed:
            missed = [self.batch[place] for place in self._missed]
            # What another fold of this day asked for meanwhile is not ours to learn, and ours is no longer all there.
            mine = self.known.lacking is self._lacking
            again = _learned if mine else fold
            learned = again(missed, self.known, learn, self._make)
            for place, row in zip(self._missed, learned, strict=True):
                self._rows[place] = row
        return self._rows


def looked_up(opened: Opened, ended: Ended, known: Known) -> tuple[bool, Any, Any, Any]:
    """Whether all a row names is known; numbers of its verdict (`Known.verdict`), of its entry and of its media type.

    The numbers of who asked and where to are then those of their groups.
    """
    sign, lacking = known.sign, known.lacking
    who, where, decided = opened.who, opened.where, opened.decided
    whole = who.known is sign or (who.known is not lacking and known.gives(who, _WHO))
    if where.known is not sign and (where.known is lacking or not known.gives(where, _WHERE)):
        whole = False
    entry: Any = opened.entry
    if entry is not None:
        entry = known.ids[_ENTRY].get(entry)
        if entry is None:
            known.lacks(_ENTRY, opened.entry)
            whole = False
    media: Any = ended.media
    if media is not None:
        media = known.ids[_MEDIA].get(media)
        if media is None:
            known.lacks(_MEDIA, ended.media)
            whole = False
    if decided.known is not sign:
        decided.known, decided.ends = sign, {}
    verdict: Any = decided.ends.get(ended.group)
    if verdict is None and known.verdict(decided, ended.group):
        verdict = decided.ends[ended.group]
    return whole and verdict is not None, verdict, entry, media


def folded(batch: Sequence[Row], known: Known) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The rows, and the places of those that name something which is missing; their rows are empty."""
    rows: list[tuple[Any, ...]] = []
    missed: list[int] = []
    for record, ending in batch:
        opened: Opened = record if isinstance(record, Opened) else opened_of(record)
        ended: Ended = ending if isinstance(ending, Ended) else ended_of(ending)
        whole, verdict, entry, media = looked_up(opened, ended, known)
        if not whole:
            missed.append(len(rows))
            rows.append(())
            continue
        record_id: int = opened.id
        asker, target, terms = opened.who.numbers, opened.where.numbers, opened.terms
        rows.append((
            record_id, opened.time_us - (record_id >> ID_BITS) * 1000 - _EPOCH_US,
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
            hour = ((record_id >> ID_BITS) * 1000 + _EPOCH_US + offset) // _HOUR_US
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
