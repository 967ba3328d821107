"""Rows counted by short steps of time, as a chart of an hour needs them: by spans of ids, without sorting a row.

In come an open `Archive`, a `Selection` and a width; out go steps with their requests and blocked ones. An id says its
row's time but for what the catalog notes of its file: ids well inside a step are counted by where they lie, those near
its ends by the row's own time. The rule: the numbers are those the rows give when they are grouped; where going by ids
is no shorter, they are grouped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from sqlalchemy import select

from logstore.dayview import DaySearch
from logstore.filter import Selection
from logstore.ids import id_range, id_time_us
from logstore.query import Archive
from logstore.schema import day_file
from logstore.source import Part

MOST = 500
"""Steps of one part beyond which sorting is no dearer."""
NARROW = 4
"""A step is at least so many times as wide as times lie beside their ids; else hardly an id is well inside."""

type Counted = tuple[int, int, int]
"""A step (its number since the Unix epoch), its requests, and of them the blocked ones. A step may come in pieces."""
type Span = tuple[int, int]
"""Ids, or microseconds, from one up to, not including, another."""


def stepped(archive: Archive, selection: Selection, width_ms: int) -> Iterator[Counted]:
    """The steps that have rows."""
    timed = archive.searching(selection)
    timeless = archive.searching(replace(selection, wanted=replace(selection.wanted, since=None, until=None)))
    known = {row.file: row for row in archive.catalog.execute(select(day_file))} if archive.folder is not None else {}
    for part in archive.together(selection):
        inner: list[tuple[int, Span]] = []
        if (noted := known.get(part.file)) is not None and noted.min_id is not None:
            asked = _asked(selection, part, (noted.min_id, noted.max_id))
            inner = _inner(asked, width_ms * 1000, (noted.early_us, noted.late_us), part)
        none: list[Counted] = []
        yield from archive.read(part, none, partial(_count, archive, part, timed, timeless, width_ms, inner))


def _asked(selection: Selection, part: Part, there: Span) -> Span:
    """Begin and end of the time that is asked for and that has rows, microseconds."""
    since, until = selection.bounds()
    begin, end = id_time_us(max(there[0], part.first)), id_time_us(min(there[1], part.past - 1)) + 1000
    return max(begin, begin if since is None else since), min(end, end if until is None else until)


def _inner(asked: Span, width_us: int, beside: Span, part: Part) -> list[tuple[int, Span]]:
    """Steps, each with the ids that are in it, wherever in its file's bounds their rows' times lie."""
    early, late = beside
    if (early + late + 1000) * NARROW > width_us or (asked[1] - asked[0]) // width_us > MOST:
        return []
    found = []
    for step in range(asked[0] // width_us, -(-asked[1] // width_us)):
        begin, end = max(asked[0], step * width_us), min(asked[1], (step + 1) * width_us)
        # Whole milliseconds within: an id knows no more.
        first, past = id_range(-(-(begin + early) // 1000) * 1000, (end - late) // 1000 * 1000)
        first, past = max(first, part.first), min(past, part.past)
        if first < past:
            found.append((step, (first, past)))
    return found


def _count(
    archive: Archive, part: Part, timed: DaySearch, timeless: DaySearch, width_ms: int, inner: list[tuple[int, Span]]
) -> list[Counted]:
    """The steps of the part that is at hand."""
    spans = [ids for _, ids in inner]
    whole = (part.first, part.past)
    sums = timeless.counts(archive.catalog, spans, whole) if inner else None
    if sums is None:
        spans, sums = [], []
    told = [(step, *found) for (step, _), found in zip(inner, sums, strict=False) if found[0]]
    first = part.first
    for begin, end in (*spans, (part.past, part.past)):
        if first < begin:
            rows = timed.grouped(archive.catalog, first, begin, (f"step:{width_ms}",), ())
            told += [(int(step), int(requests), int(blocked)) for step, requests, blocked in rows]
        first = end
    return told
