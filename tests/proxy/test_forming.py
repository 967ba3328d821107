"""A worker's engine in the making: decisions in milliseconds, never behind a reload, and never a broken one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy.model import Action
from policy.overrides import Override
from proxy import assembly, inforce
from proxy.decided import Decided
from proxy.forming import Forming
from proxy.settings import Settings
from tests.policy.school import PEOPLE, request

BLOCK = Override(1, Action.BLOCK, "host:a.example")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data=tmp_path / "data")
    assembly.compile_lists(settings)
    inforce.put_in_force(settings, *assembly.policy_text(settings))
    return settings


def rule(forming: Forming) -> str | None:
    return forming.engine.decide(request("a.example"), PEOPLE["a teacher"], datetime.now(UTC)).rule


async def test_a_decision_makes_a_new_engine_and_its_end_the_old_one(settings: Settings) -> None:
    forming = Forming(settings)
    first, parts = forming.engine, forming.engine.index
    await forming.decide(Decided((BLOCK,)))
    assert rule(forming) == "override-1"
    assert forming.engine.index is parts
    await forming.decide(Decided())
    assert forming.engine.revision == first.revision


async def test_the_same_decisions_build_nothing(settings: Settings) -> None:
    """A password changed: people are no part of the engine."""
    forming = Forming(settings)
    await forming.decide(Decided((BLOCK,), revision="1-a"))
    engine = forming.engine
    await forming.decide(Decided((BLOCK,), revision="2-b"))
    assert forming.engine is engine
    assert forming.decided.revision == "2-b"


async def test_what_is_over_is_taken_out(settings: Settings) -> None:
    forming = Forming(settings)
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    await forming.decide(Decided((replace(BLOCK, until=soon),)))
    async with asyncio.timeout(5):
        while not forming.due(datetime.now(UTC)):
            await asyncio.sleep(0.01)
    await forming.decide(None)
    assert not forming.due(datetime.now(UTC) + timedelta(days=9))
    assert rule(forming) != "override-1"


async def test_a_decision_does_not_wait_for_a_reload(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reload, when it comes, has it."""
    forming = Forming(settings)
    loop, go = asyncio.get_running_loop(), asyncio.Event()
    real = inforce.open_parts

    def slow(told: Settings, verified: str) -> object:
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
        return real(told, verified)

    monkeypatch.setattr(inforce, "open_parts", slow)
    reloading = asyncio.create_task(forming.reload())
    async with asyncio.timeout(5):
        await forming.decide(Decided((BLOCK,)))
    assert rule(forming) == "override-1"
    assert not reloading.done()
    go.set()
    await reloading
    assert rule(forming) == "override-1"


async def test_a_reload_that_fails_changes_nothing(settings: Settings) -> None:
    forming = Forming(settings)
    engine = forming.engine
    inforce.put_in_force(settings, "schoolgate: 2", "policy.yaml")
    with pytest.raises(Exception, match="language version"):
        await forming.reload()
    assert forming.engine is engine
    await forming.decide(Decided((BLOCK,)))
    assert rule(forming) == "override-1"
