"""Tunnels that are passed through: every byte both ways, counted, bounded, and ended when the school changes its mind.

Shows: `addons.relaying`.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.rig.clients import Raw
from tests.rig.gateway import POLICY, TEACHER, Gateway
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e

PIECE = bytes(range(256)) * 1024
MEGABYTES = 48


def hello(name: str) -> bytes:
    """A real ClientHello for `name`."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


class Opaque:
    """An origin of bytes: reads a ClientHello, then does with the socket what it is told."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self._serve = serve
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            head = connection.recv(5, socket.MSG_WAITALL)
            connection.recv(struct.unpack(">H", head[3:5])[0], socket.MSG_WAITALL)
            self._serve(connection)


@pytest.fixture
def opaque() -> Iterator[Callable[[Callable[[socket.socket], None]], Opaque]]:
    """Make origins of bytes."""
    made: list[Opaque] = []

    def make(serve: Callable[[socket.socket], None]) -> Opaque:
        made.append(Opaque(serve))
        return made[-1]

    yield make
    for origin in made:
        origin.listener.close()


def open_tunnel(gateway: Gateway, host: str = "big.bank.example") -> Raw:
    """A tunnel that is not decrypted, its ClientHello sent."""
    raw = Raw(gateway, source=TEACHER, timeout=30)
    assert raw.tunnel(f"{host}:443") == 200
    raw.send(hello(host))
    return raw


def take(raw: Raw, count: int) -> bytes:
    """The next `count` bytes."""
    parts = []
    while count and (data := raw.socket.recv(min(count, 1 << 20))):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def test_a_large_transfer_arrives_whole_both_ways_and_is_counted(
    make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque]
) -> None:
    """What the client sends and gets has the digest it should have; the row has the bytes."""
    got: list[str] = []

    def serve(connection: socket.socket) -> None:
        def swallow() -> None:
            digest = hashlib.sha256()
            while data := connection.recv(1 << 20):
                digest.update(data)
            got.append(digest.hexdigest())

        reading = threading.Thread(target=swallow)
        reading.start()
        for _ in range(MEGABYTES * 4):
            connection.sendall(PIECE)
        connection.shutdown(socket.SHUT_WR)
        reading.join(60)

    expected = hashlib.sha256(PIECE * MEGABYTES * 4).hexdigest()
    gateway = make_gateway(origin=opaque(serve).address).start()
    with open_tunnel(gateway) as raw:
        sending = threading.Thread(target=raw.send, args=(PIECE * (MEGABYTES * 4),))
        sending.start()
        digest, size = hashlib.sha256(), 0
        while data := raw.socket.recv(1 << 20):
            digest.update(data)
            size += len(data)
        sending.join(60)
        raw.socket.shutdown(socket.SHUT_WR)
        wait_for(lambda: got, "the origin to have everything")
    assert (size, digest.hexdigest(), got) == (MEGABYTES << 20, expected, [expected])
    (row,) = gateway.wait_for_rows(1, host="big.bank.example")
    assert (row["ending"], row["bytes_down"]) == ("bypassed", MEGABYTES << 20)
    assert row["bytes_up"] == (MEGABYTES << 20) + len(hello("big.bank.example"))
    assert gateway.stop() == 0


def test_readers_that_stand_still_do_not_fill_the_gateways_memory(
    make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque]
) -> None:
    """Thirty pupils pause thirty films: each holds a bounded piece, and the next one still plays."""

    def serve(connection: socket.socket) -> None:
        for _ in range(400):
            connection.sendall(PIECE)

    gateway = make_gateway(origin=opaque(serve).address).start()
    worker = psutil.Process(gateway.pids("worker")[0])
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(open_tunnel(gateway))
        assert take(first, 10) == PIECE[:10]
        before = worker.memory_info().rss
        stalled = [stack.enter_context(open_tunnel(gateway, f"film-{n}.bank.example")) for n in range(30)]
        for raw in stalled:
            assert take(raw, 10) == PIECE[:10]
        assert worker.memory_info().rss - before < 30 * 1024 * 1024, "more than 1 MB for each reader that stands still"
        playing = stack.enter_context(open_tunnel(gateway, "next.bank.example"))
        assert len(take(playing, 20 << 20)) == 20 << 20
    assert len(gateway.wait_for_rows(32, ending="bypassed", seconds=30)) == 32


def test_a_film_that_plays_ends_when_the_school_closes_the_site(
    make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque]
) -> None:
    """Design 5.12: a reload takes effect on tunnels that are open, also on one that is full."""

    def serve(connection: socket.socket) -> None:
        while True:
            connection.sendall(PIECE)

    gateway = make_gateway(origin=opaque(serve).address).start()
    with open_tunnel(gateway) as playing, open_tunnel(gateway) as paused:
        assert len(take(playing, 1 << 20)) == 1 << 20
        assert paused.socket.recv(1)
        policy = gateway.folder / "policy.yaml"
        policy.write_text(POLICY.read_text().replace("action: bypass", "action: block"))
        assert gateway.command("reload").returncode == 0
        assert len(playing.read_all()) < 1 << 30
        rows = gateway.wait_for_rows(2, host="big.bank.example", ending="bypassed")
        assert all(row["bytes_down"] > 0 for row in rows)


def test_a_bank_that_is_down_leaves_a_row_that_says_so(make_gateway: Callable[..., Gateway]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gateway = make_gateway(origin=f"127.0.0.1:{nobody.getsockname()[1]}").start()
        with open_tunnel(gateway) as raw:
            assert raw.read_all() == b""
        (row,) = gateway.wait_for_rows(1, host="big.bank.example")
        assert (row["ending"], row["error"], row["bytes_down"]) == ("error", "refused", 0)


def test_a_killed_origin_ends_the_tunnel(make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque]) -> None:
    """A reset from the origin reaches the client as an end, within a moment."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"x" * 1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    own = make_gateway(origin=opaque(serve).address).start()
    with open_tunnel(own) as raw:
        assert len(raw.read_all()) <= 1000
    own.wait_for_rows(1, host="big.bank.example", ending="bypassed")


