"""What must not pass as it is: hop-by-hop headers, identity leaks, invitations to leave HTTP, unsafe searches.

Request: `Proxy-*` and forged forwarding headers go, and SafeSearch is put in (`policy.safesearch`; D-24, F-39): what is
sent is changed, what was asked for is recorded, and a search that cannot be made safe is not sent. Answer: `Alt-Svc`
goes, or the browser moves to QUIC where nothing is filtered (F-21); `Proxy-Authenticate` goes, or a site could open our
sign-in box (RFC 9110 §11.7.1: it is from us alone).
"""

from __future__ import annotations

import logging

from mitmproxy import http

from addons.answers import failure_verdict, plain, refuse
from addons.flownotes import FlowNotes, flow_notes
from addons.headers import drop
from addons.live import Live
from policy.model import Action, Reason
from policy.safesearch import Change, holds_for, safe, strict_host

logger = logging.getLogger(__name__)

COMPRESSION = "sec-websocket-extensions"
"""Compressed messages are not agreed to: a few kilobytes may unfold to gigabytes, and the host unfolds them whole."""
FROM_CLIENT = frozenset(
    (
        *(b"proxy-authorization", b"proxy-connection", b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"),
        *(b"x-forwarded-host", b"x-forwarded-proto", b"x-original-url", b"x-rewrite-url", COMPRESSION.encode()),
    )
)
TO_CLIENT = frozenset((b"alt-svc", b"proxy-authenticate", b"proxy-authentication-info", COMPRESSION.encode()))
NEEDED = frozenset({"connection", "keep-alive", "close", "upgrade", "host", "content-length", "transfer-encoding"})
"""What a `Connection` header may name without its being taken off: framing and routing are not a client's to remove."""
UPGRADES = frozenset({"websocket"})
"""Protocols a request may upgrade to; any other Upgrade is taken off, the request stays HTTP."""
NOTE = "safesearch"
"""What the record says of a request that was made safe."""


class Rewrite:
    """Takes off what must not pass, and makes searches safe."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A tunnel that is not decrypted leads to the engine's strict host; the name inside TLS stays."""
        notes = flow_notes(flow)
        if flow.response is not None or notes.verdict is None or notes.verdict.action is not Action.BYPASS:
            return
        try:
            if notes.url is not None and holds_for(self.live.engine.policy, notes.client):
                flow.request.data.host = strict_host(notes.url) or flow.request.data.host
        except Exception:
            self._failed(notes)
            flow.response = plain(flow, 503, notes.verdict.because)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Clean what goes to the origin; the client's own evidence was read before this."""
        headers = flow.request.headers
        named = hop_by_hop(headers.get("connection", ""))
        theirs = FROM_CLIENT.union(name.encode("utf-8", "surrogateescape") for name in named) if named else FROM_CLIENT
        drop(headers, theirs)
        if "upgrade" in headers and headers["upgrade"].lower().strip() not in UPGRADES:
            del headers["upgrade"]
        notes = flow_notes(flow)
        if flow.response is not None or notes.url is None or notes.verdict is None or notes.verdict.blocked:
            return
        try:
            self._make_safe(flow, notes)
        except Exception:
            self._failed(notes)
            refuse(self.live, flow, notes, Reason.FAILURE, notes.verdict.because)

    def _failed(self, notes: FlowNotes) -> None:
        logger.exception("a search could not be made safe and is refused")
        self.live.metrics.hook_failures.labels("rewrite").inc()
        notes.verdict = failure_verdict(self.live)

    def _make_safe(self, flow: http.HTTPFlow, notes: FlowNotes) -> None:
        if notes.url is None or not holds_for(self.live.engine.policy, notes.client):
            return
        headers = flow.request.headers
        change = safe(notes.url, "; ".join(headers.get_all("cookie")))
        if change is not None:
            notes.target = flow.request.path
            apply(change, flow.request)
            notes.note = ",".join(filter(None, (notes.note, NOTE)))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Clean what goes to the client."""
        verdict = flow_notes(flow).verdict
        if flow.response is None or (verdict is not None and verdict.blocked):
            return  # our own page, which may well ask for a sign-in
        drop(flow.response.headers, TO_CLIENT)


def apply(change: Change, request: http.Request) -> None:
    """Put the change into the request. The path is left as it was sent."""
    if change.url is not None:
        path = request.path.partition("#")[0].partition("?")[0]
        request.path = f"{path}?{change.url.query}" if change.url.query else path
    for name, value in change.headers:
        request.headers[name] = value
    if change.cookie is not None:
        request.headers["cookie"] = change.cookie


def hop_by_hop(connection: str) -> list[str]:
    """The fields a `Connection` header names, which end here (RFC 9110 §7.6.1); not those the message itself needs."""
    if not connection or connection.lower() in ("keep-alive", "close", "upgrade"):
        return []
    named = [token.strip().lower() for token in connection.split(",")[:32]]
    return [name for name in named if name and name not in NEEDED]
