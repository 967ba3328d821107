"""The life of lists in a running gateway: when to look for new ones, and a process aside that does it.

In come the settings in force and the clock; out come runs of `schoolgate lists update` at low priority, one at a time,
each of which orders the swap itself when it has something better. The rule: the supervisor never fetches, compiles or
checks anything in its own process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from categories.snapshot import snapshot_is_current
from identity.overlay import OverlayError
from proxy.assembly import list_sources, lists_folder
from proxy.quietly import NICE
from proxy.settings import Settings
from proxy.sourcestore import WHOLE, read_state, registered
from proxy.troubles import TROUBLES

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the schedule."""
PAUSE_SECONDS = 300.0
"""Before lists that could not be compiled in the background are tried again."""
PR_SET_PDEATHSIG = 1


def _step_back() -> None:
    """In the child before exec: low priority, and it ends with the supervisor."""
    os.nice(NICE)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class ListLife:
    """Runs updates when they are due."""

    def __init__(self, settings: Callable[[], Settings], file: Path | None) -> None:
        """`file` is the settings file that a process aside is told to read."""
        self._settings = settings
        self._file = file
        self.stale = False
        """Whether the lists in force are to be compiled again."""
        self._running = ""
        self._last: dict[str, Any] = {}
        self._not_before = 0.0
        self._asked: dict[tuple[str, ...], None] = {}
        self._one = asyncio.Lock()

    def status(self) -> dict[str, Any]:
        """What is under way and how the last run went."""
        running = self._running or ("updating" if self._asked else "")
        return {"stale": self.stale, "running": running, "last": self._last}

    def ask(self, name: str, how: str = "") -> None:
        """Have one list looked for, or every one (empty), due or not, as soon as nothing else runs.

        `how`: `first` for a list just added, which goes again when it cannot be had; `compile` for what is due alone,
        and lists compiled without what was taken out.
        """
        words = {"compile": ["--due"], "first": [name, "--first"]}.get(how, [name] if name else [])
        self._asked[tuple(words)] = None

    async def keep(self) -> None:
        """Look, and run what is due, until cancelled."""
        while True:
            try:
                while self._asked:
                    words = next(iter(self._asked))
                    del self._asked[words]
                    await self._run("updating", *words)
                if time.monotonic() >= self._not_before and (what := await asyncio.to_thread(self._due)):
                    await self._run(what, "--due")
            except Exception:
                logger.exception("lists could not be looked after; trying again")
                self._not_before = time.monotonic() + PAUSE_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    async def compile_changed(self, read_settings: Callable[[], Settings]) -> str:
        """For a reload: compile, checked, what changed in the settings' lists; why not, or nothing.

        Settings that cannot be read are the reload's to tell.
        """

        def current() -> bool:
            settings = read_settings()
            return snapshot_is_current(lists_folder(settings), list_sources(settings))

        try:
            if await asyncio.to_thread(current):
                return ""
        except (*TROUBLES, ValueError):
            return ""
        said = await self._run("compiling", "--compile-only")
        return "" if said.get("ok") else str(said.get("problem") or "the lists could not be compiled")

    def _due(self) -> str:
        if self.stale:
            return "compiling"
        at, settings = datetime.now(UTC), self._settings()
        try:
            due = any(read_state(settings, one.name).due(one.every, at) for one in registered(settings))
        except (OverlayError, OSError):
            return ""
        return "updating" if due else ""

    async def _run(self, what: str, *words: str) -> dict[str, Any]:
        async with self._one:
            self._running = what
            try:
                said = await self._command("lists", "update", *words, "--json")
            finally:
                self._running = ""
            problem, named = said.get("problem", ""), next((word for word in words if word[:1] != "-"), "")
            self._last = {"at": time.time(), "ok": bool(said.get("ok")), "problem": problem, "name": named}
            if said.get("ok"):
                self.stale = False
            else:
                self._not_before = time.monotonic() + PAUSE_SECONDS
                self.stale = self.stale and not said.get("revision")
                logger.error("lists: %s", said.get("problem") or "an update failed; see `schoolgate lists status`")
            return said

    async def _command(self, *words: str) -> dict[str, Any]:
        named = () if self._file is None else ("--settings", str(self._file))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", *named, "--data", str(self._settings().data), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=_step_back,
        )
        try:
            out, _ = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        try:
            said = json.loads(out)
        except ValueError:
            said = {"ok": False, "problem": f"`schoolgate {' '.join(words)}` ended with status {process.returncode}"}
        return said if isinstance(said, dict) else {"ok": False}


def failures(settings: Settings) -> dict[str, tuple[int, float]]:
    """Failed tries and the last success (POSIX time) of every source, and of the lists as a whole: for metrics."""
    names = {"all": WHOLE}
    with contextlib.suppress(OverlayError, OSError):
        names |= {one.name: one.name for one in registered(settings)}
    states = {shown: read_state(settings, name) for shown, name in names.items()}
    return {shown: (state.failures, state.last_success) for shown, state in states.items()}
