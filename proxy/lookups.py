"""Names in, addresses out, as the machine's resolver knows them: asked in threads, since its answer is waited for.

A thread that waits for a name server that says nothing cannot be called back. So nobody holds more of them than a
share: neither one domain, nor one client, however many domains it knows that never answer. Whoever asks for one name
more waits for a turn, for as long as for a connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from categories.names import registrable_domain
from identity.shares import network_of

LOOKUPS = 256
"""Name look-ups under way at once; threads are made when they are needed."""
LOOKUPS_PER_CLIENT = 32
"""Of these, for one client: an IPv4 address, or an IPv6 network of 64 bits."""
LOOKUPS_PER_ZONE = 8
"""Of these, for names of one registrable domain."""
LOOKUPS_PER_SILENT_ZONE = 1
"""The same, while one of its names goes unanswered for long, and for a while after."""
SILENCE = 2.0
"""Seconds without an answer after which a domain is taken to be silent."""
REMEMBERED = 60.0
"""Seconds for which it is, unless one of its names is answered."""
REMEMBERED_ZONES = 4096

type _Key = tuple[Any, ...]


class Lookups:
    """The look-ups of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lookers = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="names")
        self._asked: dict[_Key, asyncio.Future[Any]] = {}
        self._held: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Event] = {}
        self._silent: dict[str, float] = {}

    async def ask(self, host: Any, port: Any, options: dict[str, Any], client: str = "") -> Any:
        """As `getaddrinfo`, which it calls: once, however many wait. `client` is the address on whose behalf.

        Raises what it raises, and `OSError` when too many look-ups are under way.
        """
        key = (host, port, *sorted(options.items()))
        zone = "zone " + (registrable_domain(host) or host if isinstance(host, str) else "")
        share = f"client {network_of(client)}" if client else ""
        while (running := self._asked.get(key)) is None:
            if len(self._asked) >= LOOKUPS:
                raise OSError("temporary failure in name lookup: too many under way")
            if (full := self._full(zone, share)) is not None:
                await self._turns.setdefault(full, asyncio.Event()).wait()
                continue
            self._held.update((zone, share))
            running = self._loop.run_in_executor(self._lookers, partial(socket.getaddrinfo, host, port, **options))
            self._asked[key] = running
            late = self._loop.call_later(SILENCE, self._note_silence, zone)
            running.add_done_callback(partial(self._done, key, zone, share, late))
            break
        return await asyncio.shield(running)

    def _full(self, zone: str, share: str) -> str | None:
        """Whose share is used up; None when there is room."""
        silent = self._silent.get(zone, 0.0) > self._loop.time()
        if self._held[zone] >= (LOOKUPS_PER_SILENT_ZONE if silent else LOOKUPS_PER_ZONE):
            return zone
        return share if share and self._held[share] >= LOOKUPS_PER_CLIENT else None

    def _note_silence(self, zone: str) -> None:
        self._silent.pop(zone, None)
        self._silent[zone] = self._loop.time() + REMEMBERED
        if len(self._silent) > REMEMBERED_ZONES:
            del self._silent[next(iter(self._silent))]

    def _done(self, key: _Key, zone: str, share: str, late: asyncio.TimerHandle, answer: asyncio.Future[Any]) -> None:
        self._asked.pop(key, None)
        answered = not answer.cancelled() and answer.exception() is None  # taken note of, also when nobody waits
        if answered or late.when() > self._loop.time():
            self._silent.pop(zone, None)  # a slow answer is one: with a dead first name server, all are
        else:
            self._note_silence(zone)
        late.cancel()
        for held in (zone, share):
            self._held[held] -= 1
            if self._held[held] <= 0:
                del self._held[held]
            if (turn := self._turns.pop(held, None)) is not None:
                turn.set()
