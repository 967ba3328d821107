"""Events become the next batch of a producer; what cannot be read is set aside on the way.

In come a producer and its spool, out goes a `Batch`: finished rows, and the cursor that holds once they are stored. A
batch is gathered in small portions, so that the next one can be while the store is busy with the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from logstore.encoding import EncodingProblem, Fact, event_time_us
from logstore.merge import Merger, Other
from logstore.quarantine import Quarantine
from logstore.reading import Lying, Producer, SpoolCursor, SpoolEvent, SpoolReader
from logstore.sending import Batch
from logstore.told import Opened

logger = logging.getLogger(__name__)

PART = 2_000
"""Events read at a time, one by one."""
TOGETHER = 500
"""Events read and merged at once, when all of them are plain opens and closes: two milliseconds."""
PORTION = 500
"""Events merged at a time: so many take two or three milliseconds, for which a server has been sent enough to do."""

type FactTaker = Callable[[Sequence[tuple[SpoolCursor, Fact]]], None]


@dataclass(slots=True)
class Gathering:
    """A batch that is being gathered."""

    after: SpoolCursor
    """Where reading begins again when gathering fails: before all of it."""
    batch: Batch
    """What there is of it."""
    facts: list[tuple[SpoolCursor, Fact]] = field(default_factory=list)
    """What of it is no request."""
    unmerged: list[Lying] = field(default_factory=list)
    """Events that were read and are not in the batch yet."""


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

    def begin(self, after: SpoolCursor) -> Gathering:
        """Begin the producer's next batch; `after` is the cursor of the one before."""
        return Gathering(after, Batch(SpoolCursor(after.producer, 0)))

    def go_on(self, gathering: Gathering, producer: Producer) -> bool:
        """Gather a portion more; False when there is none now. Raises as `finish` does."""
        try:
            return self._go_on(gathering, producer)
        except BaseException:
            self._give_up(gathering)
            raise

    def finish(self, gathering: Gathering, producer: Producer) -> Batch:
        """The batch once everything is gathered, perhaps without a row.

        Raises `OSError` when the quarantine cannot be written, and what the taker of facts raises. Then nothing is
        lost: the gathering is over, and reading begins again after the cursor it began with.
        """
        try:
            while self._go_on(gathering, producer):
                pass
            return self._finish(gathering, producer)
        except BaseException:
            self._give_up(gathering)
            raise

    def _give_up(self, gathering: Gathering) -> None:
        self.reader.pause()
        self.merger.forget(gathering.after.producer)
        self.reader.seek(gathering.after)

    def _go_on(self, gathering: Gathering, producer: Producer) -> bool:
        batch = gathering.batch
        if not gathering.unmerged:
            if (more_plain := self._go_on_plain(batch, producer)) is not None:
                return more_plain
            room = self.rows - batch.events
            events = self.reader.read_lying(producer, min(PART, room)) if room > 0 else []
            batch.events += len(events)
            if not batch.oldest_us:
                times = (event_time_us(kind, payload) for _, kind, payload in events)
                batch.oldest_us = next(filter(None, times), 0)
            gathering.unmerged = events
        portion, gathering.unmerged = gathering.unmerged[:PORTION], gathering.unmerged[PORTION:]
        for event, other in self.merger.feed_all(producer.name, portion, batch.rows):
            self._take(SpoolEvent(producer.name, *event), other, gathering)
        more = batch.events < self.rows and not self.reader.is_busy(producer.name)
        return bool(portion) and (more or bool(gathering.unmerged))

    def _go_on_plain(self, batch: Batch, producer: Producer) -> bool | None:
        """Gather a portion of plain opens and closes, and whether there is more; None when something else comes."""
        done = 0
        while (room := min(TOGETHER - done, self.rows - batch.events)) > 0:
            run = self.reader.read_run(producer, room)
            if run is None:
                return True if done else None
            if not run.told:
                break
            done += len(run.told)
            batch.events += len(run.told)
            if not batch.oldest_us:
                times = (one.time_us for one in run.told if isinstance(one, Opened))
                batch.oldest_us = next((time_us for time_us in times if type(time_us) is int and time_us), 0)
            self.orphans += self.merger.feed_run(producer.name, run.first, run.told, batch.rows)
        return bool(done) and batch.events < self.rows and not self.reader.is_busy(producer.name)

    def _finish(self, gathering: Gathering, producer: Producer) -> Batch:
        self.reader.pause()
        name, batch = producer.name, gathering.batch
        if gathering.facts and self.take_facts is not None:
            self.take_facts(gathering.facts)
        self.facts += len(gathering.facts)
        position = self.reader.position(name)
        all_read = batch.events < self.rows and not self.reader.is_busy(name)
        if all_read and not producer.alive:
            batch.rows += self.merger.ended(name)
        batch.rows += self.merger.overdue(name, position, all_read=all_read)
        batch.cursor = SpoolCursor(name, self.merger.cursor(name, position))
        return batch

    def _take(self, event: SpoolEvent, merged: Other, gathering: Gathering) -> None:
        """What is no row."""
        if isinstance(merged, EncodingProblem):
            self._set_aside(event, str(merged))
        elif isinstance(merged, Fact):
            gathering.facts.append((SpoolCursor(event.producer, event.seq), merged))
        else:
            self.orphans += 1
            if self.reader.is_damaged(event.producer):
                self._set_aside(event, "its open record was lost with a damaged part of the spool")

    def _set_aside(self, event: SpoolEvent, reason: str) -> None:
        # Not the reason: it may quote what somebody asked for, and stands in the quarantine.
        logger.warning("event %d of %s goes to quarantine", event.seq, event.producer)
        self.quarantine.add_event(event, reason, self.now())
