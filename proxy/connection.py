"""One client's connection in the host: events are worked off one after the other, hooks are called where they stand.

In come the host's events and the commands of its layers, as in `ConnectionHandler` (mitmproxy 12.2.3), whose work this
repeats. What is left out is what costs a third of a request there: a task, a lock and a turn of the event loop for each
hook, though all of ours are plain functions; a send for each piece of an answer; and waiting for sockets that have
nothing to send. What a connection was made of is taken apart when it is over, and is no work for the garbage collector.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events, mode_servers, server, server_hooks
from mitmproxy.proxy.context import Context

from addons.cutting import cut
from addons.flownotes import IDLE, connection_notes
from addons.inplace import called, forked, held, same
from addons.relaying import HalfClose
from addons.shortway import HandOver
from addons.silence import silent_site_ended
from proxy.lifetime import OVER, Watchdog, taken_apart
from proxy.reading import read_directly

logger = logging.getLogger("mitmproxy.proxy.server")

SHORTLY = 0.25
"""Seconds between two looks whether a client has taken the rest of its last answer."""
TAIL_WINDOWS = 6
"""Idle times a client may take nothing of the rest of its last answer; more than its pace allows, where one is kept."""
AHEAD = 256 * 1024
"""Most bytes read from a connection's sockets while its layers wait; more stays with whoever sends it."""


@dataclass
class GatewayFailedHook(commands.StartHook):
    """The layers of a connection failed, and it is about to be cut: what is open on it ends here."""

    client: Client


