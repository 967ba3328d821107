"""What happened around a moment: a person's and a device's rows side by side.

In come an open `Archive`, one or more filters and a moment (or a record id); out go rows of all of them, newest first,
each once, so many on either side. The rule: found by key like a page, so that going on in both directions costs the
same a year away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from logstore.filter import LogFilter
from logstore.ids import id_range
from logstore.query import PAGE_LIMIT, Archive
from logstore.rows import Row


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows around a moment."""

    rows: tuple[Row, ...]
    """Newest first."""
    at: int
    """Rows with this id or a higher one are at the moment or after it."""
    older: int | None
    """Give it as `before` for what came before; None when nothing did."""
    newer: int | None
    """Give it as `after` for what came next; None when nothing did."""


def around(
    archive: Archive, lanes: Sequence[LogFilter], moment: datetime | int, *, before: int = 25, after: int = 25
) -> Timeline:
    """The rows of every filter around a moment (aware) or a record id: `before` earlier ones, `after` from it on."""
    at = moment if isinstance(moment, int) else id_range(_us(moment), _us(moment))[0]
    earlier, more_earlier = _merged(archive, lanes, before, past=at)
    later, more_later = _merged(archive, lanes, after, first=at)
    rows = (*later, *earlier)
    return Timeline(
        rows,
        at,
        older=rows[-1].id if rows and more_earlier else None,
        newer=rows[0].id if rows and more_later else None,
    )


def further(
    archive: Archive,
    lanes: Sequence[LogFilter],
    limit: int = 50,
    *,
    before: int | None = None,
    after: int | None = None,
) -> Timeline:
    """The rows next to those of a timeline: before an id, or after one (never both)."""
    if (before is None) == (after is None):
        raise ValueError("a timeline goes on before an id or after one, not both")
    if before is not None:
        rows, more = _merged(archive, lanes, limit, past=before)
        return Timeline(rows, before, rows[-1].id if more else None, rows[0].id if rows else None)
    first = (after or 0) + 1
    rows, more = _merged(archive, lanes, limit, first=first)
    return Timeline(rows, first, rows[-1].id if rows else None, rows[0].id if more else None)


def _merged(
    archive: Archive, lanes: Sequence[LogFilter], limit: int, *, first: int | None = None, past: int | None = None
) -> tuple[tuple[Row, ...], bool]:
    """At most `limit` rows next to an id, newest first, and whether there are more beyond them."""
    if not 0 <= limit < PAGE_LIMIT:
        raise ValueError(f"{limit} rows; a side of a timeline has 0 to {PAGE_LIMIT - 1}")
    after = None if first is None else first - 1
    found = {row.id: row for lane in lanes for row in archive.search(lane, limit + 1, before=past, after=after).rows}
    ids = sorted(found, reverse=past is not None)
    taken = sorted(ids[:limit], reverse=True)
    return tuple(found[number] for number in taken), len(ids) > limit


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
