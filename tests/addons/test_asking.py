"""What a request asks for: one destination, and every other name it goes by, so that the strictest can decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers
from mitmproxy.test import tflow, tutils

from addons.asking import Unreadable, looks_like_page, read_connect, read_request
from addons.flownotes import ConnectionNotes
from addons.headers import IndexedHeaders
from categories.names import canonical_url, make_url
from policy.model import Signal


def request_flow(host: str = "a.example", *, headers: list[tuple[bytes, bytes]], path: bytes = b"/", **more):
    """A plain request to `host` with exactly these headers."""
    return tflow.tflow(req=tutils.treq(host=host, port=80, path=path, headers=Headers(headers), authority=b"", **more))


def names(flow, connection: ConnectionNotes | None = None) -> tuple[str, list[str]]:
    """Destination and claims, as hosts."""
    asked = read_request(flow, connection or ConnectionNotes("127.0.0.1"))
    return asked.url.host, [claim.host for claim in asked.claims]


@pytest.mark.parametrize(
    ("destination", "header", "claims"),
    [
        ("a.example", b"a.example", []),
        ("a.example", b"A.Example.", []),  # the same host in another spelling
        ("a.example", b"a.example:80", []),
        ("a.example", b"a.example:", []),  # an empty port is legal (RFC 3986 3.2.3)
        ("a.example", b"", []),
        ("a.example", b"b.example", ["b.example"]),
        ("a.example", b"b.example:8080", ["b.example"]),
        ("a.example", b"[::1]:80", ["::1"]),
        ("a.example", b"[::1]", ["::1"]),
        ("a.example", b"0x7f.1", ["127.0.0.1"]),
        ("a.example", b"b%2eexample", ["b.example"]),
        ("127.1", b"a.example", ["a.example"]),
    ],
)
def test_the_host_header_is_a_claim(destination: str, header: bytes, claims: list[str]) -> None:
    """A Host header that names another site is decided too; one that only spells it differently is not."""
    assert names(request_flow(destination, headers=[(b"Host", header)]))[1] == claims


def test_whoever_reads_the_claims_leaves_the_fields_as_they_are() -> None:
    """Another request on the same connection may have the very same."""
    flow = request_flow(headers=[(b"Host", b"a.example")])
    flow.request.headers = IndexedHeaders(flow.request.headers.fields)
    flow.request.data.authority = b"b.example"
    assert names(flow) == ("a.example", ["b.example"])
    assert flow.request.headers.get_all("host") == ["a.example"]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Host", b"a.example"), (b"Host", b"b.example")],
        [(b"Host", b"a.example"), (b"hOST", b"a.example")],
        [(b"Host", b"a.example, b.example")],
        [(b"Host", b"a.example,b.example")],
        [(b"Host", b"a:80@b.example")],
        [(b"Host", b"user@a.example")],
        [(b"Host", b"a.example/b")],
        [(b"Host", b"a..example")],
        [(b"Host", b"a.example b.example")],
        [(b"Host", b"\xff\xfe")],
        [(b"Host", b"[::1")],
    ],
    ids=lambda headers: repr([value for _, value in headers]),
)
def test_a_host_header_that_two_programs_may_read_differently_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """RFC 9112 3.2: several, lists and user names are no Host."""
    with pytest.raises(Unreadable):
        names(request_flow(headers=headers))


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("A.EXAMPLE.", "a.example"),
        ("2130706433", "127.0.0.1"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_destination_is_connected_to_as_it_was_decided(host: str, canonical: str) -> None:
    """No second reading of the name later: what the engine was asked is what the host connects to."""
    flow = request_flow(host, headers=[])
    assert names(flow)[0] == canonical
    assert flow.request.data.host == canonical


def test_authority_connect_and_sni_are_claims_too() -> None:
    """Four names for one request: all are decided."""
    connection = ConnectionNotes("127.0.0.1")
    connection.connect = make_url("https", "connect.example", 443, "/")
    connection.sni = make_url("https", "sni.example", 443, "/")
    flow = request_flow(headers=[(b"Host", b"host.example")])
    flow.request.data.authority = b"authority.example:443"
    assert names(flow, connection) == (
        "a.example",
        ["host.example", "authority.example", "connect.example", "sni.example"],
    )


def test_a_claim_keeps_path_and_query() -> None:
    """`host:` rules and `url:` rules see the same page under the other name."""
    flow = request_flow(headers=[(b"Host", b"b.example")], path=b"/closed?x=1")
    claim = read_request(flow, ConnectionNotes("127.0.0.1")).claims[0]
    assert (claim.path, claim.query) == ("/closed", "x=1")


@pytest.mark.parametrize(
    ("host", "literal"), [("10.1.2.3", True), ("0x0a.1", True), ("[2001:db8::1]", True), ("a.example", False)]
)
def test_an_address_in_place_of_a_name_is_a_signal(host: str, literal: bool) -> None:
    """Category circumvention may ask for it; what the connection showed before is kept."""
    connection = ConnectionNotes("127.0.0.1", signals={Signal.NO_SNI})
    signals = read_request(request_flow(host, headers=[]), connection).signals
    assert signals == ({Signal.NO_SNI, Signal.IP_LITERAL} if literal else {Signal.NO_SNI})


@pytest.mark.parametrize("scheme", [b"gopher", b"", b"javascript", b"file"])
def test_a_scheme_that_is_not_filtered_is_not_served(scheme: bytes) -> None:
    """Nothing passes that the lists cannot be asked about."""
    with pytest.raises(Unreadable):
        names(request_flow(headers=[], scheme=scheme))


@pytest.mark.parametrize(
    ("host", "port", "canonical"),
    [("A.Example.", 443, "a.example"), ("::1", 443, "::1"), ("[::1]", 443, "::1"), ("0x7f.1", 443, "127.0.0.1")],
)
def test_a_connect_is_read_in_one_spelling(host: str, port: int, canonical: str) -> None:
    """IPv6 literals included."""
    flow = tflow.tflow(req=tutils.treq(method=b"CONNECT", host=host, port=port))
    assert read_connect(flow).host == canonical
    assert flow.request.data.host == canonical


def test_the_preface_of_http2_is_no_request() -> None:
    """RFC 9113 3.4: what follows it is not HTTP/1."""
    flow = request_flow(headers=[(b"Host", b"a.example")])
    flow.request.data.method = b"PRI"
    with pytest.raises(Unreadable, match="preface"):
        names(flow)


@pytest.mark.parametrize("host", ["", "a b", "a..b", "a/b", "x" * 300, "user@a.example"])
def test_a_connect_to_nothing_readable_is_refused(host: str) -> None:
    """With words that say what was wrong."""
    flow = tflow.tflow(req=tutils.treq(method=b"CONNECT", host=host, port=443))
    with pytest.raises(Unreadable, match=r"\S"):
        read_connect(flow)


@given(st.binary(max_size=60))
def test_any_host_header_is_read_or_refused(header: bytes) -> None:
    """Whatever a client sends there, the answer is a name or a refusal."""
    try:
        _, claims = names(request_flow(headers=[(b"Host", header)]))
    except Unreadable:
        return
    assert all(claim and "@" not in claim for claim in claims)


@pytest.mark.parametrize(
    ("method", "headers", "page"),
    [
        ("GET", {"accept": "text/html,*/*"}, True),
        ("POST", {"accept": "text/html"}, True),
        ("HEAD", {"accept": "text/html"}, False),
        ("GET", {"accept": "image/*"}, False),
        ("GET", {}, False),
        ("GET", {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}, True),
        ("GET", {"sec-fetch-dest": "iframe"}, True),
        ("GET", {"sec-fetch-dest": "image", "accept": "text/html"}, False),
        ("GET", {"sec-fetch-dest": "document", "sec-fetch-mode": "cors"}, False),
    ],
)
def test_a_page_is_what_a_person_opened(method: str, headers: dict[str, str], page: bool) -> None:
    """Fetch metadata has the last word, `Accept` speaks where there is none."""
    request = tutils.treq(
        method=method.encode(), headers=Headers([(k.encode(), v.encode()) for k, v in headers.items()])
    )
    assert looks_like_page(request) is page


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b"/x#/closed", "a fragment in a request"),
        (b"/" + b"a" * (64 * 1024), "longer than 64 kB"),
    ],
)
def test_a_target_that_servers_read_differently_is_refused(path: bytes, why: str) -> None:
    """What is sent must be what was classified."""
    flow = tflow.tflow()
    flow.request.data.path = path
    with pytest.raises(Unreadable, match=why):
        read_request(flow, ConnectionNotes("192.0.2.1"))


def test_an_absolute_target_inside_a_tunnel_loses_its_authority() -> None:
    """It was read as a claim; sent on, the origin would prefer it to Host."""
    flow = tflow.tflow()
    flow.request.data.authority = b"other.example:81"
    asked = read_request(flow, ConnectionNotes("192.0.2.1", connect=canonical_url("https://address/")))
    assert flow.request.data.authority == b""
    assert "other.example" in {claim.host for claim in asked.claims}
