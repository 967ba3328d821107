"""Bytes towards and from the host: what is refused before it becomes a request, and what is answered early."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons import httplayers
from addons.httplayers import HeadLimits, head_fault
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

GOOD = b"GET http://fine.example/page HTTP/1.1\r\nHost: fine.example\r\nAccept: text/html"


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (GOOD, None),
        (GOOD + b"\r\nX-Caf\xe9: caf\xe9", None),  # bytes beyond ASCII are legal in values
        (GOOD + b"\r\nTabbed:\tvalue", None),
        (GOOD + b"\r\nX: a\x00b", "control character in the head"),
        (GOOD + b"\r\nX: a\nY: b", "control character in the head"),  # bare LF: two headers to some parsers
        (GOOD + b"\r\nX: a\rY: b", "control character in the head"),
        (GOOD + b"\r\nX: a\x1bb", "control character in the head"),
        (GOOD + b"\r\nX: a\r\n folded", "folded header line"),
        (GOOD + b"\r\n" + b"\r\n".join(b"X: y" for _ in range(300)), "too many header fields"),
    ],
)
def test_a_head_that_parsers_read_differently_is_refused(head: bytes, fault: str | None) -> None:
    """Request smuggling lives on what two parsers read differently (RFC 9112)."""
    assert head_fault(head, 256) == fault


@given(st.binary(max_size=400))
def test_any_head_is_judged(head: bytes) -> None:
    """And no accepted head holds a byte that ends a line or a string elsewhere."""
    if head_fault(head, 256) is None:
        assert b"\0" not in head
        assert b"\n" not in head.replace(b"\r\n", b"")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Origin(Authority(tmp_path_factory.mktemp("authority"))) as origin:
        made = Host(tmp_path_factory.mktemp("host"), origin.address)
        with made.running() as running:
            yield running


def talk(host: Host, *pieces: bytes, wait: float = 5.0) -> bytes:
    """Send the pieces and read until the gateway closes."""
    with socket.create_connection(("127.0.0.1", host.port), wait) as end:
        for piece in pieces:
            end.sendall(piece)
        received = b""
        try:
            while chunk := end.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


@pytest.mark.parametrize(
    ("bytes_", "status"),
    [
        (GOOD + b"\r\nX: a\x00b\r\n\r\n", b"400"),
        (b"\x00\x01\x02\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (GOOD + b"\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (GOOD + b"\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"GET http://fine.example/" + b"a" * (3 * 1024 * 1024), b"431"),
    ],
    ids=["nul", "binary", "version", "nonsense", "cl-te", "two-lengths", "endless"],
)
def test_bad_bytes_are_answered_and_recorded(host: Host, bytes_: bytes, status: bytes) -> None:
    """A refusal in words, the connection closed, and a row that says so."""
    before = len(host.rows())
    answer = talk(host, bytes_)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"mitmproxy" not in answer
    assert len(host.rows()) == before + 1
    assert host.rows()[-1].blocked


def test_a_head_that_never_ends_is_given_up(host: Host) -> None:
    """Slowloris: a head that has begun must end within the limit (one second here)."""
    answer = talk(host, b"GET http://fine.example/ HTTP/1.1\r\n", b"Host: fine")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_refused_upload_is_answered_before_its_body(host: Host) -> None:
    """Nobody waits for 100 MB to be sent to be told no."""
    head = b"POST http://games.schoolgate.test/up HTTP/1.1\r\nHost: games.schoolgate.test\r\n"
    head += b"Content-Length: 100000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", host.port), 5) as end:
        end.sendall(head + b"x" * 1000)
        assert end.recv(65536).startswith(b"HTTP/1.1 403")


def test_empty_lines_before_a_request_are_passed_over(host: Host) -> None:
    """RFC 9112 §2.2, in one piece and in many; the request behind them is answered."""
    for lead in (b"\r\n", b"\n", b"\r\n\r\n\r\n", b"\r\n" * 30):
        with Raw(host, timeout=15) as raw:
            raw.send(lead + b"BAD\r\n\r\n")
            assert raw.read_all().startswith(b"HTTP/1.1 400")


def test_empty_lines_do_not_stop_the_clock(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that opens with empty lines and never asks is shown out like any other."""
    monkeypatch.setattr(httplayers, "limits", HeadLimits(seconds=1))
    for opening in (b"\r\n\r\n\r\n", b"\r\n\r\n\x00", b"\r\n\r\nGET / HT"):
        with Raw(host, timeout=15) as raw:
            raw.send(opening)
            assert raw.read_all().startswith(b"HTTP/1.1 4")


def test_empty_lines_do_not_lift_the_limit(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless head behind an empty line is cut off as it is without one."""
    monkeypatch.setattr(httplayers, "limits", HeadLimits(size=20_000))
    with Raw(host, timeout=15) as raw:
        raw.send(b"\r\n\r\nGET / HTTP/1.1\r\nX: " + b"x" * 30_000)
        assert raw.read_all().startswith(b"HTTP/1.1 431")


def test_many_unfinished_messages_together_are_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each WebSocket stays below its own limit; all of them together hold no more than the worker's."""
    monkeypatch.setattr(httplayers, "limits", HeadLimits(message=10_000_000, messages=1_000_000))
    piece = b"\x02\x7f" + (200_000).to_bytes(8)  # a binary frame that is not the last of its message
    masked = piece[:1] + bytes([piece[1] | 0x80]) + piece[2:] + b"\0" * 4 + b"x" * 200_000
    more = b"\x00" + masked[1:]
    head = "GET http://socket.example/websocket HTTP/1.1\r\nHost: socket.example\r\nConnection: Upgrade\r\n"
    head += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(Raw(host, timeout=15)) for _ in range(4)]
        for raw in sockets:
            raw.send(head.encode())
            assert b" 101 " in raw.read_head()
            raw.send(masked)
        sockets[0].send(more)
        sockets[1].send(more)
        wait_for(lambda: any(map(ended, sockets)), "one that goes past the common limit to be closed")
        assert not all(map(ended, sockets)), "the others go on"


def ended(raw: Raw) -> bool:
    """Whether the gateway has closed this connection."""
    raw.socket.settimeout(0.05)
    try:
        return raw.socket.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_trailers_of_an_origin_are_dropped_and_nothing_hangs(tmp_path: Path) -> None:
    """A chunked answer with trailers arrives whole."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Host(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}")
        with made.running() as running, socket.create_connection(("127.0.0.1", running.port), 5) as end:
            end.sendall(GOOD + b"\r\n\r\n")
            origin, _ = listener.accept()
            with origin:
                origin.recv(65536)
                origin.sendall(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
                )
                received = b""
                while not received.endswith(b"0\r\n\r\n"):
                    received += end.recv(65536)
    assert b"abc" in received
    assert b"X: y" not in received
