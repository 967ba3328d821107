"""Parts of pages under their pages: rows of the log in, for each page the pictures, scripts and calls it brought along.

A row says whether it is a page, and not of which page it is a part. So a part is put under the last page before it of
the same person at the same machine, when that was not long before. The rule: this is told as what it is, a guess by
person, machine and time; nothing is hidden by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from logstore.filter import LogFilter
from logstore.query import Archive, SearchTooWide
from logstore.rows import Row

WITHIN = timedelta(seconds=30)
"""A part comes at most so long after its page."""
MOST = 2_000
"""Rows that are looked through for one screen of pages; what lies beyond is not folded."""
_WHOSE = ("user", "device", "client_address", "site", "band", "group")
"""Fields of a filter that say whose rows are wanted; the others say which, and parts are asked for by whose only."""


def parts_of(archive: Archive, wanted: LogFilter, shown: Sequence[Row]) -> Mapping[int, tuple[Row, ...]]:
    """Ids of pages shown, and their parts, oldest first. Pages whose parts are too many to find are left out."""
    pages = [row for row in shown if row.page]
    if not pages or not wanted.page:
        return {}
    first, last = min(row.at for row in pages), max(row.at for row in pages)
    asked = _of_the_same(wanted, first, last + WITHIN)
    try:
        rows = list(itertools.islice(archive.walk(asked, rising=True, limit=500), MOST + 1))
    except SearchTooWide:
        return {}
    whole = None if len(rows) <= MOST else rows[-1].at - WITHIN
    return fold((row.id for row in pages if whole is None or row.at < whole), rows)


def fold(shown: Iterable[int], rows: Sequence[Row]) -> Mapping[int, tuple[Row, ...]]:
    """Each part of `rows` under the last page before it of the same person and machine, where that page is `shown`."""
    found: dict[int, list[Row]] = {number: [] for number in shown}
    open_: dict[tuple[str | None, ...], Row] = {}
    for row in sorted(rows, key=lambda one: (one.at, not one.page, one.id)):
        record = row.record
        lane = (record.user, record.device or record.client_address, record.site)
        if row.page:
            open_[lane] = row
        elif (page := open_.get(lane)) is not None and row.at - page.at <= WITHIN and page.id in found:
            found[page.id].append(row)
    return {number: tuple(parts) for number, parts in found.items() if parts}


def _of_the_same(wanted: LogFilter, since: datetime, until: datetime) -> LogFilter:
    told = {name: getattr(wanted, name) for name in _WHOSE}
    without = tuple((name, value) for name, value in wanted.without if name in _WHOSE)
    return replace(LogFilter(**told), since=since, until=until, without=without)
