"""Work that a lesson must not feel: it yields, its result comes back, and what surrounds it keeps its priority."""

from __future__ import annotations

import os
import threading
import time

import pytest

from proxy.quietly import NICE, _comes_back, _spent, quietly


def priority() -> tuple[int, int]:
    """Niceness and scheduling class of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)


def test_the_work_yields_and_nothing_else_does() -> None:
    """The database is written by the thread that waited, at its own priority."""
    before = priority()
    assert quietly(priority) == (max(NICE, before[0]), os.SCHED_BATCH)
    assert priority() == before


def test_work_aside_gives_way_to_everybody_where_that_can_be_taken_back() -> None:
    """A user who may not take it back would be left with an update that never ends on a full machine."""
    before = priority()
    niceness, policy = quietly(priority, aside=True)
    assert niceness == max(NICE, before[0])
    assert policy == (os.SCHED_IDLE if _comes_back() else os.SCHED_BATCH)
    assert priority() == before


def test_work_aside_is_not_left_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is full for long it takes its tenth after all."""
    monkeypatch.setattr("proxy.quietly._spent", lambda thread: (True, 0.0))  # it always wants to, and never may

    def until_it_counts() -> int:
        end = time.monotonic() + 60
        while os.sched_getscheduler(0) != os.SCHED_BATCH and time.monotonic() < end:
            time.sleep(0.01)
        return os.sched_getscheduler(0)

    assert quietly(until_it_counts, aside=True) == os.SCHED_BATCH


def test_what_a_thread_has_had_is_known() -> None:
    """Time on the processor counts, time asleep does not."""
    before = _spent(threading.get_native_id())[1]
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass
    running, spent = _spent(threading.get_native_id())
    assert running
    assert 0.15 <= spent - before <= 0.5


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        quietly(lambda: 1 // 0)
