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
        events = self.reader.read(producer, self.rows)
        batch = Batch(SpoolCursor(name, 0), events=len(events))
        facts: list[tuple[SpoolCursor, Fact]] = []
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
        if facts and self.take_facts is not None:
            self.take_facts(facts)
        self.facts += len(facts)
        if not producer.alive and len(events) < self.rows and not self.reader.is_busy(name):
            batch.rows += self.merger.ended(name)
        batch.rows += self.merger.overdue(name)
        batch.cursor = SpoolCursor(name, self.merger.cursor(name, self.reader.position(name)))
        batch.oldest_us = next(filter(None, map(event_time_us, events)), 0)
        return batch

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
