"""A child process that is kept running: started, told, restarted with growing pauses, stopped.

A crash is restarted after 0.2 s, doubling to 30 s while it keeps crashing; a child that has stood for a minute starts
again from the shortest pause. What keeps it from starting (no memory, no process left) is a crash like any other.
Children die with the supervisor, however that dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from proxy.reserving import Doors

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
PATIENCE = 1.0
"""Longest pause before a start for which clients are left waiting at the door."""
STANDING = 60.0
"""Seconds after which a child is taken to be well."""
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """In the child before exec: its own session (Ctrl-C is the parent's), SIGTERM when the parent dies (prctl(2))."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def next_pause(before: float, stood: float) -> float:
    """Seconds to wait before the next start, after a pause of `before` and a life of `stood` seconds."""
    if stood > STANDING or before <= 0:
        return FIRST_PAUSE
    return min(before * 2, LONGEST_PAUSE)


class Child:
    """One process that is kept running."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        run_folder: Path,
        environment: dict[str, str],
        control: bool,
        doors: Doors | None = None,
        counts: int | None = None,
    ) -> None:
        """`doors` are the sockets it listens on, held here so that what waits in them outlives it; `counts` is the
        descriptor of the memory in which workers count together."""
        self.name = name
        self.number = 0
        self.doors = doors
        self._counts = counts
        self.restarts = 0
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.revision = ""
        self.overlay = ""
        self.on_took: Callable[[], None] = lambda: None
        self._arguments = tuple(arguments)
        self._run_folder = run_folder
        self._environment = environment
        self._control = control
        self._stop_asked = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._pause = 0.0
        self._order = 0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process is not None else None

    async def keep_running(self, on_exit: Callable[[int], None]) -> None:
        """Start it, and start it again whenever it ends, until told to stop. `on_exit` hears each dead pid."""
        loop = asyncio.get_running_loop()
        while not self._stop_asked.is_set():
            began = loop.time()
            ending = await self._once(on_exit)
            if self._stop_asked.is_set():
                return
            self.restarts += 1
            self._pause = next_pause(self._pause, loop.time() - began)
            if self._pause > PATIENCE and self.doors is not None:
                self.doors.close()  # nobody should wait that long; other workers get what comes
            logger.error("%s %s; starting it again in %.1f s", self.name, ending, self._pause)
            await asyncio.sleep(self._pause)

    async def _once(self, on_exit: Callable[[int], None]) -> str:
        """From start to end, once; how it ended, in words."""
        try:
            process = await self._start()
        except OSError as error:
            return f"cannot be started: {error}"
        status = await process.wait()
        self.ready.clear()
        on_exit(process.pid)
        with contextlib.suppress(OSError):
            self._pid_file().unlink(missing_ok=True)
        return f"ended with status {status}"

    async def _start(self) -> asyncio.subprocess.Process:
        # -O takes out the host's own type checks and assertions; ours never rest on `assert`
        arguments = [sys.executable, "-O", "-m", "proxy", *self._arguments]
        ours, theirs = socket.socketpair() if self._control else (None, None)
        try:
            handed = (theirs.fileno(),) if theirs is not None else ()
            extra = ["--control", str(handed[0])] if handed else []
            for door in self.doors.open() if self.doors is not None else ():
                kind = "--redirected" if door.redirected else "--listener"
                handed, extra = (*handed, door.end.fileno()), [*extra, kind, str(door.end.fileno())]
            if self._counts is not None:
                handed, extra = (*handed, self._counts), [*extra, "--counts", str(self._counts)]
            process = self.process = await asyncio.create_subprocess_exec(
                *arguments, *extra, pass_fds=handed, env=self._environment, preexec_fn=_die_with_parent
            )
        finally:
            if theirs is not None:
                theirs.close()
        try:
            self._pid_file().write_text(f"{process.pid}\n")
        except OSError as error:  # a full disk must not stop a worker from coming back
            logger.warning("%s: its process id cannot be written: %s", self.name, error)
        if ours is not None:
            reader, writer = await asyncio.open_connection(sock=ours)
            self._writer = writer
            self._listener = asyncio.create_task(self._listen(reader, writer))
        else:
            self.ready.set()
        return process

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if "ready" in said:
                    self._note(said)
                    self.ready.set()
                elif "took" in said:
                    self._note(said["took"])
                    self.on_took()
                else:
                    self._answers.put_nowait(said)
        except (OSError, ValueError):
            logger.warning("%s: the control socket broke", self.name)
        finally:
            self._answers.put_nowait({"failed": f"{self.name} ended"})  # whoever waits for an answer waits in vain
            writer.close()

    async def ask(self, what: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send an order and wait for its answer; a child that is not there answers `failed`. One at a time."""
        if self._writer is None or self.pid is None:
            return {"failed": f"{self.name} is not running"}
        while not self._answers.empty():
            self._answers.get_nowait()
        self._order += 1
        try:
            self._writer.write(json.dumps({**what, "order": self._order}).encode() + b"\n")
            await self._writer.drain()
            async with asyncio.timeout(seconds):
                answer = await self._answers.get()
                while answer.get("order", self._order) != self._order:  # a late answer to an earlier order
                    answer = await self._answers.get()
        except (OSError, TimeoutError) as error:
            return {"failed": f"{self.name}: {type(error).__name__}"}
        self._note(answer)
        return answer

    def _note(self, said: dict[str, Any]) -> None:
        """Which engine and which overlay it works with."""
        self.revision = said.get("revision", self.revision)
        self.overlay = said.get("overlay", self.overlay)

    def replace(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End this life of it; `keep_running` starts the next, which takes what is in force."""
        process = self.process
        if process is not None and process.returncode is None:
            self.ready.clear()
            process.send_signal(number)

    def let_go(self) -> None:
        """When it ends, it has ended for good: another has its place."""
        self._stop_asked.set()

    async def stop(self, seconds: float) -> None:
        """Ask it to end; kill it after `seconds`."""
        self._stop_asked.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            logger.error("%s did not end within %.0f s and is killed", self.name, seconds)
            process.kill()
            await process.wait()

    def _pid_file(self) -> Path:
        return self._run_folder / f"{self.name}.pid"
