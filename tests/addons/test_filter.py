"""Decisions on the wire: CONNECT, ClientHello and request, with the tricks clients try on each."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.test import tflow

from addons.filter import Filter
from addons.flownotes import connection_notes
from addons.live import Live
from categories.names import make_url
from policy.model import Action, Reason, Verdict
from tests.addons.host import Host
from tests.addons.people import PASSWORD, PUPIL
from tests.rig.clients import Answer, Raw, basic, curl
from tests.rig.origin import Origin

BLOCKED = "games.schoolgate.test"


def ask(host: Host, *lines: str, body: bytes = b"") -> Answer:
    """Send these request lines as they are and read one answer."""
    with Raw(host) as raw:
        raw.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return raw.answer()


@pytest.mark.parametrize(
    "target",
    [
        "http://games.schoolgate.test/",
        "http://GAMES.SchoolGate.Test/",
        "http://games.schoolgate.test./",
        "http://games.schoolgate.test:80/",
        "http://sub.games.schoolgate.test/",
        "http://games%2eschoolgate.test/",
        "HTTP://games.schoolgate.test/%2e%2e/",
    ],
)
def test_every_spelling_of_a_blocked_address_is_blocked(host: Host, origin: Origin, target: str) -> None:
    """Design 5.6."""
    before = origin.connections
    assert ask(host, f"GET {target} HTTP/1.1", "Host: games.schoolgate.test").status in (400, 403)
    assert origin.connections == before


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("http://fine-1.example/page", ["Host: games.schoolgate.test"], 403),
        ("http://games.schoolgate.test/page", ["Host: fine-1.example"], 403),
        ("http://fine-1.example/page", ["Host: fine-1.example", "Host: games.schoolgate.test"], 400),
        ("http://fine-1.example/page", ["Host: fine-1.example, games.schoolgate.test"], 400),
        ("http://fine-1.example/page", ["Host: fine-1.example:80@games.schoolgate.test"], 400),
        ("http://fine-1.example:80@games.schoolgate.test/page", ["Host: fine-1.example"], 400),
        ("http://user:word@games.schoolgate.test/page", ["Host: games.schoolgate.test"], 400),
        ("/page", ["Host: games.schoolgate.test"], 403),
        ("/page", ["Host: fine-1.example,games.schoolgate.test"], 400),
        ("/page", ["Accept: */*"], 400),
        ("*", ["Host: games.schoolgate.test"], 403),
        ("http://fine-1.example:25/", ["Host: fine-1.example"], 403),
        ("http://fine-1.example:99999/", ["Host: fine-1.example"], 400),
        ("gopher://fine-1.example/", ["Host: fine-1.example"], 400),
    ],
)
def test_a_request_that_names_two_places_gets_neither(
    host: Host, origin: Origin, target: str, headers: list[str], status: int
) -> None:
    """The strictest of what it claims to be decides; what cannot be read is refused in words, with a row."""
    before, rows = origin.connections, len(host.rows())
    answer = ask(host, f"GET {target} HTTP/1.1", *headers)
    assert answer.status == status
    assert origin.connections == before
    assert host.rows()[rows].blocked


def inside(host: Host, connect: str, name: str | None, *lines: str) -> Answer:
    """A request inside a tunnel to `connect` whose ClientHello says `name`."""
    with Raw(host) as raw:
        assert raw.tunnel(connect) == 200
        context = ssl.create_default_context(cafile=str(host.ca_cert))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw.secure(name, context)
        raw.send("\r\n".join([*lines, "", ""]).encode())
        return raw.answer()


@pytest.mark.parametrize(
    ("connect", "name", "header"),
    [
        ("games.schoolgate.test:443", "games.schoolgate.test", "games.schoolgate.test"),
        ("games.schoolgate.test:443", "fine-2.example", "fine-2.example"),  # only the CONNECT tells
        ("fine-2.example:443", "games.schoolgate.test", "fine-2.example"),  # only the ClientHello tells
        ("fine-2.example:443", "fine-2.example", "games.schoolgate.test"),  # only the Host header tells
        ("fine-2.example:443", "GAMES.schoolgate.test.", "fine-2.example"),
        ("games.schoolgate.test:443", None, "fine-2.example"),  # no name in the ClientHello
        ("games.schoolgate.test.:443", "games.schoolgate.test", "games.schoolgate.test"),
    ],
)
def test_fronting_does_not_help(host: Host, origin: Origin, connect: str, name: str | None, header: str) -> None:
    """CONNECT, ClientHello and Host header disagree: the strictest decides, the page comes inside TLS."""
    answer = inside(host, connect, name, "GET / HTTP/1.1", f"Host: {header}")
    assert (answer.status, answer.headers["x-schoolgate-reason"]) == (403, "rule")
    assert not origin.contacted(BLOCKED)
    assert not origin.seen("fine-2.example")


@pytest.mark.parametrize("name", ["fine-3.example", "fine-3.example.", None])
def test_an_allowed_site_opens_with_and_without_a_name_in_the_hello(host: Host, name: str | None) -> None:
    """A trailing dot or a missing name breaks nothing that is allowed; the missing one is noted."""
    answer = inside(host, "fine-3.example:443", name, "GET /page HTTP/1.1", "Host: fine-3.example")
    assert (answer.status, b"origin content" in answer.body) == (200, True)
    assert host.rows()[-1].note == (None if name else "no-sni")


def test_an_ipv6_literal_is_a_destination_like_any_other(
    host: Host, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`CONNECT [::1]:443` is read, refused by the guard, and said so inside the tunnel; nothing is contacted."""
    monkeypatch.setattr(host.live, "destinations", replace(host.live.destinations, pins={}))
    before = origin.connections
    answer = inside(host, "[::1]:443", "localhost", "GET / HTTP/1.1", "Host: [::1]")
    assert (answer.status, answer.headers["x-schoolgate-reason"]) == (403, "guard")
    assert origin.connections == before


