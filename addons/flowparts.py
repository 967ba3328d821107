"""The host's objects for an exchange, made of what is known to be right.

In come the parts of a message that `addons.heads` has read; out come the flow, request and response that the host's own
constructors (mitmproxy 12.2.3) would have made, which look at the type of everything and give each flow a random name.
"""

from __future__ import annotations

import time
from itertools import count

from mitmproxy import http
from mitmproxy.connection import Client, Server

from addons.headers import indexed
from addons.heads import Answer, RequestHead


def new_request(head: RequestHead, address: tuple[str, int], scheme: bytes) -> http.Request:
    """As the host's constructor, which looks at the type of everything."""
    made, lines = http.Request.__new__(http.Request), head.lines
    made.data = http.RequestData(
        http_version=b"HTTP/1.1",
        headers=indexed(lines.fields, lines.by_name, lines),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
        host=address[0],
        port=address[1],
        method=b"GET",
        scheme=scheme,
        authority=b"",
        path=head.path,
    )
    return made


def new_response(answer: Answer) -> http.Response:
    """As the host's constructor, which looks at the type of everything."""
    made = http.Response.__new__(http.Response)
    made.data = http.ResponseData(
        http_version=b"HTTP/1.1",
        headers=indexed(answer.fields, answer.by_name),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
        status_code=answer.status,
        reason=answer.reason,
    )
    return made


_numbers = count(1)


def new_flow(client: Client, server: Server) -> http.HTTPFlow:
    """As the host's constructor, without a random name: nobody asks for it."""
    flow = http.HTTPFlow.__new__(http.HTTPFlow)
    flow.id = f"straight-{next(_numbers)}"
    flow.client_conn, flow.server_conn = client, server
    flow.live, flow.intercepted = True, False
    flow.timestamp_created = time.time()
    flow._resume_event = flow._backup = flow.is_replay = None
    flow.marked = flow.comment = ""
    flow.metadata = {}
    return flow
