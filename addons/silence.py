"""A client that waits for a site that says nothing gets our page, and not just the end of its connection.

In comes the host's handler of a connection on which nothing has moved for `proxy.idle_timeout`; out goes whether its
site was waited for, and was ended. The layers hear of that as if the site had gone, so that the exchange ends as with
any other failure of a site. Rule: the request is there whole, and nothing of an answer is. A site in whose TLS
handshake the client's own stands still counts, too: its page comes with the request.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakSet

from mitmproxy import http
from mitmproxy.connection import Connection, Server

from addons.flownotes import connection_notes, flow_notes, unfinished_flows, uploading

logger = logging.getLogger(__name__)

SILENT = "no answer"
"""Why an exchange ended whose site said nothing."""
_silent: WeakSet[Connection] = WeakSet()
"""Sites that were ended for it: a request that comes later is told so."""


def silent_site_ended(handler: Any) -> bool:
    """End the sites of a connection whose client waits for one of them; whether there was one.

    A fault of ours is none: then the connection just ends.
    """
    try:
        return _ended(handler)
    except Exception:
        logger.exception("whether a silent site is waited for could not be told")
        return False


def _ended(handler: Any) -> bool:
    notes = connection_notes(handler.client)
    if notes.tunnel_record is not None or notes.tunnel_unrecorded:
        return False  # nothing of ours can be said in it
    sites = [(site, io.handler) for site, io in handler.transports.items() if isinstance(site, Server) and io.handler]
    if not sites:
        return False
    # All exchanges of the worker are gone through for it, so only where one is under way.
    open_here = unfinished_flows().get(handler.client, []) if notes.active > 0 else []
    waiting = [flow for flow in open_here if _waits(flow)]
    ended = False
    for site, task in sites:
        if (waiting or _greeted(site)) and task.cancel(SILENT):
            _silent.add(site)
            ended = True
    if ended:
        for flow in waiting:
            about = flow_notes(flow)
            about.too_slow = about.too_slow or SILENT
    return ended


def was_silent(flow: http.HTTPFlow) -> bool:
    """Whether this exchange failed because its site said nothing; noted for the record."""
    notes = flow_notes(flow)
    if notes.too_slow is None and flow.server_conn in _silent:
        notes.too_slow = SILENT
    return notes.too_slow == SILENT


def _waits(flow: http.HTTPFlow) -> bool:
    """Whether only the site is waited for."""
    return flow.response is None and not uploading(flow)


def _greeted(site: Server) -> bool:
    """Whether it was spoken TLS to, and has not answered that."""
    return bool(site.tls and site.connected and site.timestamp_tls_setup is None)