@pytest.mark.parametrize(
    ("headers", "media", "body"),
    [
        (["Accept: text/html"], "text/html; charset=utf-8", b"<!doctype html"),
        (["Accept: application/json"], "application/json", b'{"error"'),
        (["Sec-Fetch-Dest: image"], "image/gif", b"GIF89a"),
        (["X-Requested-With: XMLHttpRequest"], "application/json", b'{"error"'),
        (["Sec-Fetch-Dest: script"], None, b""),
    ],
)
def test_the_refusal_comes_in_the_form_that_was_asked_for(
    host: Host, headers: list[str], media: str | None, body: bytes
) -> None:
    """A picture gets a picture, a program gets JSON, a person gets a page."""
    answer = ask(host, f"GET http://{BLOCKED}/ HTTP/1.1", f"Host: {BLOCKED}", *headers)
    assert answer.status == 403
    assert answer.headers.get("content-type") == media
    assert answer.body.lower().startswith(body.lower())


def test_a_head_request_gets_no_body(host: Host) -> None:
    """RFC 9110 9.3.2; the next request on the connection is read rightly."""
    with Raw(host) as raw:
        raw.send(f"HEAD http://{BLOCKED}/ HTTP/1.1\r\nHost: {BLOCKED}\r\nAccept: text/html\r\n\r\n".encode())
        assert raw.read_head().startswith(b"HTTP/1.1 403")
        raw.send(b"GET http://fine-4.example/page HTTP/1.1\r\nHost: fine-4.example\r\n\r\n")
        assert b"origin content" in raw.answer().body


def test_expect_continue_to_a_blocked_site_is_answered_with_the_refusal(host: Host) -> None:
    """No 100: nobody is asked to send what nobody will read (RFC 9110 10.1.1)."""
    answer = ask(
        host, f"POST http://{BLOCKED}/up HTTP/1.1", f"Host: {BLOCKED}", "Content-Length: 9", "Expect: 100-continue"
    )
    assert answer.status == 403


