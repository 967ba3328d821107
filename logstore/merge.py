"""Opens and closes become rows: one request, one row, whatever happened in between.

In come spool events in order, out go rows and facts. What is open waits in memory, within a
bound; a record whose worker died, or that has been open too long, becomes an *interrupted* row.

The cursor of a producer is the event before its oldest open record, so nothing that waits here is lost when the process
dies: it is read again. Reading again gives rows the store already has, which it knows by their id, and closes whose
record was settled before (`Orphan`), which need nothing. A group of repeats is counted whole or not at all: only events
settle it, never a clock, and no cursor cuts it (`logstore.spans`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from logstore.encoding import (
    EncodingProblem,
    EventKind,
    Fact,
    decode_close,
    decode_fact,
    decode_open,
    decode_over,
    decode_repeat,
    decode_write,
)
from logstore.reading import Lying, SpoolEvent
from logstore.record import Ending, EndingKind
from logstore.spans import Spans
from logstore.told import Ended, Opened, read_close, read_open
from logstore.unread import GROUPS, KINDS, Pair, Row, ended_of, opened_of, pair_of

# Plain numbers: two events a row are compared with them, and an enumeration's members are slow to reach.
_OPEN: Final = int(EventKind.OPEN)
_CLOSE: Final = int(EventKind.CLOSE)
_WRITE: Final = int(EventKind.WRITE)
_CARRY: Final = int(EventKind.CARRY)
_FACT: Final = int(EventKind.FACT)
_HEAD: Final = int(EventKind.HEAD)
_REPEAT: Final = int(EventKind.REPEAT)
_OVER: Final = int(EventKind.OVER)

WAIT_SECONDS = 6 * 3600.0
"""How long a record of a living worker may stay open before it is shown as interrupted. Its ending, should it come,
changes nothing any more: the store only takes rows in, and has had this one."""
HEAD_EVENTS = 200_000
"""Events after its own that a head waits for its OVER: far more than a worker writes in the second of a group, so its
OVER was destroyed. Counted in events, for a clock cannot know how long a worker or its disk has stood still."""
MOST_OPEN = 250_000
"""Records that may wait for their end at a time, all workers together; the oldest of the fullest is then given up."""

WORKER_ENDED = "worker ended"
"""`Ending.error` of a row whose worker died before the end was known."""
STILL_OPEN = "still open"
"""`Ending.error` of a row whose exchange had lasted longer than `WAIT_SECONDS`."""
TOO_MANY_OPEN = "too many open"
"""`Ending.error` of a row that had to make room for others."""


@final
@dataclass(frozen=True)
class Orphan:
    """A close without its open: settled before a restart, or its open was in a damaged segment."""

    record_id: int
    """The record it would have ended."""


type Other = Orphan | Fact | EncodingProblem
"""What an event is that neither opens nor completes a row."""


@final
class Merger:
    """The open records of every producer."""

    def __init__(
        self, *, wait: float = WAIT_SECONDS, most: int = MOST_OPEN, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`wait` is in seconds of `clock`, which must not jump."""
        self._wait = wait
        self._most = most
        self._clock = clock
        self._open: dict[str, dict[Any, Opened]] = {}
        self._given_up: dict[str, set[Any]] = {}
        self._spans: dict[str, Spans] = {}
        self._over: dict[str, int] = {}
        self._count = 0
        self.folded = 0
        """Repeats counted in the row of another."""

    def __len__(self) -> int:
        """Records that wait for their end."""
        return self._count

    def feed(self, event: SpoolEvent) -> Pair | Fact | Orphan | None:
        """What the event completes; None when it only opens. Raises `EncodingProblem` when it cannot be read."""
        values: tuple[Any, ...] = event  # not by name: those have types, and a damaged segment may hold anything
        merged = self._merge(values[0], values[1], values[2], values[3], self._clock())
        return pair_of(merged) if isinstance(merged, tuple) else merged

    def feed_all(self, producer: str, events: Sequence[tuple[Any, ...]], rows: list[Row]) -> list[tuple[Lying, Other]]:
        """Feed many events of a producer; `rows` gets the rows as `Row`s, and what else they are is given back.

        An event that cannot be read is given back with its problem, and those behind it are fed.
        """
        others: list[tuple[Lying, Other]] = []
        now = self._clock()
        for event in events:
            values: tuple[Any, ...] = event
            try:
                merged = self._merge(producer, values[0], values[1], values[2], now)
            except EncodingProblem as problem:
                others.append((event, problem))
                continue
            if merged is None:
                continue
            if isinstance(merged, tuple):
                rows.append(merged)
            else:
                others.append((event, merged))
        return others

    def feed_run(self, producer: str, seq: int, told: Sequence[Opened | Ended], rows: list[Row]) -> int:
        """Feed what plain opens and closes tell, `seq` the number of the first; how many of them were orphans."""
        orphans = 0
        now = self._clock()
        for one in told:
            if isinstance(one, Opened):
                self._wait_for(producer, seq, one, now)
            elif (taken := self._take(producer, one.of)) is not None:
                rows.append((taken, one))
            else:
                self._orphan(producer, one.of)
                orphans += 1
            seq += 1
        return orphans

    def _merge(self, producer: str, seq: int, kind: Any, payload: Any, now: float) -> Row | Fact | Orphan | None:
        """What an event completes; a damaged segment may hold anything as its kind and payload."""
        number: int = kind if isinstance(kind, int) else 0
        if number == _OPEN or number == _CARRY:  # noqa: PLR1714, SIM109 - a tuple would be made for each
            told = read_open(payload, GROUPS)
            opened: Any = decode_open(payload) if told is None else told
            if number == _OPEN or opened.id not in self._given_up.get(producer, ()):
                self._wait_for(producer, seq, opened_of(opened), now)
            return None
        if number == _CLOSE:
            closed = read_close(payload, GROUPS, KINDS)
            record_id: Any
            ended: Ended
            if closed is None:
                record_id, ending = decode_close(payload)
                ended = ended_of(ending)
            else:
                record_id, ended = closed
            taken = self._take(producer, record_id)
            return self._orphan(producer, record_id) if taken is None else (taken, ended)
        if number == _WRITE:
            return decode_write(payload)
        if number == _FACT:
            return decode_fact(payload)
        if number == _HEAD:
            head, ending = decode_close(payload)
            _check_sums(ending)
            return self._begin(producer, seq, head, ending)
        if number == _REPEAT:
            record_id, ending, head = decode_repeat(payload)
            _check_sums(ending)
            if record_id == head:
                raise EncodingProblem(f"record {head} repeats itself; a repeat names another record as its head")
            return self._repeat(producer, record_id, ending, head)
        if number == _OVER:
            return self._end(producer, seq, decode_over(payload))
        raise EncodingProblem(f"an event of kind {kind!r} is unknown; kinds are 1 to {max(EventKind)}")

    def ended(self, producer: str) -> list[Pair]:
        """The producer is dead and all it wrote has been fed: its open records, as interrupted rows."""
        pending = list(self._open.get(producer, {}).values())
        self.forget(producer)
        return [_row(one, WORKER_ENDED) for one in pending]

    def forget(self, producer: str) -> None:
        """The producer's events will be fed again from its cursor on."""
        self._count -= len(self._open.pop(producer, {}))
        for known in (self._given_up, self._spans, self._over):
            known.pop(producer, None)

    def overdue(self, producer: str, last_read: int = 0, *, all_read: bool = True) -> list[Pair]:
        """Records open too long, or too many, as interrupted rows, and heads whose OVER was destroyed; oldest first.

        Nothing is open too long while there is more to read: its end may lie there.
        """
        return [*self._without_over(producer, last_read), *self._give_up(producer, all_read=all_read)]

    def cursor(self, producer: str, last_read: int) -> int:
        """The last event of the producer that will not be needed again, when `last_read` is the last one fed."""
        oldest = next(iter(self._open.get(producer, {}).values()), None)
        cursor = last_read if oldest is None else oldest.seq - 1
        spans = self._spans.get(producer)
        return cursor if spans is None else spans.before(cursor)

    def _wait_for(self, producer: str, seq: int, opened: Opened, now: float) -> None:
        pending = self._open.get(producer)
        if pending is None:
            pending = self._open[producer] = {}
        opened.seq, opened.since = seq, now
        before = pending.get(opened.id)
        if before is None:
            self._count += 1
            pending[opened.id] = opened
        elif before.ending is None:  # else it has ended, and repeats are counted in it: nothing opens it again
            opened.since = before.since
            del pending[opened.id]  # it goes behind all others
            pending[opened.id] = opened

    def _take(self, producer: str, record_id: Any) -> Opened | None:
        waiting = self._open.get(producer)
        pending = None if waiting is None else waiting.get(record_id)
        if waiting is None or pending is None or pending.ending is not None:  # a head ends once, and waits for its OVER
            return None
        del waiting[record_id]
        self._count -= 1
        return pending

    def _begin(self, producer: str, seq: int, head: int, ending: Ending) -> Orphan | None:
        """The end of `head` is known; its row waits for those that repeat it, and keeps the cursor before it."""
        pending = self._open.get(producer, {}).get(head)
        if pending is None or pending.ending is not None:
            return self._orphan(producer, head)
        pending.ending, pending.ended_at = ending, seq
        return None

    def _orphan(self, producer: str, record_id: Any) -> Orphan:
        """A close without its open; it is the last that is heard of its record."""
        self._given_up.get(producer, set()).discard(record_id)
        return Orphan(record_id)

    def _repeat(self, producer: str, record_id: int, ending: Ending, head: int) -> Row | Orphan | None:
        """One more of `head`; a row of its own when no head is here, or one whose ending could not be read.

        Then nothing has counted it or ever will: what counted it would have been read again with it.
        """
        record = self._take(producer, record_id)
        pending = self._open.get(producer, {}).get(head)
        if pending is None or pending.ending is None:
            return Orphan(record_id) if record is None else (record, ending)
        sums = pending.ending
        pending.ending = dataclasses.replace(
            sums,
            repeats=sums.repeats + 1,
            bytes_up=sums.bytes_up + ending.bytes_up,
            bytes_down=sums.bytes_down + ending.bytes_down,
        )
        self.folded += 1
        return None

    def _end(self, producer: str, seq: int, head: int) -> Row | Orphan:
        """The second of `head` is over."""
        pending = self._open.get(producer, {}).get(head)
        if pending is None or pending.ending is None:
            return Orphan(head)
        self._over[producer] = max(pending.ended_at, self._over.get(producer, 0))
        self._settle(producer, head, pending, seq)
        return pending, pending.ending

    def _settle(self, producer: str, head: Any, pending: Opened, last: int) -> None:
        """No repeat of `head` comes behind the event `last`."""
        del self._open[producer][head]
        self._count -= 1
        if producer not in self._spans:
            self._spans[producer] = Spans()
        self._spans[producer].add(pending.seq, last)

    def _without_over(self, producer: str, last_read: int) -> Iterator[Pair]:
        """Heads whose OVER was destroyed: a later head has had its own, for they come in the order of the heads."""
        waiting = self._open.get(producer, {})
        before = max(self._over.get(producer, 0), last_read - HEAD_EVENTS)
        for head in [head for head, one in waiting.items() if one.ending is not None and one.ended_at < before]:
            pending = waiting[head]
            self._settle(producer, head, pending, last_read)
            yield _row(pending, WORKER_ENDED)

    def _give_up(self, producer: str, *, all_read: bool) -> Iterator[Pair]:
        """Heads that have ended are left: a repeat of theirs may come, and must find them."""
        waiting = self._open.get(producer, {})
        too_old = self._clock() - self._wait if all_read else float("-inf")
        running = [(record_id, one.since) for record_id, one in waiting.items() if one.ending is None]
        given = [(record_id, STILL_OPEN) for record_id, since in running if since <= too_old]
        room = self._count - len(given) - self._most
        if room > 0 and len(waiting) == max(map(len, self._open.values())):
            younger = [(record_id, TOO_MANY_OPEN) for record_id, since in running if since > too_old]
            given += younger[:room]
        if given:
            self._given_up.setdefault(producer, set()).update(record_id for record_id, _ in given)
        for record_id, why in given:
            self._count -= 1
            yield _row(waiting.pop(record_id), why)


def interrupted(why: str) -> Ending:
    """The ending of a record whose end is not known."""
    return Ending(kind=EndingKind.INTERRUPTED, error=why)


def _row(pending: Opened, why: str) -> Pair:
    """What waits as a row; interrupted, for the reason given, when its end is not known."""
    return pair_of((pending, interrupted(why) if pending.ending is None else pending.ending))


def _check_sums(ending: Any) -> None:
    """What is added up in a head's row must be numbers; raises `EncodingProblem`."""
    for name in ("repeats", "bytes_up", "bytes_down"):
        value = getattr(ending, name)
        if type(value) is not int:
            raise EncodingProblem(f"{name} is {type(value).__name__}, not a whole number")
