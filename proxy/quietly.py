"""Work that a lesson must not feel: a function in, its result out, done by a thread that yields to everybody.

On Linux a thread has a priority of its own. So compiling and verifying yield the processor to whoever serves a page,
while what surrounds them, a database that must not be held for long above all, goes on at full speed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

NICE = 10
"""Priority of such work (nice(2)): a page goes first, and on a full machine a tenth of a processor is left for it, so
that an update still ends within minutes."""


PATIENCE = 3.0
"""Seconds of wanting to run in which work that waits for nobody must get its tenth, or it takes it."""
_LOOK = 0.25


def quietly[Result](work: Callable[[], Result], *, aside: bool = False) -> Result:
    """Run `work` and wait for it. Raises what it raises.

    `aside` is for a process that does nothing else meanwhile: the work then runs only while nobody wants the
    processor, and whoever is woken by a request has it at once; with less than a tenth it goes on as quiet work.
    Where that could not be taken back (a user without the right, `LimitNICE=` of systemd) it is quiet work from the
    beginning.
    """
    idle = aside and _comes_back()
    threads: list[int] = []

    def begin() -> None:
        threads.append(threading.get_native_id())
        _wait_for_nobody() if idle else step_back()

    with ThreadPoolExecutor(1, "quiet", initializer=begin) as quiet:
        doing = quiet.submit(work)
        wanted, had = 0.0, 0.0
        while idle and not wait([doing], _LOOK).done:
            if not threads:  # not even begun
                continue
            running, spent = _spent(threads[0])
            wanted += _LOOK if running else 0.0
            if wanted >= PATIENCE:
                if spent - had < wanted / 10:
                    os.sched_setscheduler(threads[0], os.SCHED_BATCH, os.sched_param(0))
                    break
                wanted, had = 0.0, spent
        return doing.result()


def _spent(thread: int) -> tuple[bool, float]:
    """Whether a thread wants to run, and how many seconds it has (proc(5), `stat`)."""
    state, *fields = Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(")")[2].split()
    return state == "R", (int(fields[10]) + int(fields[11])) / os.sysconf("SC_CLK_TCK")


def step_back() -> None:
    """Have the calling thread yield, for good: a priority that was given up is not given back."""
    own = os.getpriority(os.PRIO_PROCESS, 0)  # of this thread; never better than it was
    os.setpriority(os.PRIO_PROCESS, 0, max(own, NICE))
    # Batch work takes no processor away from whoever has just been woken by a request.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _wait_for_nobody() -> None:
    """Have the calling thread run only while no other wants to."""
    step_back()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _comes_back() -> bool:
    """Whether a thread that waits for nobody may be made ordinary quiet work again: found out with one that does so."""

    def try_it() -> bool:
        _wait_for_nobody()
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except PermissionError:
            return False
        return True

    with ThreadPoolExecutor(1, "probing") as probing:
        return probing.submit(try_it).result()
