"""Searches on their way out: what is sent is changed, what was asked for is kept, what cannot be made safe stays."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.test import tflow, tutils

from addons.flownotes import flow_notes
from addons.live import Live
from addons.rewrite import Rewrite
from categories.names import canonical_url
from policy.client import Band, Client
from policy.model import Action, Reason, Verdict

PUPIL = Client(band=Band.KS3, band_known=True)
ALLOWED = Verdict(Action.ALLOW, Reason.DEFAULT, "fine")
BYPASSED = Verdict(Action.BYPASS, Reason.RULE, "unread")
BLOCKED = Verdict(Action.BLOCK, Reason.RULE, "closed")


def asked(
    url: str, *headers: tuple[bytes, bytes], verdict: Verdict | None = ALLOWED, method: bytes = b"GET"
) -> HTTPFlow:
    """A request that was decided."""
    parts = canonical_url(url)
    target = url.split("/", 3)[3] if url.count("/") > 2 else ""
    request = tutils.treq(
        method=method,
        scheme=b"https",
        host=parts.host,
        port=parts.port,
        path=f"/{target}".encode(),
        headers=Headers(headers),
    )
    flow = tflow.tflow(req=request)
    notes = flow_notes(flow)
    notes.url, notes.verdict, notes.client = parts, verdict, PUPIL
    return flow


def test_the_address_is_changed_and_the_one_asked_for_is_kept(live: Live) -> None:
    """D-24: the engine gets ours, the record the pupil's."""
    flow = asked("https://www.google.com/%73earch?q=caf%C3%A9+x&safe=off#top")
    Rewrite(live).requestheaders(flow)
    assert flow.request.path == "/%73earch?q=caf%C3%A9+x&safe=active"
    assert flow_notes(flow).target == "/%73earch?q=caf%C3%A9+x&safe=off#top"
    assert flow_notes(flow).note == "safesearch"


def test_several_cookie_headers_become_one(live: Live) -> None:
    """HTTP/2 clients send one each (RFC 9113 §8.2.3); a second one must not bring the old setting back."""
    flow = asked(
        "https://www.bing.com/search?q=x", (b"Cookie", b"a=1; SRCHHPGUSR=ADLT=OFF"), (b"cookie", b"SRCHHPGUSR=ADLT=OFF")
    )
    Rewrite(live).requestheaders(flow)
    assert flow.request.headers.get_all("cookie") == ["a=1; SRCHHPGUSR=ADLT=STRICT"]


def test_the_clients_own_header_is_replaced(live: Live) -> None:
    flow = asked("https://www.youtube.com/watch?v=x", (b"youtube-restrict", b"Moderate"), (b"YouTube-Restrict", b""))
    Rewrite(live).requestheaders(flow)
    assert flow.request.headers.get_all("youtube-restrict") == ["Strict"]
    assert flow.request.path == "/watch?v=x"


def test_a_note_about_something_else_stays(live: Live) -> None:
    flow = asked("https://www.google.com/search?q=x")
    flow_notes(flow).note = "no-sni"
    Rewrite(live).requestheaders(flow)
    assert flow_notes(flow).note == "no-sni,safesearch"


@pytest.mark.parametrize(
    "url", ["https://www.example.org/search?q=x&safe=off", "https://www.google.com/search?q=x&safe=active"]
)
def test_what_needs_no_change_is_not_touched(live: Live, url: str) -> None:
    flow = asked(url)
    before = flow.request.path
    Rewrite(live).requestheaders(flow)
    assert (flow.request.path, flow_notes(flow).target, flow_notes(flow).note) == (before, None, None)


@pytest.mark.parametrize("verdict", [BLOCKED, None])
def test_what_is_not_let_through_is_not_touched(live: Live, verdict: Verdict | None) -> None:
    flow = asked("https://www.google.com/search?q=x", verdict=verdict)
    Rewrite(live).requestheaders(flow)
    assert flow.request.path == "/search?q=x"


def test_a_search_that_cannot_be_made_safe_is_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: design §5.1. The host would send the search as it came; we do not."""

    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("addons.rewrite.safe", broken)
    flow = asked("https://www.google.com/search?q=x")
    Rewrite(live).requestheaders(flow)
    notes = flow_notes(flow)
    assert flow.response is not None
    assert flow.response.status_code >= 403
    assert notes.verdict is not None
    assert (notes.verdict.action, notes.verdict.reason) == (Action.BLOCK, Reason.FAILURE)


@pytest.mark.parametrize(
    ("url", "verdict", "host"),
    [
        ("https://www.google.com/", BYPASSED, "forcesafesearch.google.com"),
        ("https://www.youtube.com/", BYPASSED, "restrict.youtube.com"),
        ("https://www.google.com/", ALLOWED, "www.google.com"),
        ("https://mail.google.com/", BYPASSED, "mail.google.com"),
        ("https://bank.example/", BYPASSED, "bank.example"),
    ],
)
def test_only_a_tunnel_that_is_not_decrypted_leads_elsewhere(live: Live, url: str, verdict: Verdict, host: str) -> None:
    """What is decrypted is made safe request by request."""
    flow = asked(url, verdict=verdict, method=b"CONNECT")
    Rewrite(live).http_connect(flow)
    assert flow.request.data.host == host
    assert flow_notes(flow).url == canonical_url(url)


def test_a_tunnel_that_cannot_be_made_safe_is_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("addons.rewrite.strict_host", broken)
    flow = asked("https://www.google.com/", verdict=BYPASSED, method=b"CONNECT")
    Rewrite(live).http_connect(flow)
    assert flow.response is not None
    assert flow.response.status_code == 503
