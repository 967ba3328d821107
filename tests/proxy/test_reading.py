"""Bytes reach a connection's handler at once while its task waits, in order, never past what is still to be sent."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import events

from proxy.reading import DirectReader, read_directly


class Layers:
    """What a handler would give its layers."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.free = True

    def take(self, event: events.Event) -> None:
        assert isinstance(event, events.DataReceived)
        self.heard.append(event.data)

    def settled(self) -> bool:
        return self.free


async def reading(reader: asyncio.StreamReader, layers: Layers, origin: Connection) -> None:
    """As the host's task."""
    while data := await reader.read(65535):
        layers.take(events.DataReceived(origin, data))


def begin(layers: Layers) -> tuple[asyncio.StreamReader, asyncio.Task[None]]:
    """A reader and the task that waits for it."""
    reader, origin = asyncio.StreamReader(), Server(address=("school.example", 443))
    read_directly(reader, layers, origin)
    return reader, asyncio.create_task(reading(reader, layers, origin))


def test_bytes_come_at_once_while_the_task_waits() -> None:
    """Without a turn of the loop; before the task waits they are kept for it."""

    async def lesson() -> None:
        layers = Layers()
        reader, task = begin(layers)
        assert isinstance(reader, DirectReader)
        reader.feed_data(b"before")
        assert layers.heard == []
        for _ in range(3):
            await asyncio.sleep(0)
        assert layers.heard == [b"before"]
        reader.feed_data(b"one")
        reader.feed_data(b"two")
        assert layers.heard == [b"before", b"one", b"two"]
        reader.feed_eof()
        await task

    asyncio.run(lesson())


def test_bytes_wait_while_something_is_to_be_sent() -> None:
    """And what comes behind them waits, too."""

    async def lesson() -> None:
        layers = Layers()
        reader, task = begin(layers)
        await asyncio.sleep(0)
        layers.free = False
        reader.feed_data(b"one")
        layers.free = True
        reader.feed_data(b"two")
        assert layers.heard == []
        reader.feed_eof()
        await task
        assert layers.heard == [b"onetwo"]

    asyncio.run(lesson())


def test_a_task_that_was_ended_gets_nothing_more() -> None:
    """The connection was cut: what is still read is nobody's."""

    async def lesson() -> None:
        layers = Layers()
        reader, task = begin(layers)
        await asyncio.sleep(0)
        task.cancel()
        reader.feed_data(b"late")
        await asyncio.gather(task, return_exceptions=True)
        assert layers.heard == []

    asyncio.run(lesson())


@given(st.lists(st.tuples(st.binary(max_size=5), st.booleans(), st.integers(0, 3))))
def test_nothing_is_lost_doubled_or_overtaken(pieces: list[tuple[bytes, bool, int]]) -> None:
    """However bytes, turns of the loop and full sockets follow one another."""

    async def lesson() -> None:
        layers = Layers()
        reader, task = begin(layers)
        for data, free, turns in pieces:
            layers.free = free
            reader.feed_data(data)
            for _ in range(turns):
                await asyncio.sleep(0)
        reader.feed_eof()
        await task
        assert b"".join(layers.heard) == b"".join(data for data, _, _ in pieces)

    asyncio.run(lesson())


def test_other_readers_stay_what_they_are() -> None:
    """Only Python's own is known well enough."""

    class Other(asyncio.StreamReader):
        pass

    async def lesson() -> None:
        reader = Other()
        read_directly(reader, Layers(), Server(address=("school.example", 443)))
        assert type(reader) is Other

    asyncio.run(lesson())
