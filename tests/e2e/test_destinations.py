"""Where the gateway never connects to: itself, loopback, link-local, private networks, however they are written.

Shows: `addons.guard`, `proxy.outbound`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.tools import missing, need
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def hidden(authority: Authority) -> Iterator[Origin]:
    """A server on this machine that nobody named in the settings: an admin page, a database."""
    with Origin(authority) as origin:
        yield origin


@pytest.fixture(scope="module")
def unpinned(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin, hidden: Origin, authority: Authority
) -> Iterator[Gateway]:
    """A gateway as a school runs it: no name is pinned, only the intranet's address is named."""
    gateway = Gateway(
        tmp_path_factory.mktemp("unpinned"),
        trust=authority.pem,
        settings={
            "proxy": {
                "hosts": {"intranet.example": origin.address},
                "names": ["gateway.example"],
                "http_ports": [80, 443, origin.port, hidden.port],
                "connect_ports": [443, origin.port, hidden.port],
            }
        },
    )
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


def test_the_schools_own_server_is_reached(unpinned: Gateway) -> None:
    assert curl(unpinned, "http://intranet.example/page").status == 200
    assert curl(unpinned, "https://intranet.example/page").status == 200


LOOPBACK = (
    "127.0.0.1",
    "127.1",
    "127.0.0.2",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST.",
    "foo.localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::127.0.0.1]",
)
ELSEWHERE = (
    "169.254.169.254",
    "[fe80::1]",
    "[::ffff:169.254.169.254]",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
    "[fc00::1]",
    "224.0.0.1",
    "255.255.255.255",
    "2852039166",
)


def tunnel_refused(gateway: Gateway, target: str) -> bool:
    """Whether a CONNECT leads nowhere: refused, or answered with our page inside our TLS."""
    with Raw(gateway) as raw:
        status = raw.tunnel(target)
        if status != 200:
            return status in (400, 403)
        raw.secure(None)
        raw.send(f"GET /page HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode())
        return raw.answer().status in (400, 403)


@pytest.mark.parametrize("written", LOOPBACK + ELSEWHERE)
def test_a_private_address_is_refused_however_it_is_written(unpinned: Gateway, hidden: Origin, written: str) -> None:
    """F-22: server-side request forgery through the proxy (compare CVE-2025-23217)."""
    port = hidden.port
    with Raw(unpinned) as raw:
        raw.send(f"GET http://{written}:{port}/page HTTP/1.1\r\nHost: {written}\r\nConnection: close\r\n\r\n".encode())
        assert raw.answer().status in (400, 403)
    assert tunnel_refused(unpinned, f"{written}:{port}")
    assert hidden.connections == 0


def test_a_refused_destination_has_its_row(unpinned: Gateway) -> None:
    curl(unpinned, "http://169.254.169.254/latest/meta-data/")
    (row,) = unpinned.wait_for_rows(1, host="169.254.169.254", path="/latest/meta-data/")
    assert (row["reason"], row["blocked"], row["action"], row["ending"]) == ("guard", True, "block", "blocked")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "localhost", "[::ffff:127.0.0.1]", "gateway.example"])
@pytest.mark.parametrize("own", ["port", "metrics_port"])
def test_the_gateway_does_not_connect_to_itself(unpinned: Gateway, address: str, own: str) -> None:
    """Reference finding 4: one such request otherwise recurses until no descriptor is left."""
    port = getattr(unpinned, own)
    process = unpinned.family()
    before = sum(one.num_fds() for one in process)
    with Raw(unpinned) as raw:
        raw.send(
            f"GET http://{address}:{port}/ HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        assert raw.answer().status in (400, 403)
    assert tunnel_refused(unpinned, f"{address}:{port}")
    assert sum(one.num_fds() for one in process) < before + 20


def test_a_request_sent_straight_at_the_proxy_is_refused(unpinned: Gateway) -> None:
    """Origin-form at a proxy port: a browser that mistook the proxy for a web server."""
    with Raw(unpinned) as raw:
        host = f"127.0.0.1:{unpinned.port}"
        raw.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert raw.answer().status in (400, 403, 404)


@pytest.fixture(scope="module")
def rebound(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Gateway]:
    """A gateway on a machine whose resolver answers `rebind.example` with loopback."""
    need("unshare", "util-linux")
    folder = tmp_path_factory.mktemp("rebound")
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost rebind.example\n169.254.169.254 metadata.example\n10.1.2.3 inside.example\n")
    prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh")
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        missing(f"permission to mount (uid {os.getuid()})", "none: needs root")
    gateway = Gateway(folder, trust=authority.pem, prefix=prefix, settings={"proxy": {"http_ports": [80, 443, 8123]}})
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.mark.parametrize("host", ["rebind.example", "metadata.example", "inside.example"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_resolves_to_a_private_address_is_refused(rebound: Gateway, host: str, scheme: str) -> None:
    """DNS rebinding: the name is innocent, the address is not."""
    answer = curl(rebound, f"{scheme}://{host}/")
    assert answer.status in (403, 502), answer
    rows = wait_for(lambda: rebound.rows(host=host, scheme=scheme), "its row")
    assert "guard" in (rows[0]["reason"], rows[0]["error"])


def test_a_rebound_name_does_not_reach_the_gateways_own_ports(rebound: Gateway) -> None:
    for port in (rebound.port, rebound.metrics_port):
        answer = curl(rebound, f"http://rebind.example:{port}/metrics")
        assert answer.status in (403, 502)
        assert "schoolgate_" not in answer.text
