"""A change takes effect on open connections: what was let through and no longer would be is cut.

Requests on kept-alive connections are decided anew anyway; this is for what lives long after its decision: tunnels that
are passed through, and WebSockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mitmproxy.http import HTTPFlow

from addons.flownotes import connection_notes, flow_notes, open_flows
from addons.identify import to_client
from addons.live import Live
from identity.model import Evidence
from identity.resolve import resolve, resolve_session
from policy.client import Client
from policy.model import Action, Request, Stage


def recheck(live: Live, handlers: Iterable[Any]) -> int:
    """Cut the connections whose tunnel or WebSocket would not be allowed now. Returns how many."""
    cut = 0
    for handler in handlers:
        if not _still_allowed(live, handler.client):
            io = handler.transports.get(handler.client)
            if io is not None and io.handler is not None:
                io.handler.cancel("no longer allowed")
                cut += 1
    return cut


def _still_allowed(live: Live, connection: Any) -> bool:
    notes = connection_notes(connection)
    sockets = [flow for flow in open_flows(connection) if isinstance(flow, HTTPFlow) and flow.websocket is not None]
    if notes.tunnel_record is None and not sockets:
        return True
    client, refused = _client_now(live, notes.address, notes.session)
    if refused:
        return False
    if notes.tunnel_record is not None and notes.connect is not None:
        verdict = live.engine.decide(Request(notes.connect, Stage.CONNECT, "CONNECT"), client, live.now())
        if verdict.action is not Action.BYPASS:
            return False
    for flow in sockets:
        asked = flow_notes(flow).url
        if asked is not None and live.engine.decide(Request(asked), client, live.now()).blocked:
            return False
    return True


def _client_now(live: Live, address: str, session: Any) -> tuple[Client, bool]:
    if session is not None:
        identity = resolve_session(address, session, live.directory, live.now())
    else:
        identity = resolve(Evidence(address), live.directory, live.sign_in, None, live.now())
    return to_client(identity, live), identity.refused is not None
