"""Which rows of a producer may be there already, without asking.

In come the ids of batches as they are sent, and how far earlier lives have come; out go, for a new batch, the ids that
are there for certain and those that have to be looked up. The rule: an id that is neither has never been sent. Ids only
rise within a producer, but requests end in any order: memory of the last batches is what keeps nearly every row of a
running shipper from being looked up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

BATCHES = 16
"""Batches of a producer whose ids are remembered."""
PRODUCERS = 32
"""Producers whose ids are remembered; of older ones only how far they came."""


@dataclass(slots=True)
class _Memory:
    batches: deque[frozenset[int]] = field(default_factory=deque)
    ids: set[int] = field(default_factory=set)


class Sent:
    """What has been sent. For one thread."""

    def __init__(self, greatest: Mapping[str, int]) -> None:
        """`greatest`: for each producer the greatest id that an earlier life was about to send."""
        self._floors = dict(greatest)
        self._memories: dict[str, _Memory] = {}

    def there(self, producer: str, ids: Collection[int]) -> set[int]:
        """Those of `ids` that are there for certain."""
        memory = self._memories.get(producer)
        return set() if memory is None else memory.ids.intersection(ids)

    def doubtful(self, producer: str, ids: Iterable[int]) -> list[int]:
        """Those of `ids` that may be there: to be looked up."""
        floor = self._floors.get(producer, -1)
        return [record_id for record_id in ids if record_id <= floor]

    def add(self, producer: str, ids: Collection[int]) -> None:
        """These are there now."""
        memory = self._memories.pop(producer, None) or _Memory()
        self._memories[producer] = memory
        batch = frozenset(ids)
        memory.batches.append(batch)
        memory.ids |= batch
        while len(memory.batches) > BATCHES:
            old = memory.batches.popleft()
            memory.ids -= old
            self.doubt(producer, old)
        while len(self._memories) > PRODUCERS:
            self.forget(next(iter(self._memories)))

    def doubt(self, producer: str, ids: Iterable[int]) -> None:
        """Ids up to the greatest of these may be there or not."""
        self._floors[producer] = max([self._floors.get(producer, -1), *ids])

    def forget(self, producer: str) -> None:
        """What is there of this producer has to be looked up from now on."""
        if (memory := self._memories.pop(producer, None)) is not None:
            self.doubt(producer, memory.ids)
