"""The log as it happens: rows once each, soon; who may no longer follow is cut.

Shows: `console.pages.loglive`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from console import events
from console.page import Ask, Live
from console.pages.loglive import show
from console.roles import Grant, Role, Viewer
from tests.console.rig import AT, Console, send


def browser(gone: asyncio.Event) -> Request:
    """A browser that is there until it is gone."""

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/log/live", "headers": []}, receive)


async def follow(live: Live, still: Callable[[], bool], gone: asyncio.Event) -> AsyncIterator[tuple[str, Any]]:
    answer = events.stream(browser(gone), live, still, lambda: datetime.now(UTC), "console:dana")
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
    monkeypatch.setattr(events, "_following", Counter({f"console:p{number}": 1 for number in range(events.MOST)}))
    answer = events.stream(browser(asyncio.Event()), Live(lambda _: []), lambda: True, lambda: AT, "console:dana")
    assert answer.status_code == 503


async def test_one_person_does_not_take_every_place() -> None:
    """One after the other or at the same moment; and a place that is given back is there again."""
    gone, live = asyncio.Event(), Live(lambda _: [])

    def ask(who: str) -> Response:
        return events.stream(browser(gone), live, lambda: True, lambda: AT, who)

    asked = [ask("console:dana") for _ in range(events.EACH + 2)]
    firsts = [str(await anext(aiter(one.body_iterator))) for one in asked if isinstance(one, StreamingResponse)]
    assert firsts.count(events.OVER) == 2
    assert ask("console:dana").status_code == 429
    assert ask("console:lead").status_code == 200
    gone.set()
    for one in asked:
        assert [piece async for piece in cast(StreamingResponse, one).body_iterator] == []
    assert ask("console:dana").status_code == 200


async def follow_signed_in(
    console: Console, person: TestClient, query: str, gone: asyncio.Event, seen: list[str]
) -> None:
    """Fill `seen` with what a signed-in browser is sent until it is gone or shown out; the status first."""
    cookies = "; ".join(f"{one.name}={one.value}" for one in person.cookies.jar)
    headers = [(b"host", b"console.test"), (b"cookie", cookies.encode())]
    where = {"scheme": "https", "path": "/log/live", "query_string": query.encode(), "client": ("10.0.0.1", 1)}
    asgi = {"version": "3.0", "spec_version": "2.4"}
    scope = {"type": "http", "method": "GET", "headers": headers, "asgi": asgi, **where}
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send_on(message: dict[str, Any]) -> None:
        seen.append(str(message["status"]) if "status" in message else message["body"].decode())

    await console.app(scope, receive, send_on)


async def begun(console: Console, query: str) -> tuple[TestClient, asyncio.Event, asyncio.Task[None], list[str]]:
    """Somebody who follows, and gave a reason for it."""
    seen: list[str] = []
    person, gone = console.signed_in(Role.TECHNICIAN), asyncio.Event()
    send(person, "/reason", user="pupil-0417", why="asked by the head")
    following = asyncio.create_task(follow_signed_in(console, person, query, gone, seen))
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    return person, gone, following, seen


async def test_following_is_no_click_and_ends_with_the_session(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK", 1)
    person, gone, following, seen = await begun(console, "")
    for _ in range(4):
        console.now += timedelta(minutes=9)
        await asyncio.sleep(0.5)  # some polls, on a loaded machine one
    done, _ = await asyncio.wait([following], timeout=30)
    gone.set()
    await following
    assert done, "it went on"
    assert (seen[0], events.OVER in seen) == ("200", True)
    assert person.get("/log").status_code == 303


async def test_a_reason_that_lapses_ends_it_though_the_session_goes_on(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK", 1)
    person, gone, following, seen = await begun(console, "user=pupil-0417")
    for _ in range(2):
        console.now += timedelta(minutes=16)
        assert (await run_in_threadpool(person.get, "/log")).status_code == 200
    done, _ = await asyncio.wait([following], timeout=30)
    gone.set()
    await following
    assert done, "it went on"
    assert (seen[0], events.OVER in seen) == ("200", True)


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
