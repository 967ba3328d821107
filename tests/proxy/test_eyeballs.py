"""One socket out of several addresses: at once where there is one, round a dead one where there are two."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from addons.destinations import read_destinations
from proxy.eyeballs import connect_first, interleaved
from proxy.outbound import OutboundLoop


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A site that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A site whose queue is full: whoever connects waits."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        yield server
        for filler in fillers:
            filler.close()


def info(server: socket.socket) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())


def reached(infos: list[tuple[Any, ...]], delay: float) -> Any:
    """What is connected to, on a loop whose tasks start eagerly, as the host's do."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        with await connect_first(loop, infos, delay) as made:
            return made.getpeername()

    return asyncio.run(main())


def test_a_site_behind_a_dead_address_is_reached_by_the_other(listener: socket.socket, silent: socket.socket) -> None:
    """IPv6 that leads nowhere is the usual case; the second address is tried after the delay."""
    began = time.perf_counter()
    assert reached([info(silent), info(listener)], 0.05) == listener.getsockname()
    assert time.perf_counter() - began < 3


def test_a_refused_address_does_not_wait_for_the_delay(listener: socket.socket) -> None:
    """A failure is an answer: the next is tried at once."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        began = time.perf_counter()
        assert reached([info(nobody), info(listener)], 30.0) == listener.getsockname()
    assert time.perf_counter() - began < 15


def test_when_no_address_answers_the_last_failure_is_told() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            reached([info(nobody), info(nobody)], 0.01)


def test_families_take_turns() -> None:
    """RFC 8305 §4: a broken IPv6 costs one wait, not one for each of its addresses."""
    six, four = (socket.AF_INET6, 1), (socket.AF_INET, 2)
    assert interleaved([(*six, "a"), (*six, "b"), (*four, "c")]) == [(*six, "a"), (*four, "c"), (*six, "b")]


def test_a_connection_to_a_name_takes_no_quarter_of_a_second(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own race waited its whole delay for each name (Python 3.13.0, tasks that start eagerly)."""
    port = listener.getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info(listener)])
    loop = OutboundLoop()
    loop.destinations = read_destinations((f"127.0.0.1:{port}",), {}, own_ports=(), own_addresses=(), own_names=())

    async def main() -> list[float]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        waits = []
        for _ in range(5):
            began = time.perf_counter()
            _, writer = await asyncio.open_connection("lesson.example", port)
            waits.append(time.perf_counter() - began)
            writer.close()
        return waits

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert min(runner.run(main())) < 0.2
