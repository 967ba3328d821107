"""Rows as text for other programs: JSON Lines and CSV.

In come rows, out go lines, one at a time, however many there are. The rules: an id is text in JSON, because it is
longer than the numbers of JSON readers (2^53); a CSV cell that a spreadsheet would take for a formula gets an
apostrophe before it (OWASP, CSV injection), because host names, titles and search terms are written by others.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from logstore.rows import Row

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings that make a spreadsheet calculate."""
COLUMNS = (
    "time", "site", "user", "band", "groups", "device", "client_address", "method", "url", "title", "terms", "action",
    "blocked", "reason", "rule", "category", "categories", "list", "tier", "page", "status", "content_type", "bytes_up",
    "bytes_down", "duration_ms", "repeats", "ending", "error", "note", "user_source", "verified", "shared", "host",
    "domain", "stage", "entry", "revision", "worker", "id",
)  # fmt: skip
"""Columns of a CSV, those read most first."""
_TIGHTENED = ("page", "action", "blocked", "reason", "rule", "category", "stage")


def as_json(row: Row, timezone: tzinfo = UTC) -> dict[str, Any]:
    """Every field of a row by name, the last word on the verdict, and what was decided first where that differs."""
    record, ending = dataclasses.asdict(row.record), dataclasses.asdict(row.ending)
    last = {name: getattr(row, name) for name in _TIGHTENED}
    first = {name: record[name] for name in _TIGHTENED if record[name] != last[name]}
    told = {
        **record,
        "id": str(row.id),
        "time": when(row.at, timezone),
        "url": row.record.url,
        **{name: value for name, value in ending.items() if name not in (*_TIGHTENED, "kind")},
        "ending": str(row.ending.kind),
        "duration_ms": row.ending.duration_us / 1000,
        **last,
    }
    return told | ({"first": first} if first else {})


def json_lines(rows: Iterable[Row], timezone: tzinfo = UTC) -> Iterator[str]:
    """One JSON object a line, in ASCII, so that no reader stumbles over what a client sent."""
    for row in rows:
        yield json.dumps(as_json(row, timezone)) + "\n"


def csv_lines(rows: Iterable[Row], timezone: tzinfo = UTC, *, header: bool = True) -> Iterator[str]:
    """A header and one line a row (RFC 4180), safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    if header:
        writer.writerow(COLUMNS)
        yield _taken(out)
    for row in rows:
        told = as_json(row, timezone)
        writer.writerow([cell(told[name]) for name in COLUMNS])
        yield _taken(out)


def cell(value: object) -> str:
    """One value as a CSV cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case list() | tuple():
            return cell("; ".join(str(item) for item in value))
    text = printable(str(value))
    return "'" + text if text.startswith(FORMULA) else text


def printable(text: str) -> str:
    """A text without what would end a line, move a cursor or be no Unicode: those are written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def when(moment: datetime, timezone: tzinfo) -> str:
    """A time with its offset, to the millisecond: `2026-11-21T10:05:00.123+00:00`."""
    return moment.astimezone(timezone).isoformat(timespec="milliseconds")


def _taken(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text
