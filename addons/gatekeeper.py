"""Last in the chain: nothing undecided passes, and nothing unrecorded.

mitmproxy swallows an exception in a hook and goes on as if the hook had done nothing (it fails open). This addon is
small enough to be right: no verdict or no row, no passage (design §5.1).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque

from mitmproxy import http
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData

from addons.flownotes import connection_notes, flow_notes
from addons.live import Live
from policy.model import Action

logger = logging.getLogger(__name__)

BURST = 50
"""Undecided exchanges within `BURST_SECONDS` after which the worker gives up."""
BURST_SECONDS = 10.0
EXIT_STATUS = 70
"""What the worker exits with then (EX_SOFTWARE); the supervisor starts a new one."""


class Gatekeeper:
    """Answers 503 to whatever nobody decided."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._recent: deque[float] = deque(maxlen=BURST)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A CONNECT needs a verdict or an answer."""
        if flow.response is None and connection_notes(flow.client_conn).connect_verdict is None:
            self._stop(flow)

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """Only a bypass verdict passes through without decryption."""
        notes = connection_notes(data.context.client)
        verdict = notes.connect_verdict
        decided = verdict is not None and verdict.action is Action.BYPASS
        recorded = notes.tunnel_record is not None or notes.tunnel_unrecorded
        if data.ignore_connection and not (decided and recorded):
            data.ignore_connection = False
            self._count()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request needs a verdict that lets it pass, or an answer."""
        if flow.response is not None:
            flow.request.stream = False
            return
        notes = flow_notes(flow)
        if flow.error is not None and notes.verdict is not None and notes.verdict.blocked:
            return  # malformed, refused by the host itself: a client's doing, not a failure of ours
        if notes.awaits_body and notes.recorded:
            return  # its answer comes with its body; `request` sees to it that it does
        if notes.verdict is None or notes.verdict.blocked or not notes.recorded:
            self._stop(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """The same once more, when a body was read in between."""
        notes = flow_notes(flow)
        if flow.response is None and (notes.verdict is None or notes.verdict.blocked or not notes.recorded):
            self._stop(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """An answer of the origin to a request that was not allowed never reaches the client."""
        notes = flow_notes(flow)
        if notes.verdict is None:
            self._count()
            flow.kill()

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """No verdict on this connection, no socket."""
        notes = connection_notes(data.client)
        if notes.requests == 0 and notes.connect_verdict is None:
            data.server.error = "undecided"
            self._count()

    def _stop(self, flow: http.HTTPFlow) -> None:
        flow.request.stream = False
        flow.response = http.Response.make(
            503, "The filter could not decide, so this was not let through.\n", {"content-type": "text/plain"}
        )
        self._count()

    def _count(self) -> None:
        self.live.metrics.undecided.inc()
        logger.error("an exchange reached the end of the chain undecided or unrecorded and was stopped")
        now = time.monotonic()
        self._recent.append(now)
        if len(self._recent) == BURST and now - self._recent[0] < BURST_SECONDS:
            logger.critical("%d undecided exchanges in %.0f s: this worker gives up", BURST, BURST_SECONDS)
            with contextlib.suppress(Exception):  # endings that wait for the next event: there will be none
                self.live.spool.bring()
            os._exit(EXIT_STATUS)
