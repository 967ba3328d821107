"""Rows that are recorded and not in the store yet, read where they lie.

In come the spool folder and how far the store has each producer; out go rows, and how many records are still open.
Nothing is moved or marked: the shipper takes the same rows later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from logstore.encoding import EncodingProblem
from logstore.merge import Merger
from logstore.reading import Producer, SpoolCursor, SpoolReader
from logstore.record import LogRecord
from logstore.rows import Row

EVENTS = 5_000
"""Events read at a time."""


@dataclass(slots=True)
class Unshipped:
    """What a reading of the spool found besides rows; complete once the rows were read to their end."""

    open: int = 0
    """Records wanted whose end is not known yet."""
    unreadable: int = 0
    """Events nobody can read; the shipper will set them aside."""
    damaged: list[str] = field(default_factory=list)
    """Segments that could not be read whole now."""


def unshipped_rows(
    spool: Path, stored: Mapping[str, int], wanted: Callable[[LogRecord], bool], found: Unshipped
) -> Iterator[Row]:
    """Rows of every producer after what is stored, those `wanted`; `found` is filled in on the way."""
    reader = SpoolReader(spool)
    for producer in reader.producers() if spool.is_dir() else ():
        reader.seek(SpoolCursor(producer.name, stored.get(producer.name, 0)))
        yield from _rows(reader, producer, wanted, found)
    found.damaged += [segment.path(spool).name for segment in (*reader.damaged, *reader.busy)]


def _rows(
    reader: SpoolReader, producer: Producer, wanted: Callable[[LogRecord], bool], found: Unshipped
) -> Iterator[Row]:
    merger = Merger()
    while events := reader.read(producer, EVENTS):
        for event in events:
            try:
                merged = merger.feed(event)
            except EncodingProblem:
                found.unreadable += 1
                continue
            if isinstance(merged, tuple) and wanted(merged[0]):
                yield Row(*merged)
    # What is open has no end yet; it is counted, and a row of it comes with the shipper.
    found.open += sum(wanted(record) for record, _ in merger.ended(producer.name))
