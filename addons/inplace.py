"""The host's HTTP layers with less between them: same questions, same order, fewer generators.

Subclasses of mitmproxy's (12.2.3). There, each hook of a request travels out through every layer of the connection and
its answer back in, and each event is handed on by two generators a layer. Here a hook is called where it stands, and
only one that really waits travels; and events go straight to whoever they are for. `tests/addons/test_canary.py` names
what changed upstream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import Any

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection, Server
from mitmproxy.flow import Flow
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import HttpClient
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders

from addons.flownotes import flow_notes

type Commands = layer.CommandGenerator[None]


def held(hook: commands.StartHook) -> bool:
    """Whether an addon has stopped the flow for somebody to look at."""
    about = hook.__dict__.get("flow")
    return about is not None and isinstance(about, Flow) and about.intercepted


def told(kind: type[commands.StartHook], flow: Flow) -> commands.StartHook | None:
    """Call the handlers of a hook about an exchange; the hook itself, to be given out, when that was not all."""
    waiting = ctx.master.addons.tell(kind, flow)  # type: ignore[attr-defined]
    if waiting is None and not flow.intercepted:
        return None
    hook: Any = kind(flow)
    hook.waiting = waiting
    return hook  # type: ignore[no-any-return]


def call(hook: commands.StartHook) -> bool:
    """Call the handlers of a hook, unless `told` has; whether that was all. Else the connection's handler waits for
    what is left."""
    if "waiting" in hook.__dict__:
        return False
    waiting = ctx.master.addons.call(hook)  # type: ignore[attr-defined]
    if waiting is None and not held(hook):
        return True
    hook.waiting = waiting  # type: ignore[attr-defined]
    return False


def called(hook: commands.StartHook, addons: Any) -> Awaitable[Any] | None:
    """What is left to wait for of a hook that comes out of the layers: its handlers are called, once."""
    try:
        waiting: Awaitable[Any] | None = hook.__dict__.pop("waiting")
    except KeyError:
        waiting = addons.call(hook)
    return waiting


class InPlace(layer.Layer):
    """A layer whose hooks are called where they stand."""

    def handle_event(self, event: events.Event) -> Commands:
        """As the original, but a hook that waits for nothing does not pause the layer."""
        if self._paused:
            yield from super().handle_event(event)
            return
        work = self._handle_event(event)
        for command in work:
            if command.blocking is True:
                if isinstance(command, commands.StartHook) and call(command):
                    continue
                command.blocking = self
                self._paused = layer.Paused(command, work)
                yield command
                return
            yield command


class DirectHttpLayer(http_layers.HttpLayer):
    """The host's, whose events go straight to whoever they are for. It never waits itself: its streams do."""

    def __init__(self, context: Context, mode: http_layers.HTTPMode) -> None:
        super().__init__(context, mode)
        self._later: deque[HttpEvent] = deque()

    def handle_event(self, event: events.Event) -> Commands:
        """As the original; then what came of the next request while the one before was answered."""
        if type(event) is events.DataReceived and (handler := self.connections.get(event.connection)) is not None:
            yield from self.event_to_child(handler, event)
        else:
            yield from super().handle_event(event)
        while self._later:
            yield from self._receive(self._later.popleft())

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """As the original; the frequent commands are looked for first."""
        over = None
        for command in child.handle_event(event):
            kind = type(command)
            if kind is commands.SendData or kind is commands.Log:
                yield command
            elif kind is ReceiveHttp:
                told = command.event  # type: ignore[attr-defined]
                if isinstance(event, HttpEvent) and told.stream_id not in self.streams:
                    # A request that was already there when the answer before it ended: in the middle of that, the
                    # origin's connection has not finished with the answer, and no hook's way out and back delays us.
                    self._later.append(told)
                else:
                    yield from self._receive(told)
            elif kind is http_layers.SendHttp:
                handler = self.connections[command.connection]  # type: ignore[attr-defined]
                yield from self.event_to_child(handler, command.event)  # type: ignore[attr-defined]
            elif kind is http_layers.DropStream:
                over = self.streams.pop(command.stream_id, None)  # type: ignore[attr-defined]
            else:
                yield from self._seldom(child, command)
        if over is not None and not over._paused:
            left(over)

    def _receive(self, told: HttpEvent) -> Commands:
        if type(told) is RequestHeaders:
            self._make_stream(told.stream_id)
        stream = self.streams.get(told.stream_id)
        if stream is not None:  # there may still be data for an exchange that is over
            yield from self.event_to_child(stream, told)

    def _seldom(self, child: layer.Layer, command: commands.Command) -> Commands:
        if command.blocking or isinstance(command, commands.RequestWakeup):
            self.command_sources[command] = child
        if isinstance(command, http_layers.GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, http_layers.RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            if isinstance(command, commands.OpenConnection):
                self.connections[command.connection] = child
            yield command

    def _make_stream(self, stream_id: int) -> None:
        """As the original, without a connection that is thrown away at once; the stream is begun already."""
        stream = self.streams[stream_id] = http_layers.HttpStream(forked(self.context), stream_id)
        stream.mode = self.mode
        stream.client_state = stream.state_wait_for_request_headers

    def register_connection(self, command: http_layers.RegisterHttpConnection) -> Commands:
        """As the original; what was only there to reach the origin is left out from here on."""
        handler = self.connections.get(command.connection)
        if type(handler) is HttpClient and not command.err:
            self.connections[command.connection] = handler.child_layer
        yield from super().register_connection(command)


def left(stream: http_layers.HttpStream) -> None:
    """Let go of an exchange that is over: what leads back to itself would stay until the next garbage collection."""
    stream.client_state = stream.server_state = _over
    stream.context.layers.clear()
    if (flow := stream.__dict__.get("flow")) is not None:
        flow_notes(flow).check = None


def _over(_: events.Event) -> Commands:
    """The state of an exchange that is over."""
    yield from ()


def forked(context: Context) -> Context:
    """As `Context.fork`, which makes an origin's connection with a random name first and throws it away."""
    made = Context.__new__(Context)
    made.client, made.server, made.options = context.client, context.server, context.options
    made.layers = context.layers.copy()
    return made


def same(one: Connection, other: object) -> bool:
    """As the host's, which asks an abstract class's machinery at every comparison: some thirty a request."""
    if one is other:
        return True
    known = type(other) is Server or type(other) is Client or isinstance(other, Connection)
    return known and one.id == other.id  # type: ignore[attr-defined]
