"""Rows held against the chain that was made with them.

In come the batches of one day and its rows as they are now; out goes what does not fit, by batch and by row. Pure:
it reads what it is given, once, in the order of the ids, and asks for a batch when its first row is due, so that of a
day of a hundred million rows only the batches in hand are in memory. The rule: a difference is always found (the root
of each batch is compared), and named as exactly as can be.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logstore.chain import (
    FORMS,
    Batch,
    broken_link,
    first_id_of,
    hints_of,
    ids_of,
    leaves_of,
    names_of,
    root_of,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written."""

    where: str
    """Which file, or `audit trail`."""
    what: str
    """What is wrong with it."""
    batch: int | None = None
    """Which batch of the file, where that is known."""
    record: int | None = None
    """Which record, where that is known."""

    def __str__(self) -> str:
        batch = "" if self.batch is None else f", batch {self.batch}"
        record = "" if self.record is None else f", record {self.record}"
        return f"{self.where}{batch}{record}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        """For machines; the record's id as text, because it is longer than JSON's numbers."""
        record = None if self.record is None else str(self.record)
        return {"where": self.where, "what": self.what, "batch": self.batch, "record": record}


@dataclass(frozen=True, slots=True)
class Sketch:
    """What has to be known of every batch of a day before its rows are read."""

    chain: str
    """The name of its chain."""
    number: int
    """Its place in the chain."""
    form: int
    """How its rows are hashed."""
    first: int | None
    """The lowest id of its rows; None without rows."""
    problem: str = ""
    """Why its ids cannot be read; empty when they can."""


type Fetch = Callable[[Sketch], Batch]
"""Gives the batch behind a sketch."""


@dataclass(slots=True)
class _Awaited:
    """A batch whose rows are being met."""

    chain: str
    batch: Batch
    ids: list[int]
    place: int = 0
    rows: list[Sequence[Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


type _Heap = list[tuple[int, int, str, _Awaited]]
"""Batches that are being met: the next id of each, its number, its chain."""


def links(file: str, batches: Iterable[Batch]) -> Iterator[Problem]:
    """What is wrong with the chain itself."""
    if (number := broken_link(file, batches)) is not None:
        yield Problem(file, "the chain is broken here: a batch was changed, taken out or put in", number)


def sketch(chain: str, batch: Batch) -> Sketch:
    """The sketch of a batch."""
    try:
        first = first_id_of(batch)
    except ValueError as error:
        return Sketch(chain, batch.number, batch.form, None, str(error))
    why = f"its list of ids is not that of {batch.rows} rows" if first is None and batch.rows else ""
    return Sketch(chain, batch.number, batch.form, first, why)


def rows_of(
    day: str, sketches: Iterable[Sketch], fetch: Fetch, found: Iterable[Sequence[Any]], *, contents: bool = True,
    whole: bool = True,
) -> Iterator[Problem]:  # fmt: skip
    """What is wrong with the rows of a day whose batches are in one chain or in several.

    Not `contents`: `found` are ids alone, so that rows which were changed do not show. Not `whole`: rows of the day are
    older than its chains, so that one in no batch is nothing wrong.
    """
    waiting: list[tuple[int, int, str, Sketch]] = []
    for one in sketches:
        if one.problem:
            yield Problem(one.chain, one.problem, one.number)
        elif one.first is not None:
            waiting.append((one.first, one.number, one.chain, one))
    waiting.sort(key=lambda one: one[:3], reverse=True)
    heap: _Heap = []
    for row in found:
        record = row[0]
        while waiting and waiting[-1][0] <= record:
            yield from _begin(heap, waiting[-1][2], fetch(waiting.pop()[3]))
        while heap and heap[0][0] < record:
            yield _missing(heap[0])
            yield from _step(heap, contents=contents)
        if heap and heap[0][0] == record:
            awaited = heap[0][3]
            if contents:
                awaited.rows.append(row)
            awaited.places.append(awaited.place)
            yield from _step(heap, contents=contents)
        elif whole:
            yield Problem(day, "the row is in no batch: it was added behind the record's back", None, record)
    while waiting:
        yield from _begin(heap, waiting[-1][2], fetch(waiting.pop()[3]))
    while heap:
        yield _missing(heap[0])
        yield from _step(heap, contents=contents)


def _begin(heap: _Heap, chain: str, batch: Batch) -> Iterator[Problem]:
    """The rows of a batch are met from now on: only these have all their ids in memory."""
    try:
        ids = ids_of(batch)
    except ValueError as error:
        yield Problem(chain, str(error), batch.number)
        return
    if len(ids) != batch.rows or any(later <= before for before, later in itertools.pairwise(ids)):
        yield Problem(chain, f"its list of ids is not that of {batch.rows} rows", batch.number)
    if ids:
        heapq.heappush(heap, (ids[0], batch.number, chain, _Awaited(chain, batch, ids)))


def widest(batches: Iterable[Batch | Sketch]) -> int:
    """The form that holds the columns of all."""
    return max((batch.form for batch in batches if batch.form in FORMS), default=max(FORMS))


def names(file: str, batches: Iterable[Batch], texts: Mapping[tuple[str, int], str | bytes]) -> Iterator[Problem]:
    """What is wrong with the names that rows use. `texts`: by column of `log` and number, as the catalog has them."""
    for batch in batches:
        try:
            vouched = names_of(batch)
        except ValueError as error:
            yield Problem(file, str(error), batch.number)
            continue
        places = [place for place, name in enumerate(vouched) if name in texts]
        leaves = leaves_of((*vouched[place], texts[vouched[place]]) for place in places)
        whole = len(places) == len(vouched)
        if whole and root_of(leaves) == batch.names_root:
            continue
        for column, number in (name for name in vouched if name not in texts):
            yield Problem(file, f"the name behind {column} {number} is missing in the catalog", batch.number)
        changed = _differing(batch.hints[2 * batch.rows :], len(vouched), leaves, places)
        for place in changed:
            column, number = vouched[place]
            yield Problem(file, f"the name behind {column} {number} was changed in the catalog", batch.number)
        if whole and not changed:
            yield Problem(file, "a name was changed in the catalog; it cannot be said which", batch.number)


def _step(heap: _Heap, *, contents: bool) -> Iterator[Problem]:
    """Go on to the next id of the batch on top; look at the batch when that was its last."""
    awaited = heap[0][3]
    awaited.place += 1
    if awaited.place < len(awaited.ids):
        heapq.heapreplace(heap, (awaited.ids[awaited.place], awaited.batch.number, awaited.chain, awaited))
        return
    heapq.heappop(heap)
    if contents:
        yield from _met(awaited.chain, awaited)


def _met(file: str, awaited: _Awaited) -> Iterator[Problem]:
    """All rows of a batch that are there are known: are they what they were?"""
    batch = awaited.batch
    if batch.form not in FORMS:
        yield Problem(file, f"is hashed in form {batch.form}; this program knows {', '.join(map(str, FORMS))}")
        return
    width = len(FORMS[batch.form])
    kept = awaited.rows if awaited.rows and len(awaited.rows[0]) == width else [row[:width] for row in awaited.rows]
    leaves = leaves_of(kept)
    whole = len(kept) == batch.rows
    if whole and root_of(leaves) == batch.root:
        return
    changed = _differing(batch.hints[: 2 * batch.rows], batch.rows, leaves, awaited.places)
    for place in changed:
        yield Problem(file, "the row was changed", batch.number, awaited.ids[place])
    if whole and not changed:
        yield Problem(file, "a row was changed; it cannot be said which", batch.number)


def _differing(hints: bytes, count: int, leaves: bytes, places: Sequence[int]) -> list[int]:
    """The places whose hash does not begin as it did."""
    now = hints_of(leaves)
    if len(hints) != 2 * count:
        return []
    have = len(places)
    return [
        place
        for number, place in enumerate(places)
        if (now[number], now[have + number]) != (hints[place], hints[count + place])
    ]


def _missing(top: tuple[int, int, str, _Awaited]) -> Problem:
    return Problem(top[2], "the row is missing", top[1], top[0])
