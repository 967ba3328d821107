"""Workers take what is new one after another, and none keeps the others waiting for long."""

from __future__ import annotations

import asyncio

import pytest

from proxy.family import in_turn


@pytest.mark.asyncio
async def test_one_takes_it_while_the_others_serve() -> None:
    """Never two at once, and the answers stand in the order of the workers."""
    busy = most = 0

    async def take(name: str) -> str:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(5):
            await asyncio.sleep(0)
        busy -= 1
        return name

    assert await in_turn([take(name) for name in ("w0", "w1", "w2")], 30.0) == ["w0", "w1", "w2"]
    assert most == 1


@pytest.mark.asyncio
async def test_one_that_hangs_keeps_nobody_from_a_decision() -> None:
    """The next is asked when its turn is over; the answer of the slow one is still waited for."""
    free, told = asyncio.Event(), list[str]()

    async def hangs() -> str:
        await free.wait()
        return "late"

    async def takes() -> str:
        told.append("took")
        free.set()
        return "at once"

    assert await in_turn([hangs(), takes()], 0.01) == ["late", "at once"]
    assert told == ["took"]


@pytest.mark.asyncio
async def test_nobody_there_is_no_trouble() -> None:
    assert await in_turn([], 1.0) == []
