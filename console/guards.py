"""What stands before every page: the name we are called by, how often, how much, and the headers of every answer.

An ASGI application in, one behind the guards out. Nobody is known here yet. The rules: a Host that is not ours is
refused (DNS rebinding); an address that asks too often waits; no answer leaves without the headers that keep browsers
from running, framing or keeping what they should not.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What a page may load: our own files and nothing else, no script or style within the page."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-robots-tag": "noindex, nofollow",
}
"""On every answer."""
FORGET = 4096
"""Addresses whose rate is remembered."""


class Rate:
    """A bucket of requests for each address: so many at once, and so many a second after that."""

    def __init__(
        self, burst: float = 240.0, per_second: float = 40.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Take one; False when there is none left."""
        now = self._clock()
        left, at = self._left.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        self._left[address] = (max(0.0, left - 1), now)
        if len(self._left) > FORGET:
            self._left.popitem(last=False)
        return left >= 1


class Guards:
    """The guards before an application."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], *, secure: bool, rate: Rate | None = None) -> None:
        self._app = app
        self._hosts = hosts
        self._secure = secure
        self._rate = rate or Rate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                if self._secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        client = scope.get("client") or ("", 0)
        if not named(Headers(scope=scope).get("host", ""), self._hosts):
            answer = PlainTextResponse("This is not a name of the console. See console.names in the settings.", 421)
        elif not self._rate.take(str(client[0])):
            answer = PlainTextResponse("Too many requests at once. Wait a second.", 429, {"retry-after": "1"})
        else:
            await self._app(scope, receive, told)
            return
        await answer(scope, receive, told)


def named(host: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header names this console, whatever the port."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name.lower().rstrip(".").strip("[]") in hosts