class GatewayConnection(mode_servers.ProxyConnectionHandler):
    """The host's handler, without a task for each hook."""

    master: Any
    timeout_watchdog: Watchdog

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._arrived: deque[events.Event] = deque()
        self._at_work = False
        self._broken = False
        self._outgoing: dict[Connection, list[commands.SendData]] = {}
        self._awaited = 0
        self._ahead = 0
        self._settled = asyncio.Event()
        self._notes = connection_notes(self.client)
        self.outlet: asyncio.WriteTransport | None = None
        self.timeout_watchdog = Watchdog(self.timeout_watchdog.timeout, self._idle)

    async def handle_client(self) -> None:
        """As the host's; the idle clock is no task, and what is over is taken apart."""
        self.timeout_watchdog.begin()
        self.log("client connect")
        await self.handle_hook(server_hooks.ClientConnectedHook(self.client))
        if self.client.error:
            self.log("client kill connection")
            writer = self.transports.pop(self.client).writer
            if writer is not None:
                writer.close()
        else:
            self.take(events.Start())
            self.outlet = self._outlet(self.client)
            await self._until_closed(self._task(self.handle_connection(self.client)))
            if self.outlet is not None and self.outlet.get_write_buffer_size():
                await self._until_taken(self.outlet)
        self.timeout_watchdog.end()
        while self.wakeup_timer:
            self.wakeup_timer.pop().cancel()
        self.log("client disconnect")
        self.client.timestamp_end = time.time()
        await self.handle_hook(server_hooks.ClientDisconnectedHook(self.client))
        await self._leave_origins()
        if not self._awaited and not self._at_work:  # an answer that is still waited for must find its layers
            self.layer, over = OVER, self.layer
            taken_apart(over)

    def _outlet(self, connection: Connection) -> asyncio.WriteTransport | None:
        """What goes to that end goes through it."""
        writer = self.transports[connection].writer
        return writer.transport if isinstance(writer, asyncio.StreamWriter) else None

    async def _until_taken(self, outlet: asyncio.WriteTransport) -> None:
        """The layers are done with the client, which has not taken everything: it counts as long as that is kept for
        it. Whoever takes too little is ended by `addons.answerpace`, and here where nobody keeps that pace."""
        await self._leave_origins()
        since, before = time.monotonic(), 0
        while left := outlet.get_write_buffer_size():
            if left != before:
                since, before = time.monotonic(), left
            elif time.monotonic() - since > TAIL_WINDOWS * self.timeout_watchdog.seconds:
                outlet.abort()
            await asyncio.sleep(SHORTLY)

    async def _leave_origins(self) -> None:
        left = [io.handler for io in self.transports.values() if io.handler is not None]
        for handler in left:
            handler.cancel("client disconnected")
        if left:
            await asyncio.wait(left)

    def show_out(self, why: str) -> None:
        """End it now, and let go of what the client has not taken."""
        if self.outlet is not None:
            self.outlet.abort()
        cut(self, why)

    async def _until_closed(self, handler: asyncio.Task[None]) -> None:
        self.transports[self.client].handler = handler
        await asyncio.wait([handler])
        if not handler.cancelled() and (error := handler.exception()):
            self.log(
                "connection handler has crashed",
                logging.ERROR,
                exc_info=(type(error), error, error.__traceback__),
            )

    async def handle_connection(self, connection: Connection) -> None:
        """As the host's, whose bytes come without its being woken for them; and the exception that ends it does not
        keep it."""
        reader = self.transports[connection].reader
        if isinstance(reader, asyncio.StreamReader):
            read_directly(reader, self, connection)
        try:
            await super().handle_connection(connection)
        except asyncio.CancelledError as error:
            raise error.with_traceback(None) from None

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """As the host's, without words that nobody reads."""
        origin = command.connection
        if not origin.address:
            self.take(events.OpenConnectionCompleted(command, "Cannot open connection, no hostname given."))
            return
        about = server_hooks.ServerConnectionHookData(client=self.client, server=origin)
        await self.handle_hook(server_hooks.ServerConnectHook(about))
        if origin.error:
            await self.handle_hook(server_hooks.ServerConnectErrorHook(about))
            self.take(events.OpenConnectionCompleted(command, f"Connection killed: {origin.error}"))
            return
        async with self.max_conns[origin.address]:
            try:
                origin.timestamp_start = time.time()
                if origin.transport_protocol != "tcp":
                    raise OSError(f"{origin.transport_protocol} is not spoken here")
                reader, writer = await asyncio.open_connection(*origin.address, local_addr=origin.sockname)
            except (OSError, asyncio.CancelledError) as error:
                origin.error = str(error) or "connection cancelled"
                await self.handle_hook(server_hooks.ServerConnectErrorHook(about))
                self.take(events.OpenConnectionCompleted(command, origin.error))
                if isinstance(error, asyncio.CancelledError):
                    raise
                return
            await self._serve(command, about, server.ConnectionIO(asyncio.current_task(), reader, writer))

    async def _serve(self, command: commands.OpenConnection, about: Any, io: server.ConnectionIO) -> None:
        """An origin that was reached, until it is left."""
        origin, writer = command.connection, io.writer
        if writer is None:
            raise TypeError("an origin without a way to it")
        origin.timestamp_tcp_setup = time.time()
        origin.state = ConnectionState.OPEN
        origin.peername = writer.get_extra_info("peername")
        origin.sockname = writer.get_extra_info("sockname")
        self.transports[origin] = io
        del io  # it holds this task, and what ends the task would hold it
        await self.handle_hook(server_hooks.ServerConnectedHook(about))
        self.take(events.OpenConnectionCompleted(command, None))
        try:
            await self.handle_connection(origin)
        finally:
            origin.timestamp_end = time.time()
            await self.handle_hook(server_hooks.ServerDisconnectedHook(about))

    def _idle(self) -> None:
        """No byte for so long: the end; of a site that is waited for, so that its client has a page."""
        if silent_site_ended(self):
            self.timeout_watchdog.begin()
        else:
            cut(self, IDLE)

    async def server_event(self, event: events.Event) -> None:
        """Give an event to the layers. Never waits; the host's callers await it."""
        self.take(event)

    def settled(self) -> bool:
        """Whether `drain_writers` would have nothing to wait for."""
        if self._awaited and self._ahead > AHEAD:
            return False
        for io in self.transports.values():
            if isinstance(io.writer, asyncio.StreamWriter) and io.writer.transport.get_write_buffer_size():
                return False
        return True

    def take(self, event: events.Event) -> None:
        """Give an event to the layers, and what follows from it. From within: when the layers are done with theirs."""
        self._arrived.append(event)
        if self._at_work:  # tasks start eagerly: an answer may come while the question is still being read
            return
        self._at_work = True
        self._notes.saying = []
        try:
            self.timeout_watchdog.register_activity()
            while self._arrived:
                self._give(self._arrived.popleft())
            self._send()
        finally:
            self._at_work = False
            self._said()
            self._notes.saying = None

    def _said(self) -> None:
        """Tell what was sent, or has another ending by now."""
        while self._notes.saying:
            self._notes.saying.pop(0)()

    def _give(self, event: events.Event) -> None:
        if self._awaited and isinstance(event, events.DataReceived):
            self._ahead += len(event.data)
        elif isinstance(event, events.OpenConnectionCompleted):
            self._arrives()
        try:
            for command in self.layer.handle_event(event):
                self._do(command)
        except Exception:
            self.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
            self._break_off()

    def _break_off(self, *, unsent: bool = False) -> None:
        """The layers failed and are in a state nobody knows: the client goes, and the record says why."""
        if not unsent:  # what was answered before went well
            self._send()
            self._said()
        if self._broken or self.client not in self.transports:
            return
        self._broken, self._notes.unsent = True, unsent
        try:
            self.master.addons.call(GatewayFailedHook(self.client))
        except Exception:
            self.log("a failure could not be recorded", logging.ERROR, exc_info=True)
        self.close_connection(self.client)

    def _do(self, command: commands.Command) -> None:
        if isinstance(command, commands.SendData):
            self._outgoing.setdefault(command.connection, []).append(command)
        elif isinstance(command, commands.StartHook):
            self._tell(command)
        elif isinstance(command, commands.OpenConnection):
            task = self._task(self.open_connection(command))
            self.transports[command.connection] = server.ConnectionIO(handler=task)
            self._await()
        elif isinstance(command, commands.RequestWakeup):
            self.wakeup_timer.add(self._task(self.wakeup(command)))
        elif isinstance(command, commands.ConnectionCommand):
            if command.connection in self.transports:
                self._close(command)
        elif isinstance(command, HalfClose):
            if command.connection in self.transports:
                self._send()
                self.close_connection(command.connection, half_close=True)
        elif isinstance(command, commands.Log):
            self.log(command.message, command.level)
        elif isinstance(command, HandOver):
            if not self.wakeup_timer:  # what a layer outside waits for must still find it
                self.layer = command.layer
        else:
            raise TypeError(f"the host's layers gave an unknown command: {command}")

    def _send(self) -> None:
        """Send what was said in this turn, at once for each connection."""
        outgoing, self._outgoing = self._outgoing, {}
        missing = []
        for connection, said in outgoing.items():
            try:
                io = self.transports.get(connection)
                if io is not None and io.writer is not None and not io.writer.is_closing():
                    io.writer.write(said[0].data if len(said) == 1 else b"".join(command.data for command in said))
            except Exception:
                self.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
                if (outlet := self._outlet(connection)) is not None:  # behind what is missing nothing may come:
                    outlet.abort()  # whoever reads must see a cut and not a hole
                missing.append(connection)
        if missing:
            self._break_off(unsent=self.client in missing)

    def _close(self, command: commands.ConnectionCommand) -> None:
        self._send()
        if isinstance(command, commands.CloseTcpConnection):
            self.close_connection(command.connection, command.half_close)
        elif isinstance(command, commands.CloseConnection):
            self.close_connection(command.connection, False)
        else:
            raise TypeError(f"the host's layers gave an unknown command: {command}")

    def close_connection(self, connection: Connection, half_close: bool = False) -> None:
        """As the host's. What a client sent behind its balancer's header is read before the host knows the task that
        reads it: a connection that such bytes end is ended as soon as it does."""
        if self.transports[connection].handler is not None or half_close:
            super().close_connection(connection, half_close)
            return
        connection.state = ConnectionState.CLOSED
        asyncio.get_running_loop().call_soon(self._cancel, connection)

    def _cancel(self, connection: Connection) -> None:
        io = self.transports.get(connection)
        if io is not None and io.handler is not None:
            io.handler.cancel("closed by command")

    def _tell(self, hook: commands.StartHook) -> None:
        waiting = called(hook, self.master.addons)
        if waiting is None and not held(hook):
            if hook.blocking:
                self._arrived.append(events.HookCompleted(hook))
            return
        if hook.blocking:
            self._await()
        task = self._task(self._complete(hook, waiting))
        _waiting.add(task)
        task.add_done_callback(_waiting.discard)

    async def _complete(self, hook: commands.StartHook, waiting: Any) -> None:
        try:
            await self._wait(hook, waiting)
        finally:
            if hook.blocking:
                self._arrives()
        if hook.blocking:
            self.take(events.HookCompleted(hook))

    async def _wait(self, hook: commands.StartHook, waiting: Any) -> None:
        with self.timeout_watchdog.disarm():
            if waiting is not None:
                await waiting
            if held(hook):
                await hook.args()[0].wait_for_resume()

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Call the handlers of a hook that no layer waits for."""
        waiting = self.master.addons.call(hook)
        if waiting is not None or held(hook):
            await self._wait(hook, waiting)

    async def drain_writers(self) -> None:
        """Wait for sockets that have something to send, and, when much was read ahead, for what the layers wait for:
        they keep whatever comes meanwhile."""
        while self._awaited and self._ahead > AHEAD:
            self._settled.clear()
            await self._settled.wait()
        for io in self.transports.values():
            if isinstance(io.writer, asyncio.StreamWriter) and io.writer.transport.get_write_buffer_size():
                await super().drain_writers()  # type: ignore[no-untyped-call]
                return

    def _await(self) -> None:
        """The layers wait for something: an origin to be reached, a password to be checked."""
        if self._awaited == 0:
            self._ahead = 0
        self._awaited += 1

    def _arrives(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self._settled.set()

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """As the host's, but nothing is made up that nobody reads."""
        if logger.isEnabledFor(level):
            super().log(message, level, exc_info)

    def _task(self, work: Any) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)


_waiting: set[asyncio.Task[Any]] = set()
"""The event loop itself holds tasks only weakly."""


def install() -> None:
    """Have the host handle connections so."""
    mode_servers.ProxyConnectionHandler = GatewayConnection  # type: ignore[misc]
    Connection.__eq__ = same  # type: ignore[method-assign]
    Context.fork = forked  # type: ignore[method-assign, assignment]
