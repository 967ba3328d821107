"""Events become the next batch of a producer; what cannot be read is set aside on the way.

In come a producer and its spool, out goes a `Batch`: finished rows, and the cursor that holds once they are stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from logstore.encoding import EncodingProblem, Fact
from logstore.merge import Merger, Orphan, event_time_us
from logstore.quarantine import Quarantine
from logstore.reading import Producer, SpoolCursor, SpoolEvent, SpoolReader
from logstore.sending import Batch

logger = logging.getLogger(__name__)

PART = 2_000
"""Events read at a time: so many fit into the processor's cache, from the disk to the row."""

type FactTaker = Callable[[Sequence[tuple[SpoolCursor, Fact]]], None]


@dataclass(slots=True)
class Collector:
    """Reads on, merges, sets aside."""

    reader: SpoolReader
    """Where events come from."""
    merger: Merger
    """Where open records wait."""
    quarantine: Quarantine
    """Where events go that nobody can read."""
    rows: int
    """Events of a full batch."""
    take_facts: FactTaker | None
    """Takes what is no request; must tolerate repeats."""
    now: Callable[[], datetime]
    """The clock, aware."""
    facts: int = 0
    """Facts read so far."""
    orphans: int = 0
    """Closes without their open so far."""

    def collect(self, producer: Producer, stored: SpoolCursor) -> Batch:
        """The next batch of a producer, perhaps without a row.

        Raises `OSError` when the quarantine cannot be written, and what the taker of facts raises. Then nothing is
        lost: reading begins again after `stored`, the cursor the store has.
        """
        try:
            return self._collect(producer)
        except BaseException:
            self.merger.forget(producer.name)
            self.reader.seek(stored)
            raise

    def _collect(self, producer: Producer) -> Batch:
        name = producer.name
        batch = Batch(SpoolCursor(name, 0))
        facts: list[tuple[SpoolCursor, Fact]] = []
        while events := self.reader.read(producer, min(PART, self.rows - batch.events)):
            batch.events += len(events)
            batch.oldest_us = batch.oldest_us or next(filter(None, map(event_time_us, events)), 0)
            self._feed(events, batch, facts)
            if batch.events >= self.rows or self.reader.is_busy(name):
                break
        if facts and self.take_facts is not None:
            self.take_facts(facts)
        self.facts += len(facts)
        if not producer.alive and batch.events < self.rows and not self.reader.is_busy(name):
            batch.rows += self.merger.ended(name)
        batch.rows += self.merger.overdue(name)
        batch.cursor = SpoolCursor(name, self.merger.cursor(name, self.reader.position(name)))
        return batch

    def _feed(self, events: Sequence[SpoolEvent], batch: Batch, facts: list[tuple[SpoolCursor, Fact]]) -> None:
        feed, take = self.merger.feed, batch.rows.append
        for event in events:
            try:
                merged = feed(event)
            except EncodingProblem as problem:
                self._set_aside(event, str(problem))
                continue
            if type(merged) is tuple:  # a row: asked first, because nearly all are
                take(merged)
            elif merged is not None:
                self._take(event, merged, batch, facts)

    def _take(self, event: SpoolEvent, merged: object, batch: Batch, facts: list[tuple[SpoolCursor, Fact]]) -> None:
        if isinstance(merged, Fact):
            facts.append((SpoolCursor(event.producer, event.seq), merged))
        elif isinstance(merged, Orphan):
            self.orphans += 1
            if self.reader.is_damaged(event.producer) and merged.row is not None:
                batch.rows.append(merged.row)
            elif self.reader.is_damaged(event.producer):
                self._set_aside(event, "its open record was lost with a damaged part of the spool")

    def _set_aside(self, event: SpoolEvent, reason: str) -> None:
        logger.warning("event %d of %s goes to quarantine: %s", event.seq, event.producer, reason)
        self.quarantine.add_event(event, reason, self.now())