@pytest.mark.parametrize("first", [False, True], ids=["with the ClientHello", "once the origin is reached"])
def test_a_client_that_has_said_all_gets_its_whole_answer(
    make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque], first: bool
) -> None:
    """FIN in the same packet, before the origin is reached: what it is answered with comes all the same."""
    heard: list[bytes] = []
    reached = threading.Event()

    def serve(connection: socket.socket) -> None:
        reached.set()
        heard.append(connection.recv(10))  # the end of what the client says
        for _ in range(12):
            connection.sendall(PIECE)

    own = make_gateway(origin=opaque(serve).address).start()
    for number in range(3):
        with open_tunnel(own, f"{number}.bank.example") as raw:
            assert not first or reached.wait(20)
            reached.clear()
            raw.socket.shutdown(socket.SHUT_WR)
            assert len(raw.read_all()) == 12 * len(PIECE)
        (row,) = own.wait_for_rows(1, host=f"{number}.bank.example", ending="bypassed")
        assert (row["bytes_down"], row["error"]) == (12 * len(PIECE), None)
    assert heard == [b""] * 3


def test_a_client_that_has_said_all_and_is_gone_is_noticed(
    make_gateway: Callable[..., Gateway], opaque: Callable[..., Opaque]
) -> None:
    """Nobody reads a film for a client that closed its side and then fell over."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(PIECE)
        except OSError:
            ended.set()

    own = make_gateway(origin=opaque(serve).address).start()
    with open_tunnel(own) as raw:
        raw.socket.shutdown(socket.SHUT_WR)
        assert take(raw, 1 << 20) == (PIECE * 4)[: 1 << 20]
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ended.wait(20), "the origin still sends"
    own.wait_for_rows(1, host="big.bank.example", ending="bypassed")
