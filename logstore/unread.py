"""Records and endings as they come from the spool: whole, but not looked into yet.

In come values by position, out go a `LogRecord` and an `Ending` that hold them in groups, by which a row is folded
(`logstore.folding`); their fields are set when somebody asks for one. A shipper seldom does, and what it does not ask
for need not be set fifty times a row. The rule: nobody can tell the difference, but by the class, until a field is
asked for.

Values that hardly vary without each other are a group, and equal groups are one object: a thousand requests of one
person hold one name, whose hash is known, in place of a thousand copies.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, override

from logstore.record import Ending, EndingKind, LogRecord

MOST = 200_000
"""Groups that are remembered as one object; then remembering begins anew."""
WHO = (
    "worker", "revision", "site", "user", "user_source", "verified", "shared", "band", "groups", "device",
    "client_address",
)  # fmt: skip
"""Fields of the first group of a record: who asked, and which worker decided."""
WHERE = ("method", "scheme", "host", "port", "domain")
"""Fields of the second: where to."""
DECIDED = ("page", "action", "blocked", "reason", "tier", "rule", "category", "categories", "list", "stage")
"""Fields of the third: the verdict."""
ALONE = ("entry", "path", "query", "terms", "note")
"""Fields of a record that stand by themselves, behind the groups."""
ENDED = ("kind", "page", "action", "blocked", "reason", "rule", "category", "stage")
"""Fields of the group of an ending."""
ALONE_AT_END = ("content_type", "status", "bytes_up", "bytes_down", "duration_us", "error", "title", "repeats")
"""Fields of an ending that stand by themselves, behind the group."""

type Told = tuple[Any, ...]
"""The groups, then the values that stand by themselves."""

_who, _where, _decided = attrgetter(*WHO), attrgetter(*WHERE), attrgetter(*DECIDED)
_alone, _ended, _alone_at_end = attrgetter(*ALONE), attrgetter(*ENDED), attrgetter(*ALONE_AT_END)
_where_at, _decided_at = itemgetter(13, 14, 15, 16, 19), itemgetter(20, 21, 22, 23, 24, 25, 26, 27, 28, 30)
_alone_at = itemgetter(29, 17, 18, 31, 32)
_same: dict[Told, Told] = {}
_ends: dict[Told, Told] = {}
_KINDS: dict[Any, EndingKind] = {str(kind): kind for kind in EndingKind}


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
_tell_record: Callable[[Any, Told], None] = LogRecord.told.__set__  # type: ignore[attr-defined]
_tell_ending: Callable[[Any, Told], None] = Ending.told.__set__  # type: ignore[attr-defined]
_set_id: Callable[[Any, int], None] = LogRecord.__dict__["id"].__set__
_set_time: Callable[[Any, int], None] = LogRecord.__dict__["time_us"].__set__


def unread_record(values: tuple[Any, ...]) -> LogRecord:
    """The record of these values: all of them, in the order of `logstore.encoding.RECORD_FIELDS`.

    `id` and `time_us` can be asked for as they are.
    """
    who, where, decided = values[2:13], _where_at(values), _decided_at(values)
    if len(_same) > MOST:
        _same.clear()
    try:
        groups = _one(who, who), _one(where, where), _one(decided, decided)
    except TypeError:
        groups = who, where, decided  # with something in them that no field can be; the store will say so
    made = _new(UnreadRecord)
    _set_id(made, values[0])
    _set_time(made, values[1])
    _tell_record(made, (*groups, *_alone_at(values)))
    return made


def unread_ending(values: tuple[Any, ...]) -> Ending:
    """The ending of these values: all of them, in the order of `logstore.encoding.ENDING_FIELDS`.

    Raises `KeyError` or `TypeError` when its kind is unknown.
    """
    kind, status, content_type, title, up, down, duration, error = values[:8]
    said = (kind, *values[8:15])
    try:
        ended = _ends[said]
    except (KeyError, TypeError):
        ended = (_KINDS[kind], *values[8:15])
        _remember(said, ended)
    made = _new(UnreadEnding)
    _tell_ending(made, (ended, content_type, status, up, down, duration, error, title, values[15]))
    return made


def told_of_record(record: LogRecord) -> Told:
    """The groups of a record, then what stands alone: `WHO`, `WHERE`, `DECIDED`, and each of `ALONE`."""
    if record.__class__ is UnreadRecord:
        return record.told
    return (_who(record), _where(record), _decided(record), *_alone(record))


def told_of_ending(ending: Ending) -> Told:
    """The group of an ending, `ENDED`, then each of `ALONE_AT_END`."""
    if ending.__class__ is UnreadEnding:
        return ending.told
    return (_ended(ending), *_alone_at_end(ending))


_one = _same.setdefault


def _remember(said: Told, ended: Told) -> None:
    if len(_ends) > MOST:
        _ends.clear()
    try:
        _ends[said] = ended
    except TypeError:
        return


def _looked_into(made: Any) -> Any:
    """The same object, as a record or an ending like any other."""
    if made.__class__ is UnreadRecord:
        object.__setattr__(made, "__class__", LogRecord)
        groups = tuple(zip((WHO, WHERE, DECIDED, ALONE), (*made.told[:3], made.told[3:]), strict=True))
    elif made.__class__ is UnreadEnding:
        object.__setattr__(made, "__class__", Ending)
        groups = ((ENDED, made.told[0]), (ALONE_AT_END, made.told[1:]))
    else:
        return made
    for names, values in groups:
        for name, value in zip(names, values, strict=True):
            object.__setattr__(made, name, value)
    return made
