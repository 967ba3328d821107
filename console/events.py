"""Server-sent events: a poll in, a stream out, as long as whoever follows is there and may.

The rules: polled off the event loop, about once a second; a beat when nothing happened, so that a connection that broke
is noticed; whoever signed out, or lost the right or the reason, is cut within `CHECK` polls; only so many follow at
once, and only so many of them are one person.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from console.page import Live

logger = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between polls."""
CHECK = 10
"""Polls between looks whether whoever follows still may."""
MOST = 40
"""Followers at once: each keeps a thread busy for some milliseconds a second."""
EACH = 3
"""Followers of one person at once, so that nobody takes every place."""
LONGEST = 3600
"""Polls after which a browser connects anew."""
OVER = "event: over\ndata: {}\n\n"
"""The last event: do not connect anew."""
_following: Counter[str] = Counter()


def stream(
    request: Request, live: Live, still: Callable[[], bool], clock: Callable[[], datetime], who: str
) -> Response:
    """Follow until the browser goes, or `who` may no longer."""
    if _following[who] >= EACH:
        words = f"You follow the log in {EACH} places already. Close one."
        return PlainTextResponse(words, 429, {"retry-after": "30"})
    if _following.total() >= MOST:
        return PlainTextResponse("Too many follow the log at once.", 503, {"retry-after": "30"})
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(request, live, still, clock, who), media_type="text/event-stream", headers=headers)


async def _events(
    request: Request, live: Live, still: Callable[[], bool], clock: Callable[[], datetime], who: str
) -> AsyncIterator[str]:
    _following[who] += 1
    try:
        if _following[who] > EACH:  # many asked at the same moment
            yield OVER
            return
        yield "retry: 3000\n\n"
        for number in range(LONGEST):
            if await request.is_disconnected():
                return
            if number % CHECK == CHECK - 1 and not await run_in_threadpool(still):
                yield OVER
                return
            try:
                found = await run_in_threadpool(live.poll, clock())
            except Exception:
                logger.exception("what happened could not be read; trying again")
                found = [("trouble", {})]
            for name, value in found:
                yield f"event: {name}\ndata: {json.dumps(value)}\n\n"
            if not found:
                yield ": nothing new\n\n"
            await asyncio.sleep(PAUSE)
    finally:
        _following[who] -= 1
        if not _following[who]:
            del _following[who]
