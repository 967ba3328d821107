"""Waiting on a condition, with a deadline: the only way a test may let time pass."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for[T](look: Callable[[], T], what: str, *, seconds: float = 15.0, every: float = 0.05) -> T:
    """Call `look` until it answers something true and return that; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}; last seen: {found!r}")
        time.sleep(every)
