"""The processes of a gateway: which there are, whether they answer, how one takes another's place, how they end.

In come settings and ports; out goes a set of children that is kept whole. What is in force (lists, policy, settings) is
the supervisor's business, not ours: the two change for different reasons. A worker listens on sockets that are held
here, so what waits to be accepted outlives it; its successor accepts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from logstore.ids import WORKERS
from proxy.children import Child
from proxy.lineup import Ports, line_up, line_up_worker
from proxy.metrics import read_status
from proxy.settings import Settings
from proxy.sharedcounts import make_shared

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""Longest the workers may take to listen."""
PING_EVERY = 5.0
"""Seconds between asking each worker whether it is there."""
SILENCE = 20.0
"""Seconds after which a worker that does not answer hangs."""
TURN = 0.5
"""Longest one worker keeps the next from taking what is new: while one builds its engine, the others serve."""
SHIP_SECONDS = 5.0
"""Longest the shipper is given for the last records at a stop."""


class Family:
    """Shipper, console and workers, and workers that are on their way out."""

    def __init__(self, settings: Settings, arguments: Sequence[str], ports: Ports) -> None:
        """`arguments` name the settings to every process."""
        self.settings = settings
        self.run_folder = settings.data / "run"
        self.metrics_folder = self.run_folder / "metrics"
        self.on_decision: Callable[[], None] = lambda: None
        self._counts = make_shared()
        handed = None if self._counts is None else self._counts.descriptor
        self._told = (arguments, ports, self.run_folder, self.metrics_folder, handed)
        self._restarts = 0
        self._keeping: dict[Child, asyncio.Task[None]] = {}
        self._restarting = asyncio.Lock()
        children = line_up(settings, *self._told)
        self.others = [child for child in children if child.doors is None]
        self.workers = [child for child in children if child.doors is not None]
        self.leaving: list[Child] = []
        for worker in self.workers:
            worker.on_took = self._took

    def _took(self) -> None:
        self.on_decision()

    def start(self) -> None:
        """Start them all and keep them running."""
        for child in self.children:
            self._keep(child)

    def _keep(self, child: Child) -> None:
        self._keeping[child] = asyncio.create_task(child.keep_running(partial(self._on_exit, child)), name=child.name)

    @property
    def children(self) -> list[Child]:
        """Every process."""
        return [*self.others, *self.workers, *self.leaving]

    @property
    def restarts(self) -> int:
        """How often one had to be started again."""
        return self._restarts + sum(child.restarts for child in self.children)

    @property
    def ready(self) -> int:
        """Workers that listen."""
        return sum(child.ready.is_set() for child in self.workers)

    def pids(self) -> dict[str, int]:
        """Process ids by name, the supervisor's among them."""
        pids = {child.name: child.pid for child in self.children}
        return {"supervisor": os.getpid(), **{name: pid for name, pid in pids.items() if pid is not None}}

    def _on_exit(self, child: Child, pid: int) -> None:
        if self._counts is not None and child.doors is not None:
            self._counts.gone(child.number)
        with contextlib.suppress(OSError):
            mark_process_dead(pid, path=str(self.metrics_folder))  # type: ignore[no-untyped-call]

    async def wait_ready(self, stopping: asyncio.Event) -> bool:
        """Wait until all are there; False when one is late."""
        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while loop.time() < end:
            if stopping.is_set() or all(child.ready.is_set() for child in self.children):
                return True
            if any(task.done() for task in self._keeping.values()):
                break
            await asyncio.sleep(0.02)
        late = [child.name for child in self.children if not child.ready.is_set()]
        logger.critical("not ready within %.0f s: %s", START_SECONDS, ", ".join(late))
        return False

    async def tell(self, what: dict[str, Any]) -> list[str]:
        """Have every worker take what is in force, also those that leave; one that does not is replaced. What went
        wrong."""
        workers = [*self.workers, *self.leaving]
        answers = await in_turn([child.ask(what, START_SECONDS) for child in workers], TURN)
        failed = []
        for child, answer in zip(workers, answers, strict=True):
            if "failed" not in answer or (child in self.leaving and child.pid is None):
                continue
            verb = "ends" if child in self.leaving else "is replaced"
            failed.append(f"{child.name} did not take it and {verb}: {answer['failed']}")
            child.replace()
        return failed

    async def watch_silence(self, between: asyncio.Lock) -> None:
        """A worker that hangs keeps its share of new connections: end it, and a new one starts. `between` keeps this
        from a reload's way."""
        while True:
            await asyncio.sleep(PING_EVERY)
            async with between:
                asked = [child for child in (*self.workers, *self.leaving) if child.ready.is_set()]
                answers = await asyncio.gather(*(child.ask({"do": "ping"}, SILENCE) for child in asked))
            for child, answer in zip(asked, answers, strict=True):
                if "failed" in answer and child.pid is not None:
                    logger.critical("%s has been silent for %.0f s and is replaced", child.name, SILENCE)
                    child.replace(signal.SIGKILL)

    async def restart(self, between: asyncio.Lock) -> dict[str, Any]:
        """Put a fresh process in every worker's place, one after the other; the old one keeps its open connections
        until they end, for `proxy.farewell` seconds at most. Stops at the first that does not come up."""
        if self._restarting.locked():
            return {"failed": "the workers are being restarted already"}
        async with self._restarting:
            fresh: list[str] = []
            for place, old in enumerate(self.workers):
                number = self._free_number()
                if number is None or old.doors is None:
                    return {"failed": f"all {WORKERS} worker numbers are in use", "restarted": fresh}
                successor = line_up_worker(number, old.doors, *self._told)
                successor.on_took = self._took
                self._keep(successor)
                # A reload between its start and its place in the list would pass it by; a child hears one at a time.
                async with between:
                    came = await self._comes_up(successor)
                    if came:
                        self.workers[place] = successor
                        self.leaving.append(old)
                        old.let_go()
                        await old.ask({"do": "leave", "seconds": self.settings.proxy.farewell}, SILENCE)
                if not came:
                    await successor.stop(5)
                    self._keeping.pop(successor).cancel()
                    return {"failed": f"{successor.name} did not come up; {old.name} goes on", "restarted": fresh}
                fresh.append(successor.name)
                self._keeping[old].add_done_callback(partial(self._gone, old))
            return {"restarted": fresh, "leaving": [child.name for child in self.leaving]}

    def _free_number(self) -> int | None:
        used = {child.number for child in (*self.workers, *self.leaving)}
        return next((number for number in range(WORKERS) if number not in used), None)

    async def _comes_up(self, child: Child) -> bool:
        try:
            async with asyncio.timeout(START_SECONDS):
                await child.ready.wait()
        except TimeoutError:
            return False
        return True

    def _gone(self, child: Child, _: asyncio.Task[None]) -> None:
        self._keeping.pop(child, None)
        if child in self.leaving:
            self.leaving.remove(child)
            self._restarts += child.restarts

    async def stop(self) -> None:
        """Workers first, which drain and finish their records; then the shipper, which ships them."""
        for worker in self.workers:
            if worker.doors is not None:
                worker.doors.close()
        workers = [*self.workers, *self.leaving]
        await asyncio.gather(*(child.stop(self.settings.proxy.drain + 10) for child in workers))
        end = time.monotonic() + SHIP_SECONDS
        while time.monotonic() < end and self._unshipped():
            await asyncio.sleep(0.1)
        await asyncio.gather(*(child.stop(15) for child in self.children))

    def _unshipped(self) -> bool:
        if all(child.pid is None for child in self.others if child.name == "shipper"):
            return False
        said = read_status(self.run_folder / "shipper.json")
        return bool(said.get("lag_events", 0)) or said.get("written_at", time.time()) < time.time() - 1.5


async def in_turn[T](asks: Iterable[Coroutine[Any, Any, T]], seconds: float) -> list[T]:
    """The answers to all, in order. Each is asked when the one before has answered, or has let `seconds` pass."""
    asked: list[asyncio.Task[T]] = []
    for ask in asks:
        asked.append(asyncio.create_task(ask))
        await asyncio.wait(asked[-1:], timeout=seconds)
    return await asyncio.gather(*asked)
