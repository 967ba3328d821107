"""What a spool event looks like in bytes: a msgpack list that begins with the version of its schema.

In come `LogRecord`, `Ending` and facts of other kinds; out go bytes, and back. Writing never raises, whatever a client
sent: text that UTF-8 or a database cannot hold is spelt out, text without end is cut, and the record says so in `note`.
Fields are written by position: a new field goes to the *end* of its tuple here, an old row then reads as its default.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any

import msgpack

from logstore.record import Ending, EndingKind, LogRecord

VERSION = 1
"""Schema version written by this program; every version up to it can be read."""
URL_LIMIT = 65_536
"""Characters of path and query kept together. What is cut away is told by length and SHA-256."""
TEXT_LIMIT = 4_096
"""Characters kept of any other text."""
ITEM_LIMIT = 64
"""Items kept of a list: groups, categories, search terms."""

RECORD_FIELDS = (
    "id", "time_us", "worker", "revision", "site", "user", "user_source", "verified", "shared", "band", "groups",
    "device", "client_address", "method", "scheme", "host", "port", "path", "query", "domain", "page", "action",
    "blocked", "reason", "tier", "rule", "category", "categories", "list", "entry", "stage", "terms", "note",
)  # fmt: skip
"""Fields of `LogRecord` in the order they are written."""
ENDING_FIELDS = (
    "kind", "status", "content_type", "title", "bytes_up", "bytes_down", "duration_us", "error", "page", "action",
    "blocked", "reason", "rule", "category", "stage",
)  # fmt: skip
"""Fields of `Ending` in the order they are written."""

_ODD = re.compile("[\x00\ud800-\udfff]")
_ROOMY = 3_500
_LARGEST = 2**63 - 1
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
    """An open record said again in a later segment, so that the earlier one can go."""
    FACT = 5
    """Anything else the data plane has to tell."""


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
    return _pack((VERSION, clean_record(values)))


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
    return _pack((VERSION, clean_record(values), clean_values(Ending, ENDING_FIELDS, last)))


def encode_fact(fact: Fact) -> bytes:
    """Bytes of a FACT event. What msgpack does not know is written as its `str`."""
    try:
        return _pack((VERSION, fact.kind, fact.at_us, dict(fact.payload)))
    except _UNPACKABLE:
        return _pack((VERSION, _text(fact.kind), fact.at_us, _plain(fact.payload)))


def decode_open(payload: bytes) -> LogRecord:
    """The record of an OPEN or CARRY event. Raises `EncodingProblem`."""
    return _record(_parts(payload, 2)[1])


def decode_close(payload: bytes) -> tuple[int, Ending]:
    """Record id and ending of a CLOSE event. Raises `EncodingProblem`."""
    _, record_id, values = _parts(payload, 3)[:3]
    return _integer(record_id), _ending(values)


def decode_write(payload: bytes) -> tuple[LogRecord, Ending]:
    """Record and ending of a WRITE event. Raises `EncodingProblem`."""
    _, record, ending = _parts(payload, 3)[:3]
    return _record(record), _ending(ending)


def decode_fact(payload: bytes) -> Fact:
    """The fact of a FACT event. Raises `EncodingProblem`."""
    _, kind, at_us, content = _parts(payload, 4)[:4]
    if not isinstance(content, dict):
        raise EncodingProblem(f"a fact's content is {type(content).__name__}, not a mapping")
    return Fact(str(kind), _integer(at_us), content)


def clean_record(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a record as UTF-8, a database and a sane limit can hold them; `note` tells what was done."""
    cleaned = dict(zip(RECORD_FIELDS, clean_values(LogRecord, RECORD_FIELDS, values), strict=True))
    before = dict(zip(RECORD_FIELDS, values, strict=True))
    path, query, cut = clean_target(before["path"], before["query"])
    cleaned["path"], cleaned["query"] = path, query
    remarks = ["url-cut"] if cut else []
    whole = {name: value for name, value in before.items() if name not in ("path", "query")}
    if any(_differs(value, cleaned[name]) for name, value in whole.items()):
        remarks.append("cleaned")
    if remarks:
        cleaned["note"] = "; ".join(filter(None, [cleaned["note"], *remarks]))
    return tuple(cleaned.values())


