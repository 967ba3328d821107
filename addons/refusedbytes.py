"""What never became a request: bytes that were refused, or whose connection ended first.

In comes why, from whichever layer met them; out goes word for the record, which must have a row of them all the same,
and an answer that repeats nothing of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.net.http import status_codes
from mitmproxy.proxy import commands

from policy.model import Reason

HALF_REQUEST = "half a request"
"""Why a head was refused whose client said no more."""
AHEAD = "left before its turn"
"""Why whole requests were refused: their client did not wait for the answer before them."""
CLOSED_AHEAD = "closed before its turn"
"""Why what was asked ahead was not taken up: the answer before it ended the connection."""
TOO_MUCH_AHEAD = "too much asked ahead"
"""Why the gateway ended a connection: more was asked on it, behind an answer that is waited for, than is kept."""


@dataclass(frozen=True, slots=True)
class RefusedBytes:
    """Bytes that never became a request, and were refused."""

    client: Client
    """The connection they came on."""
    why: str
    """Short, low-cardinality."""
    status: int | None
    """HTTP status that was answered; None when the connection was just closed."""
    reason: Reason | None = None
    """The record's; None for what is meant by where they came: in a tunnel to get round the filter, else nothing."""


@dataclass
class RefusedBytesHook(commands.StartHook):
    """Bytes were refused before they became a request: the record must still have a row."""

    data: RefusedBytes


def plain_page(status: int, message: str) -> http.Response:
    """The answer to bytes that never became a request: no client, no words of theirs."""
    title = status_codes.RESPONSES.get(status, "Error")
    headers = {"content-type": "text/plain; charset=utf-8", "connection": "close", "cache-control": "no-store"}
    return http.Response.make(status, f"{status} {title}: {message}\n", headers)
