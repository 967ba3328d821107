"""What a bad day brings: floods, stalled readers, no descriptors, strange origins. Lessons go on, or go on again."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.rig.certificates import FAR_AHEAD, LONG_AGO, Authority
from tests.rig.clients import Raw, curl
from tests.rig.gateway import HILLVIEW, Gateway
from tests.rig.origin import Origin
from tests.rig.tools import need
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def seats(count: int) -> list[str]:
    """Machines of the staff room, `count` of them."""
    return [f"127.2.200.{number + 1}" for number in range(count)]


def test_four_hundred_connections_that_say_nothing_keep_nobody_out(gateway: Gateway, name: str) -> None:
    """A half-open flood from forty machines: a page still opens at once."""
    with contextlib.ExitStack() as stack:
        for seat in seats(40):
            for _ in range(10):
                stack.enter_context(Raw(gateway, source=seat))
        began = time.monotonic()
        assert curl(gateway, f"http://{name}/page", source=HILLVIEW).status == 200
        assert time.monotonic() - began < 20


def test_two_hundred_slow_readers_hold_little_and_keep_nobody_waiting(gateway: Gateway, name: str) -> None:
    """Each has asked for fifty megabytes and reads next to nothing."""
    worker = psutil.Process(gateway.pids("worker")[0])
    before = worker.memory_info().rss
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Raw(gateway, source=seat, timeout=60)) for seat in seats(100) for _ in range(2)]
        for raw in readers:
            raw.send(f"GET http://{name}/large?bytes=50000000 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        for raw in readers:
            assert raw.socket.recv(100)
        assert curl(gateway, f"http://{name}/page", source=HILLVIEW).status == 200
        held = (worker.memory_info().rss - before) / len(readers)
        assert held < 1_500_000, f"{held / 1e6:.1f} MB for each of them"
    rows = gateway.wait_for_rows(200, host=name, path="/large", seconds=60)
    assert {row["ending"] for row in rows} == {"aborted"}


def test_a_gateway_without_descriptors_serves_again_when_there_are_some(
    make_gateway: Callable[..., Gateway], name: str
) -> None:
    """Every descriptor of the worker is taken by clients; when they go, lessons go on, and are filtered."""
    limit = need("prlimit", "util-linux")
    gateway = make_gateway({"proxy": {"connections_per_client": 64}}, prefix=[limit, "--nofile=200:200"]).start()
    with contextlib.ExitStack() as stack:
        for seat in seats(8):
            for _ in range(40):
                stack.enter_context(Raw(gateway, source=seat))
        worker = psutil.Process(gateway.pids("worker")[0])
        wait_for(lambda: worker.num_fds() > 190, "the worker to have no descriptor left")
    wait_for(lambda: curl(gateway, f"http://{name}/page", seconds=5).status == 200, "pages to open again", seconds=60)
    assert curl(gateway, "http://blocked.example/").status == 403
    assert worker.is_running(), "the worker that was short of descriptors is the one that serves"


def test_an_upload_that_waits_for_100_continue_is_answered(gateway: Gateway, origin: Origin, name: str) -> None:
    """Allowed: told to go on, and its body arrives. Closed: refused before a byte of it is sent."""
    with Raw(gateway) as raw:
        head = (
            f"POST http://{name}/upload HTTP/1.1\r\nHost: {name}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        raw.send(head.encode())
        assert raw.read_head().startswith(b"HTTP/1.1 100")
        raw.send(b"12345")
        assert raw.answer().text == "5"
    with Raw(gateway) as raw:
        raw.send(head.replace(name, "blocked.example").encode())
        assert raw.read_head().startswith(b"HTTP/1.1 403")
    assert not origin.contacted("blocked.example")


class Strange:
    """An origin with a TLS context of its own that answers one page."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.asked = 0
        self._context = context
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as secure:
                    self.asked += bool(secure.recv(1000))
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\norigin content")


Making = Callable[[ssl.SSLContext], tuple[Gateway, Strange]]


@pytest.fixture
def strange(make_gateway: Callable[..., Gateway]) -> Iterator[Making]:
    """Make a gateway whose every site is this one."""
    made: list[Strange] = []

    def make(context: ssl.SSLContext) -> tuple[Gateway, Strange]:
        made.append(Strange(context))
        return make_gateway(origin=made[-1].address).start(), made[-1]

    yield make
    for one in made:
        one.listener.close()


def serving(authority: Authority, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain(name))
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_site_that_asks_for_a_certificate_of_the_client_gets_none(
    strange: Making, authority: Authority, name: str, version: ssl.TLSVersion
) -> None:
    """In TLS 1.3 it refuses when the connection stands already: to the second, too, that is opened for the request."""
    context = serving(authority, name)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(authority.pem))
    context.minimum_version = context.maximum_version = version
    gateway, site = strange(context)
    answer = curl(gateway, f"https://{name}/page", seconds=25)
    assert (answer.code, answer.status, site.asked) == (0, 502, 0), answer.error
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"]) == ("error", 502)


def weak(authority: Authority, name: str, folder: Path) -> Path:
    """A certificate with a key of 1024 bits, signed by an authority that is trusted."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(LONG_AGO.replace(tzinfo=datetime.UTC))
        .not_valid_after(FAR_AHEAD)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    file = folder / "weak.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_a_certificate_with_a_weak_key_proves_nothing(
    strange: Making, authority: Authority, name: str, tmp_path: Path
) -> None:
    """A key of 1024 bits can be factored; whoever did it is not the site."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(weak(authority, name, tmp_path))
    gateway, site = strange(context)
    answer = curl(gateway, f"https://{name}/page", seconds=25)
    assert (answer.code, answer.status, site.asked) == (0, 502, 0), answer.error


def test_a_site_that_speaks_only_old_tls_is_not_reached(strange: Making, authority: Authority, name: str) -> None:
    context = serving(authority, name)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    gateway, site = strange(context)
    answer = curl(gateway, f"https://{name}/page", seconds=25)
    assert (answer.code, answer.status, site.asked) == (0, 502, 0), answer.error


UPGRADES = ("h2c", "TLS/1.0", "raw-tunnel", "websocket, h2c", "WebSocket\t,h2c")


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_is_no_way_out(gateway: Gateway, origin: Origin, name: str, upgrade: str) -> None:
    """Whatever is asked for, what comes back is no tunnel of unknown bytes."""
    with Raw(gateway) as raw:
        fields = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n{fields}\r\n".encode())
        assert b" 101 " not in raw.read_head().split(b"\r\n")[0]
