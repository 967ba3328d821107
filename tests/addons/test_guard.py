"""What the gateway never serves, whatever the policy says: too many connections, odd ports, inner addresses, loops."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.test import tflow

from addons.destinations import read_destinations
from addons.guard import (
    NETWORK_CONNECTIONS,
    NETWORK_REQUESTS,
    Guard,
    guard_verdict,
    is_literal,
    refuse_destination,
    too_many_requests,
)
from addons.live import Live
from categories.names import canonical_url
from policy.model import Stage
from tests.addons.host import Host
from tests.rig.clients import Raw


@pytest.fixture
def guarded(live: Live) -> Live:
    """A gateway on 10.0.0.1:8080, with an intranet of its own."""
    live.destinations = read_destinations(
        ("10.9.0.0/16", "127.0.0.1:9000", "intranet.example:8443"),
        {"pinned.example": "10.1.2.3:7000"},
        own_ports=(8080, 8082),
        own_addresses=("10.0.0.1",),
        own_names=("gate.example",),
    )
    return live


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://example.org/", None),
        ("https://example.org/", None),
        ("http://127.0.0.1/", "guard:loopback"),
        ("http://127.1/", "guard:loopback"),
        ("http://[::ffff:127.0.0.1]/", "guard:loopback"),
        ("http://localhost/", "guard:loopback"),
        ("http://a.localhost/", "guard:loopback"),
        ("http://169.254.169.254/latest/meta-data/", "guard:link-local"),
        ("http://192.168.0.1/", "guard:private network"),
        ("http://10.0.0.1/", "guard:own address"),
        ("http://10.0.0.1:8080/", "guard:loop"),
        ("http://gate.example:8080/", "guard:loop"),
        ("http://127.0.0.1:8082/metrics", "guard:loop"),
        ("http://10.9.1.1/", None),
        ("http://127.0.0.1:9000/", None),
        ("http://127.0.0.1:9001/", "guard:loopback"),
        ("http://example.org:25/", "guard:odd-port"),
        ("http://example.org:8443/", "guard:odd-port"),
        ("http://intranet.example:8443/", None),  # the settings name this very port
        ("http://0.0.0.0/", "guard:unspecified address"),
        ("http://[::]/", "guard:unspecified address"),
        ("http://224.0.0.1/", "guard:multicast"),
    ],
)  # fmt: skip
def test_a_destination_is_judged_before_the_policy(guarded: Live, url: str, rule: str | None) -> None:
    """With a verdict that says why; None means the policy may decide."""
    verdict = guard_verdict(guarded, canonical_url(url), connect=False)
    assert (verdict.rule if verdict else None) == rule
    assert verdict is None or verdict.blocked


@pytest.mark.parametrize(
    ("url", "refused"),
    [("https://example.org/", False), ("https://example.org:80/", True), ("https://a.example:22/", True)],
)
def test_a_tunnel_has_fewer_ports(guarded: Live, url: str, refused: bool) -> None:
    """443 and what the settings add."""
    verdict = guard_verdict(guarded, canonical_url(url), connect=True)
    assert (verdict is not None) is refused
    assert verdict is None or verdict.reason == "circumvention"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (("example.org", 443), None),
        (("127.0.0.1", 80), "refused: loopback"),
        (("gate.example", 8080), "refused: loop"),
        (("pinned.example", 443), None),
        (None, "no destination"),
    ],
)
def test_the_last_word_before_a_socket(guarded: Live, address: tuple[str, int] | None, error: str | None) -> None:
    """Also for connections nobody asked about."""
    server = Server(address=address)
    Guard(guarded).server_connect(SimpleNamespace(server=server, client=tflow.tclient_conn()))  # type: ignore[arg-type]
    assert server.error == error


def test_a_fault_while_judging_refuses(guarded: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is set before the question is asked."""
    monkeypatch.setattr("addons.guard.refuse_destination", lambda *_: 1 / 0)
    server = Server(address=("example.org", 443))
    with contextlib.suppress(ZeroDivisionError):
        Guard(guarded).server_connect(SimpleNamespace(server=server, client=None))  # type: ignore[arg-type]
    assert server.error


