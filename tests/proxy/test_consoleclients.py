"""Whoever says nothing to the console is shown out, and one address cannot take every place."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from proxy import consoleclients
from proxy.consoleserver import server_config
from proxy.settings import Settings
from tests.rig.waiting import wait_for

type Where = tuple[str, int]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers once the whole request is there."""
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[Where]:
    """A server as the console has it, less patient and with fewer places for one address."""
    monkeypatch.setattr(consoleclients, "HEAD", 1.0)
    monkeypatch.setattr(consoleclients, "BODY", 1.0)
    monkeypatch.setattr(consoleclients, "EACH", 4)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(page, Settings()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the server to start", seconds=30)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(30)
    listening.close()
    assert not consoleclients._open


def answers(where: Where) -> bool:
    try:
        with urllib.request.urlopen(f"http://{where[0]}:{where[1]}/", timeout=20) as answer:
            return answer.read() == b"here"
    except (OSError, urllib.error.HTTPError):
        return False


def is_over(end: socket.socket) -> bool:
    """Whether the other side ended this connection, within the longest a loaded machine takes."""
    end.settimeout(30)
    try:
        return end.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_who_sends_no_whole_request_is_shown_out(where: Where, sent: bytes) -> None:
    with socket.create_connection(where) as end:
        end.sendall(sent)
        assert is_over(end)
    assert answers(where)


def test_a_byte_now_and_then_buys_no_time(where: Where) -> None:
    """Nor after a first request that was whole."""
    with socket.create_connection(where) as end:
        end.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        end.settimeout(30)
        assert b"200" in end.recv(4096)
        began, gone = time.monotonic(), False
        while not gone and time.monotonic() < began + 30:
            try:
                end.sendall(b"G")
                end.settimeout(0.2)
                gone = end.recv(4096) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                gone = True
        assert gone


def test_one_address_has_only_so_many_at_once(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is ended; the others go on, and a place that is given back is there again."""
    monkeypatch.setattr(consoleclients, "HEAD", 300.0)
    held = [socket.create_connection(where) for _ in range(4)]
    with socket.create_connection(where) as more:
        assert is_over(more)
    held[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    held[0].settimeout(30)
    assert b"200" in held[0].recv(4096)
    for end in held:
        end.close()
    wait_for(lambda: answers(where), "a place to be free", seconds=30)
