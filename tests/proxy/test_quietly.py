"""Work that a lesson must not feel: it yields, its result comes back, and what surrounds it keeps its priority."""

from __future__ import annotations

import os

import pytest

from proxy.quietly import NICE, quietly


def priority() -> tuple[int, int]:
    """Niceness and scheduling class of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)


def test_the_work_yields_and_nothing_else_does() -> None:
    """The database is written by the thread that waited, at its own priority."""
    before = priority()
    assert quietly(priority) == (max(NICE, before[0]), os.SCHED_BATCH)
    assert priority() == before


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        quietly(lambda: 1 // 0)
