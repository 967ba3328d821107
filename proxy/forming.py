"""The engine of a worker in the making: a reload brings lists and policy, the overlay brings what people decided.

In come orders to build; out comes `engine`, always complete. Building happens off the event loop. A decision never
waits for a reload that is under way (seconds): both keep their own part, and only the last step, milliseconds, is taken
in turn. Whatever fails leaves the engine, and the part it was made from, as they were.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from policy.engine import Engine
from proxy import inforce
from proxy.decided import Decided, Parts, open_decided, put_together
from proxy.settings import Settings


def _now() -> datetime:
    return datetime.now(UTC)


class Forming:
    """Keeps the parts an engine is made of, and the engine."""

    def __init__(self, settings: Settings) -> None:
        """Builds the first engine at once. Raises what its parts raise."""
        self._settings = settings
        self._parts: Parts = inforce.open_parts(settings)
        self.decided: Decided = open_decided(settings)
        """What people decided, as the engine knows it."""
        at = _now()
        self.engine: Engine = put_together(self._parts, self.decided, at)
        """The engine in force."""
        self._next_end = self.decided.next_end(at)
        self._last_step = asyncio.Lock()

    async def reload(self, verified: str = "") -> None:
        """Take lists and policy that were put in force. Raises what their parts raise.

        `verified` is the snapshot the supervisor checked whole: not every worker needs to read every byte again.
        """
        parts = await asyncio.to_thread(inforce.open_parts, self._settings, verified)
        async with self._last_step:
            await self._put_together(parts, self.decided)

    async def decide(self, decided: Decided | None) -> None:
        """Take new decisions; None: take out what is over. Raises `EngineProblem`."""
        async with self._last_step:
            wanted = self.decided if decided is None else decided
            if decided == self.decided and not self.due(_now()):
                self.decided = wanted
                return
            await self._put_together(self._parts, wanted)

    def due(self, at: datetime) -> bool:
        """Whether a decision is over since the engine was built."""
        return self._next_end is not None and at >= self._next_end

    async def _put_together(self, parts: Parts, decided: Decided) -> None:
        at = _now()
        self.engine = await asyncio.to_thread(put_together, parts, decided, at)
        self._parts, self.decided, self._next_end = parts, decided, decided.next_end(at)