def test_a_udp_destination_is_none(guarded: Live) -> None:
    """QUIC never leaves through us."""
    server = Server(address=("example.org", 443), transport_protocol="udp")
    Guard(guarded).server_connect(SimpleNamespace(server=server, client=None))  # type: ignore[arg-type]
    assert server.error == "no destination"


@pytest.mark.parametrize(
    ("host", "literal"), [("10.1.2.3", True), ("::1", True), ("1.example", False), ("example.org", False)]
)
def test_what_an_address_is(host: str, literal: bool) -> None:
    """Canonical text only comes here."""
    assert is_literal(host) is literal


def test_a_pinned_name_is_not_asked_twice(guarded: Live) -> None:
    """Its address was written by the school."""
    assert refuse_destination(guarded, "pinned.example", 443) is None


def test_one_machine_cannot_take_all_connections(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many is closed at once; other machines are not hindered; a closed one makes room again."""
    monkeypatch.setattr(host.live, "connections_per_client", 3)
    page = b"GET http://fine.example/page HTTP/1.1\r\nHost: fine.example\r\n\r\n"

    def served(raw: Raw) -> bool:
        with contextlib.suppress(ConnectionError, socket.timeout):
            raw.send(page)
            return raw.read_head().startswith(b"HTTP/1.1 200")
        return False

    source = "127.0.6.1"
    with Raw(host, source=source) as one, Raw(host, source=source) as two:
        with Raw(host, source=source) as three:
            assert all(served(raw) for raw in (one, two, three))
            with Raw(host, source=source) as four, Raw(host, source="127.0.6.2") as other:
                assert not served(four)
                assert served(other)
        assert any(served_later(host, source, page) for _ in range(50))


def test_one_address_does_not_use_up_its_neighbours_requests(guarded: Live) -> None:
    """What an address may not ask is not charged to its IPv6 network; many addresses together reach its bound."""
    guarded.requests_per_client, guarded.clock = 10, lambda: 1000.5

    def refused(address: str) -> bool:
        return too_many_requests(guarded, address, Stage.REQUEST) is not None

    assert sum(refused("2001:db8:0:7::66") for _ in range(10 * NETWORK_REQUESTS + 50)) == 10 * NETWORK_REQUESTS + 40
    neighbours = [refused(f"2001:db8:0:7::1:{number:x}") for number in range(10 * NETWORK_REQUESTS)]
    assert neighbours == [False] * (10 * NETWORK_REQUESTS - 10) + [True] * 10


def test_one_address_does_not_use_up_its_neighbours_connections(guarded: Live) -> None:
    """The same for connections; those that are closed, refused ones too, are taken back as they were counted."""
    guarded.connections_per_client, guard = 10, Guard(guarded)

    def connected(address: str) -> Client:
        client = tflow.tclient_conn()
        client.id, client.peername = f"{address} {len(clients)}", (address, 40000, 0, 0)
        clients.append(client)
        guard.client_connected(client)
        return client

    clients: list[Client] = []
    greedy = [connected("2001:db8:0:7::66").error for _ in range(10 * NETWORK_CONNECTIONS + 50)]
    assert greedy.count(None) == 10
    neighbours = [connected(f"2001:db8:0:7::1:{number:x}").error for number in range(10 * NETWORK_CONNECTIONS)]
    assert [error is None for error in neighbours] == [True] * (10 * NETWORK_CONNECTIONS - 10) + [False] * 10
    for client in clients:
        guard.client_disconnected(client)
    assert not guarded.connections._open
    assert not guard._counted


def served_later(host: Host, source: str, page: bytes) -> bool:
    """A connection of its own, once the closed one is forgotten."""
    with Raw(host, source=source) as raw, contextlib.suppress(ConnectionError):
        raw.send(page)
        return raw.read_head().startswith(b"HTTP/1.1 200")
    return False
