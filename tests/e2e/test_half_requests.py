"""A client that says half a request and no more: whatever became of it, a row tells of it."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.rig.clients import Raw
from tests.rig.gateway import Gateway

pytestmark = pytest.mark.e2e

HALVES = (b"G", b"GET http://{name}/secret HTTP/1.1\r\nHost: {name}\r\nX-", b"CONNECT {name}:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("half", HALVES, ids=["an octet", "a head", "a CONNECT"])
@pytest.mark.parametrize("leave", [socket.SHUT_WR, None], ids=["FIN", "reset"])
def test_half_a_request_leaves_a_row(gateway: Gateway, seat: str, name: str, half: bytes, leave: int | None) -> None:
    """Nothing was decided, and nobody knows where to: the row says who, and that it was no whole request."""
    with Raw(gateway, source=seat) as raw:
        raw.send(half.replace(b"{name}", name.encode()))
        if leave is not None:
            raw.socket.shutdown(leave)
            assert raw.read_all() == b""
        else:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (row,) = gateway.wait_for_rows(1, client_address=seat)
    expected = {"host": "", "method": "-", "ending": "refused", "error": "half a request", "rule": "guard:bytes"}
    assert {key: row[key] for key in expected} == expected


def test_half_a_request_behind_a_whole_one_leaves_a_row(gateway: Gateway, name: str, seat: str) -> None:
    """Beside the row of the whole one."""
    with Raw(gateway, source=seat) as raw:
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.answer().status == 200
        raw.send(b"GET http://elsewhere.example/")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.read_all() == b""
    rows = gateway.wait_for_rows(2, client_address=seat)
    assert sorted((row["host"], row["ending"], row["error"]) for row in rows) == [
        ("", "refused", "half a request"),
        (name, "response", None),
    ]


@pytest.mark.parametrize("asked", [0, 1], ids=["at once", "behind a whole one"])
def test_half_a_request_in_a_tunnel_leaves_a_row(gateway: Gateway, name: str, seat: str, asked: int) -> None:
    """It is no refusal: where to is known, and may be gone to."""
    with Raw(gateway, source=seat) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name)
        for _ in range(asked):
            raw.send(f"GET /page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert raw.answer().status == 200
        raw.send(b"GET /page HTTP/1.1\r\nHo")
    rows = gateway.wait_for_rows(1 + asked, client_address=seat)
    (row,) = [row for row in rows if row["method"] == "CONNECT"]
    expected = {"host": name, "ending": "aborted", "error": "half a request", "action": "allow", "blocked": False}
    assert {key: row[key] for key in expected} == expected


def test_half_a_request_that_waits_leaves_a_row(make_gateway, name: str) -> None:
    """Answered by its clock, and where the idle clock is the shorter one, ended by that."""
    for patience, error in ((60, "the request head took too long"), (5, "half a request")):
        gateway = make_gateway({"proxy": {"head_timeout": 6, "idle_timeout": patience}}).start()
        with Raw(gateway) as raw:
            raw.send(b"GET http://fine.example/")
            assert raw.read_all().startswith(b"HTTP/1.1 408" if patience == 60 else b"")
        (row,) = gateway.wait_for_rows(1)
        assert (row["ending"], row["error"]) == ("refused", error)
        gateway.stop()
