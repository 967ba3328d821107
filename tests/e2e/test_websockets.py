"""WebSockets: lessons use them (quizzes, whiteboards), games too."""

from __future__ import annotations

import contextlib

import pytest
from websockets.exceptions import InvalidStatus

from tests.rig.clients import websocket
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e


def test_messages_go_both_ways_and_one_row_tells_of_it(gateway: Gateway, origin: Origin, name: str) -> None:
    with websocket(gateway, f"wss://{name}/websocket") as socket:
        for number in range(20):
            socket.send(f"answer {number}")
            assert socket.recv(timeout=10) == f"answer {number}"
        socket.send(b"\0" * 300_000)
        assert len(socket.recv(timeout=10)) == 300_000
    assert len(origin.seen(name)) == 1
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"], row["blocked"]) == ("websocket", 101, False)
    assert row["bytes_up"] >= 300_000
    assert row["bytes_down"] >= 300_000


def test_a_websocket_to_a_blocked_site_is_refused(gateway: Gateway, origin: Origin) -> None:
    with pytest.raises(InvalidStatus) as refused, websocket(gateway, "wss://blocked.example/websocket"):
        pass
    assert refused.value.response.status_code == 403
    assert not origin.contacted("blocked.example")


def test_a_games_websocket_is_refused_for_year_4_only(gateway: Gateway, name: str) -> None:
    url = f"wss://{name.removesuffix('.example')}.roblox.com/websocket"
    with websocket(gateway, url, source=TEACHER) as socket:
        socket.send("hello")
        assert socket.recv(timeout=10) == "hello"
    with pytest.raises(InvalidStatus), websocket(gateway, url, source=YEAR_4):
        pass


def test_a_client_that_vanishes_leaves_a_row(gateway: Gateway, name: str) -> None:
    with contextlib.suppress(Exception), websocket(gateway, f"wss://{name}/websocket") as socket:
        socket.send("x")
        socket.recv(timeout=10)
        socket.socket.close()
    gateway.wait_for_rows(1, host=name)
