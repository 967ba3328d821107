"""Passed-through tunnels, outside the host: two sockets, one buffer, no events.

In comes a tunnel whose ends are open (`relay_tunnel`); its two transports get protocols that hand what one receives
straight to the other. Rule: bytes are only taken from one side when the other has sent off all it got before, so a
tunnel holds at most one buffer a direction, whatever a slow reader does. Ends as connections do (either side, an error,
a cut), or when nothing moves for `idle` seconds, or after `longest`; then it leaves word of it for the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Any, Protocol

from mitmproxy.connection import Connection, ConnectionState

from addons.cutting import cut
from addons.flownotes import IDLE, LONG, Passed
from addons.relaying import Tunnel

ROOM = 256 * 1024
"""Bytes read at once; also the most one direction of one tunnel holds."""
REST = 5.0
"""Seconds a tunnel is waited for until nothing of it is in flight; one that takes longer stays with the host."""
SHORTLY = 0.01
"""Seconds between two looks whether it is."""
LOOKS = 4
"""How often within the idle time a tunnel is looked at."""

_room = memoryview(bytearray(ROOM))
"""One buffer for every tunnel of the process: whatever is in it is sent or copied before anybody else runs."""


class Handler(Protocol):
    """What is needed of the host's handler of a connection."""

    client: Any
    transports: Any

    async def drain_writers(self) -> None:
        """Wait until what was written is sent."""


class Relay:
    """One tunnel being passed through."""

    def __init__(self, client: asyncio.Transport, server: asyncio.Transport, passed: Passed) -> None:
        self.passed = passed
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.client = Side(self, client, server, up=True)
        self.server = Side(self, server, client, up=False)
        self.why: str | None = None
        self._open = 2
        self._seen = -1
        self._quiet = 0
        self._timers: list[asyncio.TimerHandle] = []

    def begin(self, *, idle: float, longest: float) -> None:
        """Take the sockets. From here on the host hears nothing of them."""
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(longest, self._end, LONG), loop.call_later(idle / LOOKS, self._look, idle)]
        for side in (self.client, self.server):
            side.transport.set_protocol(side)
        for side in (self.client, self.server):
            side.transport.set_write_buffer_limits(high=0)
            if side.other.get_write_buffer_size() == 0:
                side.transport.resume_reading()

    def lost(self, side: Side) -> None:
        """One end is gone: the other gets what is on its way, and goes."""
        self._open -= 1
        if self._open == 0:
            for timer in self._timers:
                timer.cancel()
            if not self.ended.done():
                self.ended.set_result(None)
        elif side.other.is_closing():  # it was cut: nobody waits for a reader that stands still
            side.other.abort()
        else:
            side.other.close()

    def abort(self) -> None:
        """End it now."""
        self.client.transport.abort()
        self.server.transport.abort()

    def _end(self, why: str) -> None:
        """End it for a reason of ours; the first one stays."""
        self.why = self.why or why
        self.abort()

    def _look(self, idle: float) -> None:
        moved = self.passed.up + self.passed.down
        self._quiet = self._quiet + 1 if moved == self._seen else 0
        self._seen = moved
        if self._quiet >= LOOKS:
            self._end(IDLE)
            return
        self._timers[1] = asyncio.get_running_loop().call_later(idle / LOOKS, self._look, idle)


class Side(asyncio.BufferedProtocol):
    """One end: what it receives goes to the other."""

    def __init__(self, relay: Relay, transport: asyncio.Transport, other: asyncio.Transport, *, up: bool) -> None:
        self.relay = relay
        self.transport = transport
        self.other = other
        self.said_all = False
        self._up = up
        self._descriptor = other.get_extra_info("socket").fileno()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The room to receive into."""
        return _room

    def buffer_updated(self, nbytes: int) -> None:
        """Send it off; keep a copy of only what the other's socket did not take, and take no more meanwhile."""
        passed = self.relay.passed
        if self._up:
            passed.up += nbytes
        else:
            passed.down += nbytes
        if self.other.is_closing():
            return
        sent = 0
        if self.other.get_write_buffer_size() == 0:
            try:
                sent = os.write(self._descriptor, _room[:nbytes])
            except BlockingIOError:
                pass
            except OSError:
                self.other.abort()
                return
        if sent < nbytes:
            self.other.write(bytes(_room[sent:nbytes]))

    def eof_received(self) -> bool:
        """This end has said all it had to say; the other may go on until it has, too."""
        self.said_all = True
        if self.relay.client.said_all and self.relay.server.said_all:
            self.transport.close()
            self.other.close()
        elif not self.other.is_closing():
            with contextlib.suppress(OSError):
                self.other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, reset or cut."""
        self.relay.lost(self)

    def pause_writing(self) -> None:
        """This end does not take more: do not read from the other."""
        if not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if not self.other.is_closing():
            self.other.resume_reading()


class Relaying:
    """The addon that takes tunnels over."""

    def __init__(self, connections: Mapping[Any, Handler], *, idle: float, longest: float) -> None:
        """`connections` are the host's handlers by client id; times in seconds."""
        self.connections = connections
        self.idle = idle
        self.longest = longest

    async def relay_tunnel(self, tunnel: Tunnel) -> None:
        """Take a tunnel when nothing of it is in flight in the host; its idle clock stands still meanwhile."""
        handler = self.connections.get(tunnel.client.id)
        if handler is None or not await _at_rest(handler, tunnel):
            return  # gone, or long in coming to rest: the host's way is good enough
        ends = [handler.transports[end].writer.transport for end in (tunnel.client, tunnel.server)]
        tunnel.passed.taken = True
        relay = Relay(ends[0], ends[1], tunnel.passed)
        relay.begin(idle=self.idle, longest=self.longest)
        await relay.ended
        if relay.why is not None:
            cut(handler, relay.why)
            return
        io = handler.transports.get(tunnel.client)
        if io is not None and io.handler is not None:
            io.handler.cancel("the tunnel has ended")


async def _at_rest(handler: Handler, tunnel: Tunnel) -> bool:
    """Wait until both ends wait for bytes, and let none come. False when one end is closed, or rest is long in coming.

    The host reads a socket in a task of its own: only while that task waits is nothing between the socket and us. An
    end that has said all it had to say is at rest when the host has heard so; we hear it again.
    """
    given_up = asyncio.get_running_loop().time() + REST
    pause = 0.0
    while True:
        await asyncio.sleep(pause)
        ends = [handler.transports.get(end) for end in (tunnel.client, tunnel.server)]
        gone = any(io is None or io.writer is None or io.writer.is_closing() for io in ends)
        if gone or all(io.reader.at_eof() for io in ends) or asyncio.get_running_loop().time() >= given_up:
            for io in ends:
                if io is not None and io.writer is not None and not io.writer.is_closing():
                    io.writer.transport.resume_reading()
            return False
        for io in ends:
            io.writer.transport.pause_reading()
        if all(_quiet(end, io) for end, io in zip((tunnel.client, tunnel.server), ends, strict=True)):
            return True
        pause = SHORTLY


def _quiet(end: Connection, io: Any) -> bool:
    """Whether nothing of this end is in the host's hands."""
    heard = io.reader._waiter is not None or (io.reader.at_eof() and not end.state & ConnectionState.CAN_READ)
    return heard and not io.writer.transport.get_write_buffer_size()
