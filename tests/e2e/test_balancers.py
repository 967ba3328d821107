"""Behind a load balancer: rules and rows go by the pupil's own address, and nobody can borrow one.

Shows: `proxy.listening`, and, since a balancer can name any address, the caps of `addons.guard` on IPv6 clients.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from addons.guard import NETWORK_CONNECTIONS
from proxy.balancers import SIGNATURE
from tests.rig.certificates import Authority
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e

BALANCER = "127.9.9.1"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Gateway]:
    """A gateway behind one balancer."""
    gateway = Gateway(
        tmp_path_factory.mktemp("behind"),
        origin=origin.address,
        trust=authority.pem,
        settings={"proxy": {"balancers": [BALANCER]}},
    )
    try:
        yield gateway.start()
        assert gateway.stop() == 0
    finally:
        gateway.kill()


def ask(gateway: Gateway, name: str, header: bytes, source: str = BALANCER, *, split: bool = False) -> bytes:
    """One request behind a header, from `source`; what came back."""
    request = f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection(gateway.address, 20, source_address=(source, 0)) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = [bytes([byte]) for byte in header] + [request] if split else [header + request]
        got = b""
        try:
            for piece in pieces:
                end.sendall(piece)
            while data := end.recv(65536):
                got += data
        except ConnectionError:
            pass
        return got


def refusals(gateway: Gateway) -> list[dict[str, Any]]:
    """Rows of what the balancer was refused."""
    rows = gateway.rows(ending="refused")
    return [row for row in rows if (row["client_address"], row["blocked"]) == (BALANCER, True)]


def line(client: str) -> bytes:
    return f"PROXY TCP4 {client} 127.0.0.1 40000 8080\r\n".encode()


def binary(client: str) -> bytes:
    body = socket.inet_aton(client) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 40000, 8080)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(body)) + body


def many_addresses(gateway: Gateway, count: int, network: str = "2001:db8:0:7") -> list[socket.socket]:
    """Connections of one device with an IPv6 network of its own, each from another address, each asking for a page."""
    ends = []
    for number in range(1, count + 1):
        end = socket.create_connection(gateway.address, 20, source_address=(BALANCER, 0))
        end.sendall(f"PROXY TCP6 {network}::{number:x} 2001:db8::1 40000 8080\r\n".encode())
        ends.append(end)
    return ends


def statuses(ends: list[socket.socket], name: str) -> list[str]:
    """What each is answered; empty where the connection was closed."""
    request = f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
    for end in ends:
        with contextlib.suppress(ConnectionError):
            end.sendall(request)
    found = []
    for end in ends:
        try:
            found.append(end.recv(12).decode()[9:])
        except ConnectionError:
            found.append("")
    return found


def test_one_device_with_a_whole_ipv6_network_cannot_hold_every_connection(make_gateway: Any, name: str) -> None:
    """Many addresses of one network have room for so many times what one has, no more; the next network has its own."""
    gateway = make_gateway({"proxy": {"balancers": [BALANCER], "connections_per_client": 8}}).start()
    ends = many_addresses(gateway, 8 * NETWORK_CONNECTIONS + 20)
    try:
        greedy = statuses(ends, name)
        assert (greedy.count("200"), greedy.count("")) == (8 * NETWORK_CONNECTIONS, 20)
        other = many_addresses(gateway, 1, "2001:db8:0:8")
        ends += other
        assert statuses(other, name) == ["200"]
    finally:
        for end in ends:
            end.close()
    rows = gateway.wait_for_rows(greedy.count("200") + 1, host=name)
    assert {"2001:db8:0:7::1", "2001:db8:0:8::1"} < {row["client_address"] for row in rows}


def test_one_device_with_a_whole_ipv6_network_cannot_ask_without_a_pause(make_gateway: Any, name: str) -> None:
    """Two hundred requests in one breath, each from another address of one network, where an address may make one a
    second; each has its row."""
    gateway = make_gateway({"proxy": {"balancers": [BALANCER], "requests_per_client": 1}}).start()
    ends = many_addresses(gateway, 200)
    try:
        answers = statuses(ends, name)
    finally:
        for end in ends:
            end.close()
    assert set(answers) == {"200", "429"}
    rows = gateway.wait_for_rows(200, host=name)
    assert len({row["client_address"] for row in rows}) == 200
    assert sum(row["rule"] == "guard:requests" for row in rows) == answers.count("429")


@pytest.mark.parametrize("form", [line, binary])
@pytest.mark.parametrize("split", [False, True], ids=["at once", "byte by byte"])
def test_the_row_has_the_pupils_own_address(behind: Gateway, name: str, form: Any, split: bool) -> None:
    assert ask(behind, name, form(YEAR_4), split=split).startswith(b"HTTP/1.1 200")
    (row,) = behind.wait_for_rows(1, host=name)
    assert (row["client_address"], row["device"], row["band"]) == (YEAR_4, "oak-y4-laptop-10", "ks2")


def test_a_pupil_cannot_be_a_teacher_by_sending_a_header(behind: Gateway, origin: Origin, name: str) -> None:
    """Version 1 or 2, from an address that is no balancer's: refused, and the row names the machine it came from."""
    for form in (line, binary):
        answer = ask(behind, name, form(TEACHER), source=YEAR_4)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer[:60]
    assert not origin.contacted(name)
    rows = [row for row in behind.rows(ending="refused") if row["client_address"] == TEACHER]
    assert not rows


def test_a_pupil_behind_the_balancer_cannot_send_a_second_header(behind: Gateway, origin: Origin, name: str) -> None:
    """What the pupil sends comes after the balancer's header, and is no HTTP."""
    assert b" 200 " not in ask(behind, name, line(YEAR_4) + line(TEACHER))
    assert not origin.contacted(name)


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 nonsense\r\n", b"PROXY TCP4 127.0.2.10 127.0.0.1 1 2 "])
def test_a_balancer_that_forgets_to_say_for_whom_is_refused(
    behind: Gateway, origin: Origin, name: str, header: bytes
) -> None:
    """Or every pupil of the school would be the balancer."""
    before = len(refusals(behind))
    assert ask(behind, name, header) == b""
    assert not origin.contacted(name)
    wait_for(lambda: len(refusals(behind)) > before, "a row of it")


def test_a_balancer_may_look_whether_the_gateway_is_well(behind: Gateway, name: str) -> None:
    """A bare connection and a LOCAL header are health checks: no row of the first, an answer to the second."""
    before = len(refusals(behind))
    socket.create_connection(behind.address, 10, source_address=(BALANCER, 0)).close()
    assert ask(behind, name, SIGNATURE + b"\x20\x00\x00\x00").startswith(b"HTTP/1.1")
    (row,) = behind.wait_for_rows(1, host=name)
    assert row["client_address"] == BALANCER
    assert len(refusals(behind)) == before


def test_machines_that_come_directly_are_served_as_before(behind: Gateway, name: str) -> None:
    assert ask(behind, name, b"", source=TEACHER).startswith(b"HTTP/1.1 200")


def test_a_balancer_that_says_nothing_is_not_waited_for(behind: Gateway) -> None:
    """Half-open connections from the balancer's address are closed after seconds."""
    with socket.create_connection(behind.address, 30, source_address=(BALANCER, 0)) as end:
        assert end.recv(1) == b""