def clean_target(path: Any, query: Any) -> tuple[str | None, str | None, bool]:
    """Path and query, percent-encoded where a byte was no text, cut at `URL_LIMIT`; True when cut.

    A cut part ends in `~cut~<characters>~sha256~<hex of the UTF-8 of path?query before the cut>`, so that two long
    URLs can still be told apart and compared with another log.
    """
    path = None if path is None else _ODD.sub(_percent, str(path))
    query = None if query is None else _ODD.sub(_percent, str(query))
    length = len(path or "") + len(query or "")
    if length <= URL_LIMIT:
        return path, query, False
    whole = path or "" if query is None else f"{path or ''}?{query}"
    mark = f"~cut~{length}~sha256~{hashlib.sha256(whole.encode()).hexdigest()}"
    if query is None:
        return (path or "")[:URL_LIMIT] + mark, None, True
    if path is not None and len(path) > URL_LIMIT:
        return path[:URL_LIMIT] + mark, "", True
    return path, query[: URL_LIMIT - len(path or "")] + mark, True


def clean_values(shape: type, names: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Each value as the type its field has in `shape`, within the limits."""
    kinds = _kinds(shape)
    return tuple(_CLEANERS[kinds[name]](value) for name, value in zip(names, values, strict=True))


def _has_nul(record: LogRecord) -> bool:
    texts = f"{record.path}{record.query}{record.user}{record.host}{record.method}{record.note}{record.terms}"
    return "\0" in texts or "\\x00" in texts


def _holds_nul(ending: Ending) -> bool:
    return "\0" in f"{ending.title}{ending.content_type}{ending.error}"


def _percent(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code == 0 or 0xDC80 <= code <= 0xDCFF:
        return f"%{code & 0xFF:02X}"
    return "%EF%BF%BD"


def _text(value: Any) -> str:
    text = _ODD.sub("\ufffd", value if isinstance(value, str) else str(value))
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _maybe_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> int:
    try:
        return max(-_LARGEST, min(_LARGEST, int(value)))
    except (TypeError, ValueError, OverflowError):
        return 0


def _maybe_number(value: Any) -> int | None:
    return None if value is None else _number(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        return () if value is None else (_text(value),)
    return tuple(_text(item) for item in list(value)[:ITEM_LIMIT])


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "str | None": _maybe_text,
    "int": _number,
    "int | None": _maybe_number,
    "bool": bool,
    "bool | None": lambda value: None if value is None else bool(value),
    "tuple[str, ...]": _texts,
    "EndingKind": _text,
}
_UNPACKABLE = (ValueError, TypeError, OverflowError, AttributeError)


def _kinds(shape: type) -> dict[str, str]:
    return {field.name: str(field.type) for field in fields(shape)}


def _differs(before: Any, after: Any) -> bool:
    return bool(before != after) and not (isinstance(before, (list, tuple)) and tuple(before) == after)


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, Mapping) and depth < 8:
        return {_text(key): _plain(item, depth + 1) for key, item in list(value.items())[:ITEM_LIMIT]}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < 8:
        return [_plain(item, depth + 1) for item in list(value)[:ITEM_LIMIT]]
    if value is None or isinstance(value, (bool, float)):
        return value
    return _number(value) if isinstance(value, int) else _text(value)


def _parts(payload: bytes, least: int) -> tuple[Any, ...]:
    try:
        parts = msgpack.unpackb(payload, use_list=False, strict_map_key=False)
    except Exception as error:
        raise EncodingProblem(f"not msgpack: {error}") from error
    if not isinstance(parts, tuple) or len(parts) < least:
        raise EncodingProblem(f"not a list of at least {least} parts")
    if not isinstance(parts[0], int) or not 1 <= parts[0] <= VERSION:
        raise EncodingProblem(f"schema version {parts[0]!r}; this program reads up to {VERSION}")
    return parts


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise EncodingProblem(f"{value!r} is not a number of 63 bits")
    return value


def _record(values: Any) -> LogRecord:
    _check_count(values, RECORD_FIELDS, LogRecord)
    record = LogRecord(**dict(zip(RECORD_FIELDS, values, strict=False)))
    _integer(record.id)
    return record


def _ending(values: Any) -> Ending:
    _check_count(values, ENDING_FIELDS, Ending)
    named = dict(zip(ENDING_FIELDS, values, strict=False))
    try:
        named["kind"] = EndingKind(named["kind"])
    except ValueError as error:
        raise EncodingProblem(f"an ending of kind {named['kind']!r} is unknown") from error
    return Ending(**named)


def _check_count(values: Any, names: tuple[str, ...], shape: type) -> None:
    needed = sum(1 for field in fields(shape) if field.default is MISSING and field.default_factory is MISSING)
    if not isinstance(values, tuple) or len(values) < needed:
        raise EncodingProblem(f"not the values of a {shape.__name__}")
