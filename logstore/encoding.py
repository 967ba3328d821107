"""What a spool event looks like in bytes: a msgpack list that begins with the version of its schema.

In come `LogRecord`, `Ending` and facts of other kinds; out go bytes, and back. Writing never raises, whatever a client
sent: text that UTF-8 or a database cannot hold is spelt out, text without end is cut, and the record says so in `note`.
Fields are written by position: a new field goes to the *end* of its tuple here, an old row then reads as its default.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any

import msgpack

from logstore.cleaning import LARGEST, clean_fact, clean_record, clean_text, clean_values
from logstore.record import Ending, LogRecord
from logstore.told import read_close, read_open
from logstore.unread import GROUPS, KINDS, ending_of, record_of, unread_ending, unread_record

VERSION = 1
"""Schema version written by this program; every version up to it can be read."""
RECORD_FIELDS = (
    "id", "time_us", "worker", "revision", "site", "user", "user_source", "verified", "shared", "band", "groups",
    "device", "client_address", "method", "scheme", "host", "port", "path", "query", "domain", "page", "action",
    "blocked", "reason", "tier", "rule", "category", "categories", "list", "entry", "stage", "terms", "note",
)  # fmt: skip
"""Fields of `LogRecord` in the order they are written."""
ENDING_FIELDS = (
    "kind", "status", "content_type", "title", "bytes_up", "bytes_down", "duration_us", "error", "page", "action",
    "blocked", "reason", "rule", "category", "stage", "repeats",
)  # fmt: skip
"""Fields of `Ending` in the order they are written."""

_ROOMY = 3_500
_UNPACKABLE = (ValueError, TypeError, OverflowError, AttributeError)
_record_values = attrgetter(*RECORD_FIELDS)
_ending_values = attrgetter(*ENDING_FIELDS)
_pack: Callable[[Any], bytes] = msgpack.Packer(use_bin_type=True).pack


class EventKind(enum.IntEnum):
    """What a spool event tells."""

    OPEN = 1
    """A record, at the decision."""
    CLOSE = 2
    """Its ending."""
    WRITE = 3
    """Record and ending at once."""
    CARRY = 4
    """An open record said again: in a later segment, so that the earlier one can go; before its HEAD, where its group
    then begins."""
    FACT = 5
    """Anything else the data plane has to tell."""
    HEAD = 6
    """The ending of a record that others will repeat: its row waits for them."""
    REPEAT = 7
    """The ending of a record that stands in its head's row."""
    OVER = 8
    """Nothing repeats this head any more."""


class EncodingProblem(ValueError):
    """Bytes that are not an event this program can read."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something other than a request that a worker has to tell: a warn-continue, a sign-in, a TLS failure."""

    kind: str
    """Its kind, low cardinality."""
    at_us: int
    """When: microseconds since the Unix epoch, UTC."""
    payload: Mapping[str, Any]
    """What it says: primitives only."""


def encode_open(record: LogRecord) -> bytes:
    """Bytes of an OPEN or CARRY event."""
    values = _record_values(record)
    try:
        payload = _pack((VERSION, values))
        if len(payload) < _ROOMY and not _has_nul(record):
            return payload
    except _UNPACKABLE:
        pass
    return _pack((VERSION, clean_record(RECORD_FIELDS, values)))


def encode_close(record_id: int, ending: Ending) -> bytes:
    """Bytes of a CLOSE event."""
    values = _ending_values(ending)
    try:
        payload = _pack((VERSION, record_id, values))
        if len(payload) < _ROOMY and not _holds_nul(ending):
            return payload
    except _UNPACKABLE:
        pass
    return _pack((VERSION, record_id, clean_values(Ending, ENDING_FIELDS, values)))


def encode_write(record: LogRecord, ending: Ending) -> bytes:
    """Bytes of a WRITE event."""
    values, last = _record_values(record), _ending_values(ending)
    try:
        payload = _pack((VERSION, values, last))
        whole = not _has_nul(record) and not _holds_nul(ending)
        if whole and len(payload) < _ROOMY:
            return payload
    except _UNPACKABLE:
        pass
    return _pack((VERSION, clean_record(RECORD_FIELDS, values), clean_values(Ending, ENDING_FIELDS, last)))


def encode_repeat(record_id: int, ending: Ending, head: int) -> bytes:
    """Bytes of a REPEAT event."""
    return _pack((VERSION, record_id, clean_values(Ending, ENDING_FIELDS, _ending_values(ending)), head))


def encode_over(head: int) -> bytes:
    """Bytes of an OVER event."""
    return _pack((VERSION, head))


def encode_fact(fact: Fact) -> bytes:
    """Bytes of a FACT event. What msgpack does not know is written as its `str`."""
    try:
        return _pack((VERSION, fact.kind, fact.at_us, dict(fact.payload)))
    except _UNPACKABLE:
        return _pack((VERSION, clean_text(fact.kind), fact.at_us, clean_fact(fact.payload)))


