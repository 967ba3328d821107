"""How every benchmark tells what it found: one line each of measured, target, their ratio, and pass or MISS.

In comes a target (design §6) and what was measured; out come the line and whether the target was met. The ratio is
measured to target, so with "at most" less than one is good, and with "at least" more than one.
"""

from __future__ import annotations

import functools
import os
import platform
import time
from dataclasses import dataclass

TURNS = 20_000
"""Turns of the loop that says how fast Python is."""


@dataclass(frozen=True, slots=True)
class Target:
    """What something must reach."""

    what: str
    """What is measured, in a few words."""
    bound: float
    """The number to reach."""
    unit: str = ""
    """Its unit; empty for a ratio or a count."""
    at_least: bool = False
    """Whether more is better; else less is."""

    def met(self, measured: float) -> bool:
        """Whether it was reached."""
        return measured >= self.bound if self.at_least else measured <= self.bound

    def tell(self, measured: float, *, judged: bool = True) -> bool:
        """Print the line; whether it was reached. Not judged: a figure that says nothing about the target here."""
        sign = ">=" if self.at_least else "<="
        ratio = f"{measured / self.bound:7.2f} of it" if self.bound else f"{'':13}"
        print(
            f"{self.what:<58}{measured:>10,.4g} {self.unit:<5} target {sign}{self.bound:>7,.4g} {self.unit:<5}{ratio}"
            f"  {('pass' if self.met(measured) else 'MISS') if judged else 'not judged: made-up lists'}",
            flush=True,
        )
        return self.met(measured) or not judged


def machine() -> str:
    """Cores, load and interpreter, for the reader of a number: what else ran beside it, and how fast Python is here."""
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at this moment; "
        f"Python {platform.python_version()}, {python_call():.0f} ns a call"
    )


@functools.cache
def python_call() -> float:
    """Nanoseconds of one turn of a loop with a call in it, the best of a few.

    The same Python built with and without optimisation by profile differs by a fifth here and by more in a gateway.
    """

    def turn(number: int) -> int:
        return number + 1

    best = float("inf")
    for _ in range(9):
        began, value = time.perf_counter(), 0
        for _ in range(TURNS):
            value = turn(value)
        best = min(best, time.perf_counter() - began)
    return best / TURNS * 1e9
