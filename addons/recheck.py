"""A change takes effect on open connections: what was let through and no longer would be is cut.

Requests on kept-alive connections are decided anew anyway; this is for what lives long after its decision: tunnels that
are passed through, WebSockets, streams and downloads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from mitmproxy.flow import Flow

from addons.cutting import cut
from addons.flownotes import CLOSED, ConnectionNotes, connection_notes, flow_notes, open_flows
from addons.identify import by_address, to_client
from addons.live import Live
from addons.proceed import after_grant, scope_of
from identity.resolve import resolve_session
from policy.client import Client
from policy.model import Action, Request, Stage

logger = logging.getLogger(__name__)


def recheck(live: Live, handlers: Iterable[Any]) -> int:
    """Cut the connections with a tunnel or an exchange that would not be allowed now. Returns how many."""
    ended = 0
    flows = open_flows()
    for handler in handlers:
        try:
            allowed = _still_allowed(live, connection_notes(handler.client), flows.get(handler.client, []))
        except Exception:  # a bug on one connection ends that one, and keeps nobody from looking at the others
            logger.exception("a connection could not be looked at again; it is cut")
            allowed = False
        if not allowed:
            ended += cut(handler, CLOSED)
    return ended


def _still_allowed(live: Live, notes: ConnectionNotes, flows: list[Flow]) -> bool:
    tunnel = notes.tunnel_record is not None or notes.tunnel_unrecorded
    if not tunnel and not flows:
        return True
    client = _client_now(live, notes)
    if client is None:
        return False
    if tunnel and notes.connect is not None:
        verdict = live.engine.decide(Request(notes.connect, Stage.CONNECT, "CONNECT"), client, live.now())
        if verdict.action is not Action.BYPASS:
            return False
    return all(_flow_allowed(live, client, flow) for flow in flows)


def _flow_allowed(live: Live, client: Client, flow: Flow) -> bool:
    notes = flow_notes(flow)
    if notes.asked is None:
        return True
    verdict, at = live.engine.decide(notes.asked, client, live.now()), live.now()
    if verdict.action is Action.WARN:  # whoever went on after the warning is not thrown out by somebody else's change
        verdict = after_grant(verdict, held=live.grants.holds(client, scope_of(verdict, notes.asked.url), at))
    return not verdict.blocked


def _client_now(live: Live, notes: ConnectionNotes) -> Client | None:
    """Who is on this connection with the people in force now; None when they may not browse."""
    directory, at = live.directory, live.now()
    if notes.session is not None:
        identity = resolve_session(notes.address, notes.session, directory, at)
    else:
        identity = by_address(notes, live)
    return None if identity.refused is not None else to_client(identity, live)
