"""A tunnel that is passed through: what the host's layers do until the relay takes its two sockets over.

In comes a connection that is not decrypted; out goes the `relay_tunnel` hook, once the origin is reached. Until
somebody takes the tunnel (`proxy.relay`), and if nobody does, bytes go the host's way; either way they are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mitmproxy.connection import Client, Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer
from mitmproxy.proxy.layers.tcp import TCPLayer

from addons.flownotes import Passed, connection_notes
from addons.tlslayers import SealingLayer


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel whose two ends are open."""

    client: Client
    """The client's connection."""
    server: Server
    """The origin's."""
    passed: Passed = field(default_factory=Passed)
    """What went through it; `taken` is set by whoever takes it over."""


@dataclass
class RelayTunnelHook(commands.StartHook):
    """Both ends are open. Whoever wants the sockets takes them; the layers go on as before until then."""

    data: Tunnel
    blocking = False


@dataclass
class HalfClose(commands.Command):
    """Say to the other end that this one has said all it had to say. The host's own command for it becomes a full close
    on its way out of a CONNECT, and the answer is lost."""

    connection: Connection


class TunnelLayer(TCPLayer):
    """The host's pass-through, which counts, and lets go of a tunnel that was taken over."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, ignore=True)
        self.tunnel = Tunnel(context.client, context.server)
        connection_notes(context.client).passed = self.tunnel.passed

    def start(self, event: events.Start) -> layer.CommandGenerator[None]:
        """Reach the origin, then tell."""
        yield from super().start(event)
        if self.context.server.connected:
            yield RelayTunnelHook(self.tunnel)
        else:
            self.tunnel.passed.error = self.context.server.error or "not reached"

    _handle_event = start

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """As the original, until the sockets are somebody else's."""
        passed = self.tunnel.passed
        if passed.taken:
            return
        if isinstance(event, events.DataReceived):
            if event.connection == self.context.client:
                passed.up += len(event.data)
            else:
                passed.down += len(event.data)
        for command in super().relay_messages(event):
            half = isinstance(command, commands.CloseTcpConnection) and command.half_close
            yield HalfClose(command.connection) if half else command


class GatewayClientTls(SealingLayer, ClientTLSLayer):
    """TLS with a client; what is not decrypted goes to our own layer."""

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        """The host has put its own pass-through there: ours takes its place before it has heard anything."""
        if type(self.child_layer) is TCPLayer:
            self.context.layers.remove(self.child_layer)
            self.child_layer = TunnelLayer(self.context)
        yield from super().event_to_child(event)
