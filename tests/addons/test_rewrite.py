"""Headers that must not pass: who the client says it is, a way out of HTTP, a sign-in box of somebody else."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.test import tflow, tutils

from addons.flownotes import flow_notes
from addons.live import Live
from addons.rewrite import Rewrite
from policy.model import Action, Reason, Verdict

ALLOWED = Verdict(Action.ALLOW, Reason.DEFAULT, "fine")
BLOCKED = Verdict(Action.BLOCK, Reason.RULE, "closed")


def cleaned(live: Live, headers: list[tuple[bytes, bytes]]) -> Headers:
    """What the origin is sent."""
    flow = tflow.tflow(req=tutils.treq(headers=Headers(headers)))
    Rewrite(live).requestheaders(flow)
    return flow.request.headers


@pytest.mark.parametrize(
    "name",
    [
        "Proxy-Authorization",
        "PROXY-AUTHORIZATION",
        "Proxy-Connection",
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "Via",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
    ],
)
def test_a_header_about_the_client_never_reaches_an_origin(live: Live, name: str) -> None:
    """Not the school's passwords, not the class's addresses; however often it is sent."""
    headers = cleaned(live, [(name.encode(), b"one"), (b"Accept", b"*/*"), (name.lower().encode(), b"two")])
    assert list(headers.items()) == [("Accept", "*/*")]


@pytest.mark.parametrize(
    ("upgrade", "passes"),
    [
        ([b"websocket"], True),
        ([b" WebSocket "], True),
        ([b"h2c"], False),
        ([b"websocket, h2c"], False),
        ([b"websocket", b"TLS/1.0"], False),
        ([b"raw-tunnel"], False),
        ([b"connect-udp"], False),
    ],
)
def test_nothing_but_websocket_may_be_upgraded_to(live: Live, upgrade: list[bytes], passes: bool) -> None:
    """A protocol we cannot read is a tunnel through the filter (F-21); the request itself goes on as HTTP."""
    headers = cleaned(live, [(b"Connection", b"Upgrade"), *((b"Upgrade", value) for value in upgrade)])
    assert ("upgrade" in headers) is passes


def answered(live: Live, verdict: Verdict | None) -> HTTPFlow:
    """An answer with everything that may not pass."""
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.response.headers = Headers(
        [
            (b"Alt-Svc", b'h3=":443"'),
            (b"alt-svc", b'h2="elsewhere:443"'),
            (b"Proxy-Authenticate", b'Basic realm="School internet"'),
            (b"Content-Type", b"text/html"),
        ]
    )
    flow_notes(flow).verdict = verdict
    Rewrite(live).responseheaders(flow)
    return flow


@pytest.mark.parametrize("verdict", [ALLOWED, None])
def test_an_origin_neither_moves_a_browser_to_quic_nor_opens_the_sign_in_box(
    live: Live, verdict: Verdict | None
) -> None:
    """RFC 7838 and RFC 9110 11.7.1: both are for us to say, on this hop."""
    response = answered(live, verdict).response
    assert response is not None
    assert list(response.headers) == ["Content-Type"]


def test_our_own_page_may_ask_for_a_sign_in(live: Live) -> None:
    """The 407 of the gateway keeps its challenge."""
    response = answered(live, BLOCKED).response
    assert response is not None
    assert "proxy-authenticate" in response.headers