@pytest.mark.parametrize(("declared", "status"), [("1000", 200), ("1001", 413), ("99999999999999999999", 413)])
def test_an_upload_that_says_it_is_too_large_is_refused_at_once(
    host: Host, monkeypatch: pytest.MonkeyPatch, declared: str, status: int
) -> None:
    """Before a byte of it is read."""
    monkeypatch.setattr(host.live, "upload_limit", 1000)
    lines = ["POST http://fine-5.example/upload HTTP/1.1", "Host: fine-5.example", f"Content-Length: {declared}"]
    body = b"x" * 1000 if status == 200 else b""
    assert ask(host, *lines, body=body).status == status


@pytest.mark.parametrize(
    ("target", "sign_in", "refusal"),
    [("fine-6.example:25", "optional", 403), ("fine-6.example:443", "required", 407)],
)
def test_after_a_refused_connect_the_connection_is_as_before(
    host: Host, monkeypatch: pytest.MonkeyPatch, target: str, sign_in: str, refusal: int
) -> None:
    """What follows is an ordinary request: it may sign in, and it is not taken for one inside a tunnel."""
    monkeypatch.setattr(host.live, "sign_in", sign_in)
    with Raw(host) as raw:
        raw.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert raw.answer().status == refusal
        lines = ["GET http://fine-6.example/page HTTP/1.1", "Host: fine-6.example"]
        raw.send("\r\n".join([*lines, f"Proxy-Authorization: {basic(PUPIL.name, PASSWORD)}", "", ""]).encode())
        assert raw.answer().status == 200
    row = host.rows()[-1]
    assert (row.user, row.verified) == (PUPIL.name, True)


class Breaking:
    """An engine that fails at one stage."""

    def __init__(self, engine: Any, fails: Callable[[Any], bool]) -> None:
        self.engine, self.fails = engine, fails
        self.revision, self.policy = engine.revision, engine.policy

    def decide(self, request: Any, client: Any, at: Any) -> Any:
        if self.fails(request):
            raise RuntimeError("broken on purpose")
        return self.engine.decide(request, client, at)


@pytest.mark.parametrize("stage", ["connect", "request"])
def test_a_fault_in_one_decision_refuses_that_one_and_no_other(
    host: Host, origin: Origin, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Fail closed, said in the row, counted; the gateway goes on."""
    before = host.live.metrics.hook_failures.labels({"connect": "http_connect", "request": "requestheaders"}[stage])
    count = before._value.get()
    with monkeypatch.context() as patch:
        patch.setattr(host.live, "engine", Breaking(host.live.engine, lambda request: request.stage == stage))
        answer = curl(host, "https://fine-7.example/page")
        assert 503 in (answer.status, answer.connect_status)
        assert host.rows()[-1].reason == "failure"
    assert before._value.get() == count + 1
    assert curl(host, "https://fine-7.example/page").status == 200


@pytest.mark.parametrize(
    ("wanted", "sni", "unread"),
    [
        ("bank.example", "bank.example", True),
        ("bank.example", None, False),
        ("203.0.113.10", None, False),
        ("203.0.113.10", "203.0.113.10", False),
        ("bank.example", "203.0.113.10", False),
    ],
)
def test_only_a_name_lets_a_tunnel_pass_unread(live: Live, wanted: str, sni: str | None, unread: bool) -> None:
    """RFC 6066 3: an address is no server name, also where a rule bypasses that address."""
    client = tflow.tclient_conn()
    notes = connection_notes(client)
    notes.connect = make_url("https", wanted, 443, "/")
    notes.connect_verdict = Verdict(Action.BYPASS, Reason.RULE, "a bank")
    data: Any = SimpleNamespace(
        context=SimpleNamespace(client=client), client_hello=SimpleNamespace(sni=sni), ignore_connection=False
    )
    Filter(live).tls_clienthello(data)
    assert data.ignore_connection is unread
