"""The relay alone, on real sockets: nothing lost, nothing doubled, nothing held, and an end for everything."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.flownotes import Passed
from proxy.relay import ROOM, Relay, _at_rest

type Tried = Callable[[Relay, socket.socket, socket.socket], Awaitable[None]]


def tried(then: Tried, *, idle: float = 30, longest: float = 60) -> Passed:
    """Run `then` with a relay between two sockets: ours as the client, ours as the origin."""

    async def main() -> Passed:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        for pair in pairs:
            for end in pair:
                end.setblocking(False)
        transports = []
        for _, far in pairs:
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=far)
            transports.append(transport)
        passed = Passed()
        relay = Relay(transports[0], transports[1], passed)
        relay.begin(idle=idle, longest=longest)
        try:
            async with asyncio.timeout(30):
                await then(relay, pairs[0][0], pairs[1][0])
        finally:
            relay.abort()
            for near, _ in pairs:
                near.close()
        return passed

    return asyncio.run(main())


def test_a_tunnel_that_finds_no_rest_stays_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """An origin that stands still with something on its way to it: nobody waits for ever, and reading goes on."""
    monkeypatch.setattr("proxy.relay.REST", 0.2)

    async def main() -> tuple[bool, list[bool], float]:
        ends, fars = {}, []
        for who in ("client", "server"):
            near, far = socket.socketpair()
            fars.append(far)
            reader, writer = await asyncio.open_connection(sock=near)
            ends[who] = SimpleNamespace(reader=reader, writer=writer)
            task = asyncio.create_task(reader.read(1))
            await asyncio.sleep(0)
            ends[who].task = task
        ends["server"].writer.write(b"x" * (8 << 20))
        began = time.process_time()
        rested = await _at_rest(SimpleNamespace(transports=ends), SimpleNamespace(client="client", server="server"))  # type: ignore[arg-type]
        spent = time.process_time() - began
        reading = [one.writer.transport.is_reading() for one in ends.values()]
        for one in ends.values():
            one.task.cancel()
            one.writer.transport.abort()
        for far in fars:
            far.close()
        return rested, reading, spent

    rested, reading, spent = asyncio.run(main())
    assert (rested, reading) == (False, [True, True])
    assert spent < 0.1, "it must not turn in a circle meanwhile"


async def read_all(end: socket.socket) -> bytes:
    parts = []
    while data := await asyncio.get_running_loop().sock_recv(end, 1 << 16):
        parts.append(data)
    return b"".join(parts)


@settings(max_examples=30, deadline=None)
@given(
    up=st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    down=st.lists(st.integers(1, 400_000), max_size=5),
)
def test_what_goes_in_comes_out(up: list[bytes], down: list[int]) -> None:
    """Any pieces of any size, both ways at once, in order; and both sides are told of the end."""
    pieces = [bytes([number % 251]) * size for number, size in enumerate(down)]

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        async def say(end: socket.socket, what: list[bytes]) -> None:
            for piece in what:
                await loop.sock_sendall(end, piece)
            end.shutdown(socket.SHUT_WR)

        _, _, at_origin, at_client = await asyncio.gather(
            say(client, up), say(origin, pieces), read_all(origin), read_all(client)
        )
        assert at_origin == b"".join(up)
        assert at_client == b"".join(pieces)
        await relay.ended

    passed = tried(then)
    assert (passed.up, passed.down) == (sum(map(len, up)), sum(down))


def test_a_half_closed_tunnel_goes_on_the_other_way() -> None:
    """The client has asked and closed its side: the answer still comes."""

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"question")
        client.shutdown(socket.SHUT_WR)
        assert await read_all(origin) == b"question"
        await loop.sock_sendall(origin, b"answer")
        origin.close()
        assert await read_all(client) == b"answer"
        await relay.ended

    tried(then)


def test_a_reader_that_stands_still_holds_one_buffer() -> None:
    """The origin is not read any more; what is held is less than one buffer, and arrives when the reader goes on."""

    async def stalled(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sent, still = 0, 0
        while still < 50:
            try:
                sent += origin.send(b"x" * 65536)
                still = 0
            except BlockingIOError:
                still += 1
            await asyncio.sleep(0.002)
        held = relay.client.transport.get_write_buffer_size()
        assert 0 < held < ROOM
        assert not relay.server.transport.is_reading()
        origin.shutdown(socket.SHUT_WR)
        got = 0
        while got < sent:
            got += len(await loop.sock_recv(client, 1 << 20))
        assert got == sent

    tried(stalled)


def test_a_tunnel_in_which_nothing_moves_ends() -> None:
    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        assert await read_all(client) == b""
        await relay.ended

    tried(then, idle=0.2)


def test_a_reader_that_never_reads_again_ends_too() -> None:
    """Bytes wait to be sent, and nobody takes them: no reason to keep the tunnel for ever."""

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        for _ in range(200):
            try:
                origin.send(b"x" * 65536)
            except (BlockingIOError, BrokenPipeError):
                await asyncio.sleep(0.001)
        await relay.ended

    tried(then, idle=0.4)


def test_a_busy_tunnel_lasts_no_longer_than_it_may() -> None:
    """A tunnel kept alive with a byte now and then ends all the same."""

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while not relay.ended.done():
            try:
                await loop.sock_sendall(client, b".")
            except OSError:
                break
            await asyncio.sleep(0.02)
        await relay.ended

    tried(then, idle=10, longest=0.5)


def test_a_moving_tunnel_is_not_idle() -> None:
    """Ten bytes over three times the idle time all arrive."""

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(15):
            await loop.sock_sendall(origin, b".")
            assert await loop.sock_recv(client, 10) == b"."
            await asyncio.sleep(0.2)

    tried(then, idle=1.0)


def test_a_cut_does_not_wait_for_a_reader_that_stands_still() -> None:
    """The school closes the site: both ends go at once, whatever is still to be sent."""

    async def then(relay: Relay, client: socket.socket, origin: socket.socket) -> None:
        still = 0
        while still < 20:
            try:
                origin.send(b"x" * 65536)
            except BlockingIOError:
                still += 1
            await asyncio.sleep(0.001)
        relay.client.transport.close()
        relay.server.transport.close()
        await relay.ended

    tried(then)
