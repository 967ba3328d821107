"""A gateway under load for minutes or hours, with faults: does it grow, does it lose a record, does it fail a request?

In comes how long and how many; out goes a `Soaked`. Starts a gateway of its own in a folder of its own, with clients
and origins on loopback, so nothing of the school's is touched. First a steady part, in which no request may fail:
readers that stand still, clients that leave, origins that reset, reloads, a shipper that is killed. Then a violent one:
workers are killed and replaced; requests under way may fail then, but what was answered has its row.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from logstore.filter import LogFilter
from logstore.query import search
from proxy.control import NotRunning, order

HOST = "soak.example"
PAGE = b"<!doctype html><title>Soak</title><p>" + b"word " * 400
POLICY = """
schoolgate: 1
trust: Soak
timezone: Europe/London
policies:
  - tier: default
    rules: [{rule: rest, what: [anything], action: allow}]
"""
STEADY = 0.8
"""Share of the time without violence."""
PAUSE = 2.0
"""Seconds between two faults."""
GIVE_UP = 30.0
"""Seconds a client waits for an answer."""


@dataclass
class Soaked:
    """What came of it."""

    seconds: float = 0.0
    """How long it took, without start and stop."""
    answered: set[int] = field(default_factory=set)
    """Numbers of the requests that were answered whole and rightly."""
    failed_steady: Counter[str] = field(default_factory=Counter)
    """Requests that failed while nothing violent was done, by kind."""
    failed_violent: Counter[str] = field(default_factory=Counter)
    """Requests that failed while workers were killed and replaced, by kind."""
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to it."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and megabytes of all processes (RSS), in the steady part."""
    lost: int = 0
    """Answered requests without a row."""
    doubled: int = 0
    """Answered requests with more than one row."""

    @property
    def slope(self) -> float:
        """Growth in the second half of the steady part, megabytes an hour; warming up is left out."""
        late = self.memory[len(self.memory) // 2 :]
        if len(late) < 3:
            return 0.0
        return statistics.linear_regression(*zip(*late, strict=True)).slope * 3600

    @property
    def good(self) -> bool:
        """Whether nothing was lost, and nothing failed that had no reason to."""
        return not (self.lost or self.doubled or self.failed_steady) and bool(self.answered)


class Soak:
    """One run, in a folder that is its own."""

    def __init__(self, folder: Path, *, seconds: float, clients: int, workers: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.clients = clients
        self.workers = workers
        self.found = Soaked()
        self.port = 0
        self._violent = False
        self._over = asyncio.Event()
        self._numbers = iter(range(1, sys.maxsize))

    async def run(self) -> Soaked:
        """Start, load, hurt, stop, count. Raises `RuntimeError` when the gateway does not start or stop."""
        origin = await asyncio.start_server(_origin, "127.0.0.1", 0)
        process = await self._start(origin.sockets[0].getsockname()[1])
        try:
            began = time.monotonic()
            asking = [asyncio.create_task(self._ask()) for _ in range(self.clients)]
            await self._hurt(psutil.Process(process.pid), began)
            self._over.set()
            await asyncio.gather(*asking)
            self.found.seconds = time.monotonic() - began
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(120):
                if await process.wait():
                    raise RuntimeError(f"the gateway ended with {process.returncode}; see {self.folder}/gateway.log")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            origin.close()
        await asyncio.to_thread(self._count)
        return self.found

    async def _start(self, origin: int) -> asyncio.subprocess.Process:
        (self.folder / "policy.yaml").write_text(POLICY)
        settings = self.folder / "schoolgate.yaml"
        told = {
            "data": "data",
            "policy": "policy.yaml",
            "starter_lists": False,
            "proxy": {
                "port": 0,
                "workers": self.workers,
                "hosts": {"*": f"127.0.0.1:{origin}"},
                "drain": 5,
                "requests_per_client": 0,
            },
            "metrics": {"port": 0},
            "console": {"enabled": False},
            "identity": {"sign_in": "off"},
        }
        settings.write_text(yaml.safe_dump(told))
        with (self.folder / "gateway.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "proxy", "--settings", str(settings), "run"), stdout=log, stderr=log
            )
        ports = self.folder / "data" / "run" / "ports.json"
        end = time.monotonic() + 120
        while not ports.exists():
            if process.returncode is not None or time.monotonic() > end:
                raise RuntimeError(f"the gateway did not start; see {self.folder}/gateway.log")
            await asyncio.sleep(0.1)
        self.port = json.loads(ports.read_text())["proxy"]
        return process

    # -- clients ------------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        """One pupil: page after page, a new connection now and then."""
        while not self._over.is_set():
            number = 0
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    for _ in range(20):
                        number = next(self._numbers)
                        async with asyncio.timeout(GIVE_UP):
                            again = await _fetch(reader, writer, number)
                        self.found.answered.add(number)
                        if not again or self._over.is_set():
                            break
                finally:
                    writer.close()
            except (OSError, EOFError, ValueError) as error:  # a time-out is an OSError
                kinds = self.found.failed_violent if self._violent else self.found.failed_steady
                kinds[type(error).__name__] += 1
                await asyncio.sleep(0.05)

    # -- faults -------------------------------------------------------------------------------------------------

    async def _hurt(self, gateway: psutil.Process, began: float) -> None:
        steady: tuple[Callable[[], Awaitable[None]], ...] = (
            self._stand_still,
            self._leave,
            self._reset,
            self._reload,
            self._kill_shipper,
        )
        turn = 0
        while (spent := time.monotonic() - began) < self.seconds * STEADY:
            self.found.memory.append((spent, _megabytes(gateway)))
            await self._do(steady[turn % len(steady)])
            turn += 1
            await asyncio.sleep(min(PAUSE, self.seconds / 20))
        self._violent = True
        turn = 0
        while time.monotonic() - began < self.seconds or turn < 2:
            await self._do((self._kill_worker, self._restart)[turn % 2])
            turn += 1
            await asyncio.sleep(PAUSE)

    async def _do(self, fault: Callable[[], Awaitable[None]]) -> None:
        with contextlib.suppress(OSError, EOFError, NotRunning):
            await fault()
            self.found.faults[fault.__name__.strip("_").replace("_", " ")] += 1

    async def _stand_still(self) -> None:
        """A reader that takes a little of a lot, and stays."""
        end = socket.create_connection(("127.0.0.1", self.port))
        end.sendall(_request("/large"))
        asyncio.get_running_loop().call_later(10, end.close)

    async def _leave(self) -> None:
        """A client that is gone before the answer comes."""
        with socket.create_connection(("127.0.0.1", self.port)) as end:
            end.sendall(_request("/slow"))

    async def _reset(self) -> None:
        """An origin that breaks off."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(_request("/reset"))
        await reader.read()
        writer.close()

    async def _reload(self) -> None:
        await asyncio.to_thread(order, self.folder / "data", {"do": "reload"})

    async def _kill_shipper(self) -> None:
        self._kill("shipper")

    async def _kill_worker(self) -> None:
        self._kill("worker")

    async def _restart(self) -> None:
        """Every worker is replaced, one after the other."""
        await asyncio.to_thread(order, self.folder / "data", {"do": "restart"})

    def _kill(self, kind: str) -> None:
        for file in sorted((self.folder / "data" / "run").glob(f"{kind}*.pid"))[:1]:
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(file.read_text()), signal.SIGKILL)

    # -- the record ---------------------------------------------------------------------------------------------

    def _count(self) -> None:
        rows: Counter[int] = Counter()
        before = None
        while True:
            page = search(self.folder / "data" / "store", LogFilter(host=HOST), limit=1000, before=before)
            for row in page.rows:
                if row.record.path == "/page" and row.record.query:
                    rows[int(row.record.query.partition("=")[2])] += 1
            if (before := page.next) is None:
                break
        self.found.lost = sum(rows[number] == 0 for number in self.found.answered)
        self.found.doubled = sum(rows[number] > 1 for number in self.found.answered)


def _request(path: str) -> bytes:
    return f"GET http://{HOST}{path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


async def _fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
    """One page, whole and right; whether the connection may be used again. Raises `ValueError` for another answer."""
    writer.write(_request(f"/page?n={number}"))
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
    body = await reader.readexactly(length)
    if " 200 " not in lines[0] or body != PAGE:
        raise ValueError(lines[0])
    return "connection: close" not in lines


async def _origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, EOFError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/reset"):
                writer.transport.abort()
                return
            if path.startswith(b"/slow"):
                await asyncio.sleep(3)
            body = b"x" * 20_000_000 if path.startswith(b"/large") else PAGE
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    writer.close()


def _megabytes(gateway: psutil.Process) -> float:
    held = 0
    for process in (gateway, *gateway.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            held += process.memory_info().rss
    return held / 1e6
