"""A proxy's processes: what all of them together have used.

In comes the first process; out come CPU seconds (user and system, of it and everything it started, dead ones included)
and the most memory they have held at once.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

import psutil

EVERY = 0.1
"""Seconds between looks at memory."""


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it that live."""
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds so far."""

    user: float
    """In the programs."""
    system: float
    """In the kernel on their behalf."""

    @property
    def whole(self) -> float:
        """Both."""
        return self.user + self.system

    def __sub__(self, before: Cpu) -> Cpu:
        return Cpu(self.user - before.user, self.system - before.system)


def cpu(pid: int) -> Cpu:
    """What a family has used since it began; a member that was waited for counts with its parent."""
    user = system = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            user += times.user + times.children_user
            system += times.system + times.children_system
    return Cpu(user, system)


def memory(pid: int) -> int:
    """Bytes a family holds, pages that several share counted once (PSS)."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


class Peak:
    """The most memory a family holds while the block runs, in bytes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.bytes = memory(pid)
        self._done = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Peak:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._looking.join()
        self.bytes = max(self.bytes, memory(self.pid))

    def _look(self) -> None:
        while not self._done.wait(EVERY):
            self.bytes = max(self.bytes, memory(self.pid))
