"""The log as it happens: rows once each, soon; who may no longer follow is cut.

Shows: `console.pages.loglive`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from console import events
from console.page import Ask, Live
from console.pages.loglive import show
from console.roles import Grant, Role, Viewer
from tests.console.rig import Console


def browser(gone: asyncio.Event) -> Request:
    """A browser that is there until it is gone."""

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/log/live", "headers": []}, receive)


async def follow(live: Live, still: Callable[[], bool], gone: asyncio.Event) -> AsyncIterator[tuple[str, Any]]:
    answer = events.stream(browser(gone), live, still, lambda: datetime.now(UTC))
    assert isinstance(answer, StreamingResponse)
    async for piece in answer.body_iterator:
        head, _, data = str(piece).partition("\ndata: ")
        if head.startswith("event: "):
            yield head.removeprefix("event: "), json.loads(data)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAUSE", 0.01)


async def test_rows_come_once_each_with_what_the_table_shows(console: Console) -> None:
    viewer = Viewer("dana", "Dana", Grant(1, Role.TECHNICIAN), 1)
    live = show(Ask(house=console.house, viewer=viewer, now=console.now, address="", query={}))
    assert isinstance(live, Live)
    assert console.trail("look")[0].after["asked"].startswith("following pages since")
    console.store({"path": "/lesson", "ending": {"title": "Fractions"}}, {"page": False})
    gone, seen = asyncio.Event(), []
    async for name, told in follow(live, lambda: True, gone):
        seen += told["rows"]
        assert name == "rows"
        gone.set()
    assert [(row["host"], row["path"], row["under"]) for row in seen] == [("www.example.org", "/lesson", "Fractions")]
    assert list(live.poll(console.now)) == []


async def test_who_signed_out_is_cut(console: Console) -> None:
    seen = [name async for name, _ in follow(Live(lambda _: []), lambda: False, asyncio.Event())]
    assert seen == ["over"]


async def test_only_so_many_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_following", events.MOST)
    answer = events.stream(browser(asyncio.Event()), Live(lambda _: []), lambda: True, lambda: datetime.now(UTC))
    assert answer.status_code == 503


async def test_a_store_that_does_not_answer_is_told_and_asked_again() -> None:
    tries = 0

    def poll(_: datetime) -> list[tuple[str, dict[str, Any]]]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("the disk is away")
        return [("rows", {"rows": []})]

    gone, seen = asyncio.Event(), []
    async for name, _ in follow(Live(poll), lambda: True, gone):
        seen.append(name)
        if name == "rows":
            gone.set()
    assert seen == ["trouble", "rows"]
