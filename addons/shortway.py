"""The short way through a tunnel that is decrypted: from the client's or the origin's TLS straight to HTTP, and back.

In come the events of a connection; out go the commands they cause, as if they had passed through every layer of it
(mitmproxy 12.2.3). Only bytes take it, and only while neither TLS layer waits for anything; all else goes the long
way, and what HTTP says besides bytes is brought to the TLS layers as if it had come to them from inside.
"""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy.proxy import commands, events, layer

from addons.inplace import DirectHttpLayer
from addons.tlslayers import GatewayServerTls, Said, SealingLayer

type Commands = layer.CommandGenerator[None]


@dataclass
class HandOver(commands.Command):
    """From here on the connection's bytes may go straight to this layer: those outside it would only pass them on."""

    layer: layer.Layer


class ShortWay(layer.Layer):
    """In the place of a tunnel's outermost layer."""

    def __init__(self, outer: layer.Layer, server: GatewayServerTls, client: SealingLayer) -> None:
        """`outer` is the tunnel's outermost layer, `server` and `client` are the TLS layers in it."""
        self.outer = outer
        self.context = outer.context
        self._server = server
        self._client = client
        self._http: DirectHttpLayer | None = None

    def handle_event(self, event: events.Event) -> Commands:
        """Bytes the short way, when it is open."""
        if type(event) is events.DataReceived:
            server, client = self._server, self._client
            to = client if event.connection is client.conn else server if event.connection is server.conn else None
            if to is not None and client.at_rest and server.at_rest and not to.broken and self._reached():
                return self._received(to, event.data)
        return self.outer.handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        return self.outer.handle_event(event)

    def _reached(self) -> bool:
        """Whether HTTP is spoken inside."""
        if self._http is None:
            inside = self._client.child_layer
            chosen = inside.layer if isinstance(inside, layer.NextLayer) else None
            if isinstance(chosen, DirectHttpLayer) and not inside._paused:
                self._http = chosen
        return self._http is not None

    def _received(self, to: SealingLayer, data: bytes) -> Commands:
        said = to.opened(data)
        http = self._http
        if said.closed or said.trouble is not None or http is None:
            yield from self.outer.handle_event(said)
            return
        if to.speaks:
            yield from to.tls_interact()
        if not said.plain:
            return
        server, client = self._server, self._client
        for command in http.handle_event(events.DataReceived(to.conn, said.plain)):
            if type(command) is commands.SendData and server._paused is None:
                to_whom = command.connection
                through = client if to_whom is client.conn else server if to_whom is server.conn else None
                if through is not None:
                    if (sealed := through.keep(command.data)) is not None:
                        yield sealed
                    continue
            yield from self.outer.handle_event(Said(client, command))


def short_way(outer: layer.Layer) -> layer.Layer:
    """The short way through these layers; the layers themselves where there is none."""
    inner = outer.layer if isinstance(outer, layer.NextLayer) else outer
    if isinstance(inner, GatewayServerTls) and isinstance(inner.child_layer, SealingLayer):
        return ShortWay(outer, inner, inner.child_layer)
    return outer
