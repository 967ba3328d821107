"""What is added up before the metrics are told: the very numbers the metrics would have, a moment later."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from addons.tallies import DELAY, Tallies

BOUNDS = (0.001, 0.25, 2.0)
SECONDS = st.lists(st.sampled_from((*BOUNDS, 0.0, 0.0005, 0.2500001, 1.0, 3.0)) | st.floats(0, 10))


def histogram() -> Histogram:
    return Histogram("wait_seconds", "Time that is waited.", buckets=BOUNDS, registry=CollectorRegistry())


def numbers(of: Histogram) -> dict[tuple[str, str], float]:
    """Every sample but the time of its making."""
    (family,) = of.collect()
    return {(one.name, one.labels.get("le", "")): one.value for one in family.samples if "created" not in one.name}


@given(seconds=SECONDS)
def test_a_histogram_ends_with_what_the_librarys_own_would_say(seconds: list[float]) -> None:
    """Canary: its parts are the library's private ones."""
    own, told = histogram(), histogram()
    tallies = Tallies()
    tallies.awaited = True  # nothing is told but by the last line
    tallied = tallies.histogram(told)
    for one in seconds:
        own.observe(one)
        tallied.observe(one)
    tallies.tell()
    apart = {key: (value, numbers(told)[key]) for key, value in numbers(own).items()}
    assert all(abs(mine - theirs) < 1e-9 for mine, theirs in apart.values()), apart


def test_without_a_loop_a_number_is_told_at_once() -> None:
    tallies, counter = Tallies(), Counter("pages", "Pages.", registry=CollectorRegistry())
    tallies.counter(counter).inc(3)
    assert counter.collect()[0].samples[0].value == 3


def test_a_thousand_exchanges_are_told_once_and_none_is_lost() -> None:
    """Within the delay; and whatever comes after is told again."""
    counter = Counter("pages", "Pages.", registry=CollectorRegistry())
    told: list[float] = []

    async def lesson() -> None:
        tallies = Tallies()
        tallied = tallies.counter(counter)
        for _ in range(1000):
            tallied.inc()
        told.append(counter.collect()[0].samples[0].value)
        while tallies.awaited:
            await asyncio.sleep(DELAY / 10)
        told.append(counter.collect()[0].samples[0].value)
        tallied.inc()
        assert tallies.awaited
        while tallies.awaited:
            await asyncio.sleep(DELAY / 10)
        told.append(counter.collect()[0].samples[0].value)

    asyncio.run(asyncio.wait_for(lesson(), 30))
    assert told == [0, 1000, 1001]
