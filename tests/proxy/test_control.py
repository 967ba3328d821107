"""The local socket through which commands reach a running gateway."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.control import LONGEST_ORDER, NotRunning, order, serve_control, socket_path


@contextlib.asynccontextmanager
async def gateway(data: Path) -> AsyncIterator[list[dict[str, Any]]]:
    """Somebody who answers; what was ordered."""
    heard: list[dict[str, Any]] = []

    async def handler(what: dict[str, Any]) -> dict[str, Any]:
        heard.append(what)
        if what.get("do") == "explode":
            raise RuntimeError("broken on purpose")
        if what.get("do") == "wait":
            await asyncio.sleep(30)
        return {"did": what.get("do")}

    (data / "run").mkdir(parents=True, exist_ok=True)
    server = await serve_control(data, handler)
    try:
        yield heard
    finally:
        server.close()
        socket_path(data).unlink(missing_ok=True)


def deep(folder: Path) -> Path:
    """A data folder whose socket has a longer path than a socket address may be (108 bytes, unix(7))."""
    return folder / ("a-long-name-" * 8) / ("another-one-" * 8)


@pytest.mark.parametrize("long", [False, True])
async def test_an_order_is_answered_wherever_the_data_folder_is(tmp_path: Path, long: bool) -> None:
    """Also where the path is longer than a socket address."""
    data = deep(tmp_path) if long else tmp_path
    async with gateway(data) as heard:
        assert await asyncio.to_thread(order, data, {"do": "status"}) == {"did": "status"}
        assert heard == [{"do": "status"}]
        assert stat.S_IMODE(socket_path(data).stat().st_mode) == 0o600


async def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    """After a SIGKILL the old one lies there."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(tmp_path)))
    with pytest.raises(NotRunning, match="start it with"):
        order(tmp_path, {"do": "status"})
    async with gateway(tmp_path):
        assert (await asyncio.to_thread(order, tmp_path, {"do": "status"}))["did"] == "status"


async def test_a_fault_of_one_order_is_its_answer_and_no_end(tmp_path: Path) -> None:
    """The gateway goes on."""
    async with gateway(tmp_path):
        answer = await asyncio.to_thread(order, tmp_path, {"do": "explode"})
        assert answer == {"failed": "RuntimeError: broken on purpose"}
        assert (await asyncio.to_thread(order, tmp_path, {"do": "status"}))["did"] == "status"


@pytest.mark.parametrize("sent", [b"nonsense\n", b"\xff\xfe\n", b"[1, 2]\n", b"{", b"x" * (LONGEST_ORDER + 10)])
async def test_nonsense_is_answered_with_words(tmp_path: Path, sent: bytes) -> None:
    """Not JSON, not an object, not ended, too long."""
    async with gateway(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
        with contextlib.suppress(ConnectionError):
            writer.write(sent)
            writer.write_eof()
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert b"failed" in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert (await asyncio.to_thread(order, tmp_path, {"do": "status"}))["did"] == "status"


@pytest.mark.parametrize("what", ["nothing", "no folder"])
def test_nobody_there_is_said_with_what_to_do(tmp_path: Path, what: str) -> None:
    """Not a traceback."""
    data = tmp_path / "data"
    if what == "nothing":
        (data / "run").mkdir(parents=True)
    with pytest.raises(
        NotRunning, match=r"no gateway runs with the data folder .*/data; start it with `schoolgate run`"
    ):
        order(data, {"do": "status"})


async def test_a_gateway_that_takes_long_is_not_said_to_be_down(tmp_path: Path) -> None:
    """Starting a second one would be the wrong advice."""
    async with gateway(tmp_path):
        with pytest.raises(NotRunning, match=r"has not answered for 0\.5 s") as said:
            await asyncio.to_thread(order, tmp_path, {"do": "wait"}, 0.5)
        assert "schoolgate run" not in str(said.value)
