"""Chooses the protocol layer of an explicit proxy connection: HTTP, or TLS, or nothing.

Replaces mitmproxy's guesser: inside a CONNECT only TLS or HTTP may follow, anything else is refused and recorded
(a tunnel of unknown bytes is a way round the filter, F-21).
"""

from __future__ import annotations

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.tunnel import LayerStack

from addons.flownotes import NOTHING, connection_notes
from addons.handshakes import HALF
from addons.refusedbytes import HALF_REQUEST, RefusedBytes, RefusedBytesHook
from addons.relaying import GatewayClientTls
from addons.straight import StraightHttpLayer
from addons.tlslayers import GatewayServerTls

TLS_RECORD = b"\x16"
"""First byte of a handshake (RFC 8446 §5.1)."""
LONGEST_METHOD = 24
"""No HTTP method is longer; without a space by then it is not HTTP."""


class GatewayNextLayer:
    """In the place of mitmproxy's own."""

    name = "nextlayer"
    """What the host looks for, and warns about when it is missing."""

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Choose, or wait for more bytes. An exception leaves no layer: nothing is forwarded."""
        if nextlayer.layer is None:
            data = nextlayer.data_client()
            nextlayer.layer = choose_layer(nextlayer.context, data)
            waits = data if nextlayer.layer is None else b""  # should nothing follow, this is how far it came
            half = HALF if waits[:1] == TLS_RECORD else HALF_REQUEST
            connection_notes(nextlayer.context.client).left = half if waits else NOTHING


def choose_layer(context: Context, data: bytes) -> layer.Layer | None:
    """The next layer for what has been received; None to wait for more."""
    if len(context.layers) == 1 and isinstance(context.layers[0], modes.HttpProxy):
        return _outermost(context, data)
    if context.client.tls_established:
        return StraightHttpLayer(context, HTTPMode.transparent)
    if not data or (data[0] == 0x16 and len(data) < 3):
        return None
    if starts_like_tls_record(data):
        stack = LayerStack()
        stack /= GatewayServerTls(context)
        stack /= GatewayClientTls(context)
        return stack[0]
    if looks_like_http(data):
        return StraightHttpLayer(context, HTTPMode.transparent)
    return None if may_become_http(data) else RefusingLayer(context)


def _outermost(context: Context, data: bytes) -> layer.Layer | None:
    if not data or (data[0] == 0x16 and len(data) < 3):
        return None
    if starts_like_tls_record(data):
        stack = LayerStack()
        stack /= GatewayClientTls(context)
        stack /= StraightHttpLayer(context, HTTPMode.regular)
        return stack[0]
    return StraightHttpLayer(context, HTTPMode.regular)


def looks_like_http(data: bytes) -> bool:
    """True when the bytes begin with a method token and a space."""
    method, space, _ = data[: LONGEST_METHOD + 1].partition(b" ")
    return bool(space) and method.isalpha() and method.isupper()


def may_become_http(data: bytes) -> bool:
    """True while the bytes may be the beginning of a method token."""
    return data.isalpha() and len(data) <= LONGEST_METHOD


class RefusingLayer(layer.Layer):
    """Closes a tunnel whose bytes are neither TLS nor HTTP."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield RefusedBytesHook(RefusedBytes(self.context.client, "not TLS or HTTP", None))
            yield commands.CloseConnection(self.context.client)
