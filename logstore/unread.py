"""Records and endings as they come from the spool: whole, but not looked into yet.

In come what an event tells (`logstore.told`) or its values by position, out go a `LogRecord` and an `Ending` that hold
them in groups, by which a row is folded (`logstore.folding`); their fields are set when somebody asks for one. A
shipper seldom does, and what it does not ask for need not be set fifty times a row. The rule: nobody can tell the
difference, but by the class, until a field is asked for. Nearly every row of a batch is not even that, but what its two
events tell (`Row`): a record has room for all its fields, and to make one costs more than to fold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any, override

from logstore.record import Ending, EndingKind, LogRecord
from logstore.told import ALONE, ALONE_AT_END, DECIDED, ENDED, WHERE, WHO, Ended, Groups, Opened, Told

_who, _where, _decided = attrgetter(*WHO), attrgetter(*WHERE), attrgetter(*DECIDED)
_alone, _ended, _alone_at_end = attrgetter(*ALONE), attrgetter(*ENDED), attrgetter(*ALONE_AT_END)
_where_at, _decided_at = itemgetter(13, 14, 15, 16, 19), itemgetter(20, 21, 22, 23, 24, 25, 26, 27, 28, 30)
_alone_at = itemgetter(29, 17, 18, 31, 32)

type Pair = tuple[LogRecord, Ending]
type Row = tuple[LogRecord | Opened, Ending | Ended]
"""A row on its way, of which anything is asked but its id and its time by `pair_of`."""

KINDS: dict[Any, EndingKind] = {str(kind): kind for kind in EndingKind}
"""Kinds of endings, by how they are written."""
GROUPS = Groups()
"""The groups this process remembers."""


class UnreadRecord(LogRecord):
    """A record from the spool, until one of its fields is asked for; then it is a `LogRecord` like any other."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(_looked_into(self), name)

    @override
    def __eq__(self, other: object) -> bool:
        return bool(_looked_into(self) == _looked_into(other))

    @override
    def __hash__(self) -> int:
        return hash(_looked_into(self))


class UnreadEnding(Ending):
    """An ending from the spool, until one of its fields is asked for; then it is an `Ending` like any other."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(_looked_into(self), name)

    @override
    def __eq__(self, other: object) -> bool:
        return bool(_looked_into(self) == _looked_into(other))

    @override
    def __hash__(self) -> int:
        return hash(_looked_into(self))


# Past the guard of frozen classes, and faster than their own way: what sets one slot.
_new = object.__new__
_tell_record: Callable[[Any, Opened], None] = LogRecord.told.__set__
_tell_ending: Callable[[Any, Ended], None] = Ending.told.__set__
_set_id: Callable[[Any, int], None] = LogRecord.__dict__["id"].__set__
_set_time: Callable[[Any, int], None] = LogRecord.__dict__["time_us"].__set__


def pair_of(row: Row) -> Pair:
    """A row as its record and its ending."""
    record, ending = row
    return (
        record_of(record) if isinstance(record, Opened) else record,
        ending_of(ending) if isinstance(ending, Ended) else ending,
    )


def record_of(opened: Opened) -> LogRecord:
    """The record an OPEN tells of. `id` and `time_us` can be asked for as they are."""
    made = _new(UnreadRecord)
    _set_id(made, opened.id)
    _set_time(made, opened.time_us)
    _tell_record(made, opened)
    return made


def ending_of(ended: Ended) -> Ending:
    """The ending a CLOSE tells of."""
    made = _new(UnreadEnding)
    _tell_ending(made, ended)
    return made


def unread_record(values: tuple[Any, ...]) -> LogRecord:
    """The record of these values: all of them, in the order of `logstore.encoding.RECORD_FIELDS`."""
    one = GROUPS.of
    groups = one(values[2:13]), one(_where_at(values)), one(_decided_at(values))
    return record_of(Opened(values[0], values[1], *groups, *_alone_at(values)))


def unread_ending(values: tuple[Any, ...]) -> Ending:
    """The ending of these values: all of them, in the order of `logstore.encoding.ENDING_FIELDS`.

    Raises `KeyError` or `TypeError` when its kind is unknown.
    """
    kind, status, content_type, title, up, down, duration, error = values[:8]
    group = GROUPS.of((KINDS[kind], *values[8:15]))
    return ending_of(Ended(group, content_type, status, up, down, duration, error, title, values[15]))


def opened_of(record: LogRecord | Opened) -> Opened:
    """What the open of any record tells."""
    if isinstance(record, Opened):
        return record
    if record.__class__ is UnreadRecord:
        opened: Opened = record.told
        return opened
    one = GROUPS.of
    groups = one(_who(record)), one(_where(record)), one(_decided(record))
    return Opened(record.id, record.time_us, *groups, *_alone(record))


def ended_of(ending: Ending | Ended) -> Ended:
    """What the close of any ending tells."""
    if isinstance(ending, Ended):
        return ending
    if ending.__class__ is UnreadEnding:
        ended: Ended = ending.told
        return ended
    return Ended(GROUPS.of(_ended(ending)), *_alone_at_end(ending))


def _looked_into(made: Any) -> Any:
    """The same object, as a record or an ending like any other."""
    groups: tuple[tuple[Sequence[str], Told], ...]
    if made.__class__ is UnreadRecord:
        object.__setattr__(made, "__class__", LogRecord)
        opened: Opened = made.told
        who, where, decided = opened.who.told, opened.where.told, opened.decided.told
        groups = ((WHO, who), (WHERE, where), (DECIDED, decided), (ALONE, opened.alone()))
    elif made.__class__ is UnreadEnding:
        object.__setattr__(made, "__class__", Ending)
        groups = ((ENDED, made.told.group.told), (ALONE_AT_END, made.told.alone()))
    else:
        return made
    for names, values in groups:
        for name, value in zip(names, values, strict=True):
            object.__setattr__(made, name, value)
    return made
