"""Work that a lesson must not feel: a function in, its result out, done by a thread that yields to everybody.

On Linux a thread has a priority of its own. So compiling and verifying yield the processor to whoever serves a page,
while what surrounds them, a database that must not be held for long above all, goes on at full speed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

NICE = 10
"""Priority of such work (nice(2)): a page goes first, and on a full machine a tenth of a processor is left for it, so
that an update still ends within minutes."""


def quietly[Result](work: Callable[[], Result]) -> Result:
    """Run `work` and wait for it. Raises what it raises."""
    with ThreadPoolExecutor(1, "quiet", initializer=step_back) as quiet:
        return quiet.submit(work).result()


def step_back() -> None:
    """Have the calling thread yield, for good: a priority that was given up is not given back."""
    own = os.getpriority(os.PRIO_PROCESS, 0)  # of this thread; never better than it was
    os.setpriority(os.PRIO_PROCESS, 0, max(own, NICE))
    # Batch work takes no processor away from whoever has just been woken by a request.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