def decode_open(payload: bytes) -> LogRecord:
    """The record of an OPEN or CARRY event. Raises `EncodingProblem`."""
    found = read_open(payload, GROUPS)
    return _record(_parts(payload, 2)[1]) if found is None else record_of(found)


def decode_close(payload: bytes) -> tuple[int, Ending]:
    """Record id and ending of a CLOSE event. Raises `EncodingProblem`."""
    found = read_close(payload, GROUPS, KINDS)
    if found is not None:
        return found[0], ending_of(found[1])
    parts = _parts(payload, 3)
    return _integer(parts[1]), _ending(parts[2])


def decode_repeat(payload: bytes) -> tuple[int, Ending, int]:
    """Record id, ending and head of a REPEAT event. Raises `EncodingProblem`."""
    parts = _parts(payload, 4)
    return _integer(parts[1]), _ending(parts[2]), _integer(parts[3])


def decode_over(payload: bytes) -> int:
    """The head of an OVER event. Raises `EncodingProblem`."""
    return _integer(_parts(payload, 2)[1])


def decode_write(payload: bytes) -> tuple[LogRecord, Ending]:
    """Record and ending of a WRITE event. Raises `EncodingProblem`."""
    parts = _parts(payload, 3)
    return _record(parts[1]), _ending(parts[2])


def decode_fact(payload: bytes) -> Fact:
    """The fact of a FACT event. Raises `EncodingProblem`."""
    _, kind, at_us, content = _parts(payload, 4)[:4]
    if not isinstance(content, dict):
        raise EncodingProblem(f"a fact's content is {type(content).__name__}, not a mapping")
    return Fact(str(kind), _integer(at_us), content)


def _has_nul(record: LogRecord) -> bool:
    texts = f"{record.path}{record.query}{record.user}{record.host}{record.method}{record.note}{record.terms}"
    return "\0" in texts or "\\x00" in texts


def _holds_nul(ending: Ending) -> bool:
    return "\0" in f"{ending.title}{ending.content_type}{ending.error}"


def _parts(payload: bytes, least: int) -> tuple[Any, ...]:
    try:
        parts = msgpack.unpackb(payload, use_list=False, strict_map_key=False)
    except Exception as error:
        raise EncodingProblem(f"not msgpack: {error}") from error
    if type(parts) is not tuple or len(parts) < least:
        raise EncodingProblem(f"not a list of at least {least} parts")
    if not isinstance(parts[0], int) or not 1 <= parts[0] <= VERSION:
        raise EncodingProblem(f"schema version {parts[0]!r}; this program reads up to {VERSION}")
    return parts


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise EncodingProblem(f"{value!r} is not a number of 63 bits")
    return value


def event_time_us(kind: Any, payload: Any) -> int | None:
    """When an event was, microseconds since the Unix epoch; None for a close or a carry: they tell of earlier."""
    told: Any = None
    try:
        match kind:
            case EventKind.OPEN:
                told = decode_open(payload).time_us
            case EventKind.WRITE:
                told = decode_write(payload)[0].time_us
            case EventKind.FACT:
                told = decode_fact(payload).at_us
    except EncodingProblem:
        return None
    return told if type(told) is int else None  # a damaged record may say anything


def _defaults(shape: Any, names: Sequence[str]) -> tuple[int, tuple[Any, ...]]:
    """How many values there must be, and what the others are when they are not there."""
    by_name = {one.name: one.default for one in fields(shape)}
    needed = sum(by_name[name] is MISSING for name in names)
    return needed, tuple(by_name[name] for name in names[needed:])


_RECORD_NEEDS, _RECORD_DEFAULTS = _defaults(LogRecord, RECORD_FIELDS)
_ENDING_NEEDS, _ENDING_DEFAULTS = _defaults(Ending, ENDING_FIELDS)


def _record(values: Any) -> LogRecord:
    if type(values) is not tuple or len(values) < _RECORD_NEEDS:
        raise EncodingProblem("not the values of a LogRecord")
    _integer(values[0])
    if len(values) != len(RECORD_FIELDS):
        values = _fitted(values, RECORD_FIELDS, _RECORD_NEEDS, _RECORD_DEFAULTS)
    return unread_record(values)


def _ending(values: Any) -> Ending:
    if type(values) is not tuple or len(values) < _ENDING_NEEDS:
        raise EncodingProblem("not the values of an Ending")
    if len(values) != len(ENDING_FIELDS):
        values = _fitted(values, ENDING_FIELDS, _ENDING_NEEDS, _ENDING_DEFAULTS)
    try:
        return unread_ending(values)
    except (KeyError, TypeError) as error:
        raise EncodingProblem(f"an ending of kind {values[0]!r} is unknown") from error


def _fitted(values: tuple[Any, ...], names: Sequence[str], needed: int, defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """An older row with the defaults of the fields it has not, a newer one without those nobody knows here."""
    return (*values, *defaults[len(values) - needed :])[: len(names)]
