"""Headers that must not pass: hop-by-hop, identity leaks, invitations to leave HTTP.

Request: `Proxy-*` and forged forwarding headers go. Answer: `Alt-Svc` goes, or the browser moves to QUIC where nothing
is filtered (F-21). SafeSearch rewriting joins here.
"""

from __future__ import annotations

from mitmproxy import http

FROM_CLIENT = (
    "proxy-authorization",
    "proxy-connection",
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "via",
    "x-forwarded-host",
    "x-forwarded-proto",
)
TO_CLIENT = ("alt-svc",)
UPGRADES = frozenset({"websocket"})
"""Protocols a request may upgrade to; any other Upgrade is taken off, the request stays HTTP."""


class Rewrite:
    """Takes off what must not pass."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Clean what goes to the origin; the client's own evidence was read before this."""
        headers = flow.request.headers
        for name in FROM_CLIENT:
            if name in headers:
                del headers[name]
        if "upgrade" in headers and headers["upgrade"].lower().strip() not in UPGRADES:
            del headers["upgrade"]

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Clean what goes to the client."""
        if flow.response is not None:
            for name in TO_CLIENT:
                if name in flow.response.headers:
                    del flow.response.headers[name]
