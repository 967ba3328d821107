"""A row as one text that is always the same, whole by itself, and its hash.

In comes a `Row`, out goes JSON in ASCII with its keys sorted, names in place of the catalog's numbers; and the other
way round. Pure. A field added to `LogRecord` or `Ending` later is absent from older texts and reads as its default.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from logstore.record import Ending, EndingKind, LogRecord
from logstore.rows import Row

_RECORD = frozenset(field.name for field in dataclasses.fields(LogRecord))
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Ending)}
_LATER = ("repeats",)
"""Fields added since rows are held: left out while they have their default, so that a row's hash stays what it was."""
_ENDING = frozenset(field.name for field in dataclasses.fields(Ending))


def canonical(row: Row) -> str:
    """The row as text."""
    told = {"record": dataclasses.asdict(row.record), "ending": dataclasses.asdict(row.ending)}
    for name in _LATER:
        if told["ending"][name] == _DEFAULTS[name]:
            del told["ending"][name]
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def digest(content: str) -> str:
    """SHA-256 of a canonical text, in hexadecimal."""
    return hashlib.sha256(content.encode()).hexdigest()


def row_of(content: str) -> Row:
    """The row a canonical text stands for. Raises `ValueError` for what is none; fields not known are left out."""
    try:
        told = json.loads(content)
        record = {name: _value(value) for name, value in told["record"].items() if name in _RECORD}
        ending = {name: value for name, value in told["ending"].items() if name in _ENDING}
        ending["kind"] = EndingKind(ending["kind"])
        return Row(LogRecord(**record), Ending(**ending))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no row: {type(error).__name__}: {error}") from error


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
