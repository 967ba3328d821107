"""What follows a CONNECT: TLS, or HTTP, or nothing at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ServerTLSLayer, modes
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.test import tflow

from addons.nextlayer import GatewayNextLayer, RefusingLayer, choose_layer, looks_like_http
from addons.relaying import GatewayClientTls
from addons.straight import StraightHttpLayer
from addons.tlslayers import GatewayServerTls
from tests.addons.host import Host
from tests.rig.clients import Raw

HELLO = b"\x16\x03\x01\x02\x00\x01"


def context(*, inside: bool, secure: bool = False) -> Context:
    """A connection that has just been made, or one inside a tunnel."""
    made = Context(tflow.tclient_conn(), options.Options())
    made.client.timestamp_tls_setup = 1.0 if secure else None
    made.client.tls = secure
    modes.HttpProxy(made)
    if inside:
        HttpLayer(made, HTTPMode.regular)
    return made


@pytest.mark.parametrize(
    ("inside", "data", "chosen"),
    [
        (False, b"", None),
        (False, b"\x16", None),
        (False, HELLO, GatewayClientTls),
        (False, b"GET http://a/ HTTP/1.1", StraightHttpLayer),
        (False, b"\x00\x01", StraightHttpLayer),  # which answers 400 and writes a row
        (True, b"", None),
        (True, b"\x16\x03", None),
        (True, HELLO, GatewayServerTls),
        (True, b"GET / HTTP/1.1", StraightHttpLayer),
        (True, b"M-SEARCH", RefusingLayer),
        (True, b"GE", None),
        (True, b"SSH-2.0-OpenSSH", RefusingLayer),
        (True, b"\x13BitTorrent protocol", RefusingLayer),
        (True, b"get / HTTP/1.1", RefusingLayer),
        (True, b"A" * 25, RefusingLayer),
        (True, b"\x05\x01\x00", RefusingLayer),  # SOCKS
        (True, b"\x16\xff\xff", RefusingLayer),
    ],
)
def test_what_the_first_bytes_choose(inside: bool, data: bytes, chosen: type | None) -> None:
    """Nothing else is ever passed on (F-21)."""
    layer = choose_layer(context(inside=inside), data)
    assert (None if layer is None else type(layer)) == chosen


def test_after_the_handshake_comes_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the decrypted bytes are: the HTTP layer refuses what is none."""
    inside = context(inside=True, secure=True)
    assert inside.client.tls_established
    assert isinstance(choose_layer(inside, b"\x00\x01\x02"), HttpLayer)


@given(st.binary(min_size=30, max_size=60))
def test_any_bytes_get_a_layer_of_ours(data: bytes) -> None:
    """With thirty bytes there is no more waiting, and never a raw tunnel."""
    layer = choose_layer(context(inside=True), data)
    assert isinstance(layer, ServerTLSLayer | HttpLayer | RefusingLayer)


@pytest.mark.parametrize(
    ("data", "http"), [(b"GET /", True), (b"PROPFIND /", True), (b"GET", False), (b"G3T /", False), (b" GET", False)]
)
def test_http_begins_with_a_method(data: bytes, http: bool) -> None:
    """Letters, then a blank."""
    assert looks_like_http(data) is http


def test_the_host_finds_it_by_its_name() -> None:
    """It stands in the place of mitmproxy's own."""
    assert GatewayNextLayer.name == "nextlayer"


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x13BitTorrent protocol", b"\x05\x01\x00"])
def test_a_tunnel_of_something_else_is_closed_with_a_row(host: Host, name: str, data: bytes) -> None:
    """A way round the filter is told as one."""
    with Raw(host) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(data)
        assert raw.read_all() == b""
    row = host.rows()[-1]
    assert (row.host, row.blocked, row.reason, row.note) == (name, True, "circumvention", "not TLS or HTTP")
