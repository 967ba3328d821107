"""Text and numbers as UTF-8, a database and a sane limit can hold them, whatever a client sent.

In come the values of a record, an ending or a fact; out come values of the types their fields have. Nothing raises.
A record that had to be changed says so in its `note`: `url-cut`, `cleaned`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from logstore.record import LogRecord

LARGEST = 2**63 - 1
"""Largest number a database column holds."""
URL_LIMIT = 65_536
"""Characters of path and query kept together. What is cut away is told by length and SHA-256."""
TEXT_LIMIT = 4_096
"""Characters kept of any other text."""
ITEM_LIMIT = 64
"""Items kept of a list: groups, categories, search terms."""

_ODD = re.compile("[\x00\ud800-\udfff]")


def clean_record(names: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a record as UTF-8, a database and a sane limit can hold them; `note` tells what was done."""
    cleaned = dict(zip(names, clean_values(LogRecord, names, values), strict=True))
    before = dict(zip(names, values, strict=True))
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


def _percent(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code == 0 or 0xDC80 <= code <= 0xDCFF:
        return f"%{code & 0xFF:02X}"
    return "%EF%BF%BD"


def clean_text(value: Any) -> str:
    """Any value as text without lone surrogates and NULs (U+FFFD instead), at most `TEXT_LIMIT` characters."""
    text = _ODD.sub("\ufffd", value if isinstance(value, str) else str(value))
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def spelt[T](value: T) -> T:
    """A text without lone surrogates and NULs (U+FFFD instead), however long; anything else as it is."""
    return _ODD.sub("\ufffd", value) if isinstance(value, str) else value  # type: ignore[return-value]


def _maybe_text(value: Any) -> str | None:
    return None if value is None else clean_text(value)


def _number(value: Any) -> int:
    try:
        return max(-LARGEST, min(LARGEST, int(value)))
    except (TypeError, ValueError, OverflowError):
        return 0


def _maybe_number(value: Any) -> int | None:
    return None if value is None else _number(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        return () if value is None else (clean_text(value),)
    return tuple(clean_text(item) for item in list(value)[:ITEM_LIMIT])


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "str": clean_text,
    "str | None": _maybe_text,
    "int": _number,
    "int | None": _maybe_number,
    "bool": bool,
    "bool | None": lambda value: None if value is None else bool(value),
    "tuple[str, ...]": _texts,
    "EndingKind": clean_text,
}


def _kinds(shape: type) -> dict[str, str]:
    return {field.name: str(field.type) for field in fields(shape)}


def _differs(before: Any, after: Any) -> bool:
    return bool(before != after) and not (isinstance(before, (list, tuple)) and tuple(before) == after)


def clean_fact(value: Any, depth: int = 0) -> Any:
    """What a fact says, as primitives, lists and mappings of them."""
    if isinstance(value, Mapping) and depth < 8:
        return {clean_text(key): clean_fact(item, depth + 1) for key, item in list(value.items())[:ITEM_LIMIT]}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < 8:
        return [clean_fact(item, depth + 1) for item in list(value)[:ITEM_LIMIT]]
    if value is None or isinstance(value, (bool, float)):
        return value
    return _number(value) if isinstance(value, int) else clean_text(value)
