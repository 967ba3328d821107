"""How many rows a filter wants, at once: counted, added up, or estimated, and it says which.

In come an open `Archive` and a `LogFilter`; out goes an `Estimate`. Roll-ups tell it for most filters. Where they
cannot, rows are counted up to a cap; beyond it the newest that fit are a sample: as many fit among older rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import select

from logstore.filter import LogFilter, Selection
from logstore.query import Archive
from logstore.schema import day_file
from logstore.stats import Figures

SAMPLE = 2_000
"""Rows that an estimate rests on."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many rows there are."""

    rows: int
    """So many."""
    how: Literal["counted", "roll-ups", "estimated"]
    """`counted` and `roll-ups` are exact; `estimated` is not."""

    @property
    def exact(self) -> bool:
        """Whether there are exactly so many."""
        return self.how != "estimated"

    def __str__(self) -> str:
        return f"{self.rows:,}" if self.exact else f"about {self.rows:,}"


def how_many(archive: Archive, wanted: LogFilter, cap: int = 10_000) -> Estimate:
    """How many rows are wanted; exactly when roll-ups tell it or there are at most `cap`. Raises `SearchTooWide`."""
    figures = Figures(archive, wanted)
    if figures.quick:
        return Estimate(sum(span.rows for span in figures.series(timedelta(days=1)).spans), "roll-ups")
    counted = archive.count(wanted, cap)
    selection = wanted.select(archive.catalog)
    if counted.exact or selection is None:
        return Estimate(counted.rows, "counted")
    sample = list(itertools.islice(archive.walk(wanted, limit=SAMPLE), SAMPLE))
    share = _rows(archive, selection, sample[-1].id) / max(1.0, _rows(archive, selection, 0))
    return Estimate(max(cap + 1, _rounded(len(sample) / share)), "estimated")


def _rows(archive: Archive, selection: Selection, first: int) -> float:
    """All rows with `first` <= id in the time and the days wanted, about: a day's rows are taken to lie evenly."""
    known = {row.file: row for row in archive.catalog.execute(select(day_file))}
    rows = 0.0
    for part in archive.parts(selection, first):
        noted = known[part.file]
        low, high = noted.min_id or 0, (noted.max_id or 0) + 1
        within = min(part.past, high) - max(part.first, low, first)
        rows += noted.rows * max(0.0, within / (high - low))
    return rows


def _rounded(rows: float) -> int:
    """Two digits: the others would pretend."""
    size = max(0, len(str(int(rows))) - 2)
    return int(round(rows, -size))
