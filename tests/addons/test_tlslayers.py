"""What is said in one turn leaves together, and nothing is lost, whatever its size or the way it arrives."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test.tflow import tclient_conn
from OpenSSL import SSL

from addons.tlslayers import Sealed, SealingLayer
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl, trusting
from tests.rig.origin import Origin


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """What was sealed: whose, and how many pieces at once."""
    seen: list[tuple[str, int]] = []
    seal = SealingLayer.seal

    def watched(self: SealingLayer) -> bytes:
        if self._kept:
            seen.append((type(self).__name__, len(self._kept)))
        return seal(self)

    monkeypatch.setattr(SealingLayer, "seal", watched)
    yield seen


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running


def test_head_and_body_of_an_answer_leave_in_one_record(host: Host, name: str, sealed: list[Any]) -> None:
    """A blocked page has both at once; a page from the origin when it came so."""
    answer = curl(host, "https://games.schoolgate.test/")
    assert answer.status == 403
    assert "</html>" in answer.text
    assert ("GatewayClientTls", 2) in sealed


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 1_000_000])
def test_bodies_of_every_size_come_whole(host: Host, name: str, size: int) -> None:
    """Around the size of a record, and far more than one."""
    answer = curl(host, f"https://{name}/large?bytes={size}")
    assert answer.status == 200
    assert len(answer.body) == size


def test_what_is_no_tls_after_the_handshake_ends_the_connection(host: Host, name: str) -> None:
    """It would be kept for ever: a gigabyte of it, from one tablet."""
    context = trusting(host)  # type: ignore[arg-type]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.send(outgoing.read())
                incoming.write(raw.socket.recv(65536))
        raw.send(outgoing.read())
        sent = 0
        with pytest.raises(OSError):
            while sent < 64 << 20:
                raw.socket.sendall(b"x" * 65536)
                sent += 65536
    assert sent < 32 << 20


def test_a_client_that_says_goodbye_is_heard(host: Host, name: str) -> None:
    """close_notify after an answer (RFC 8446 §6.1) ends the connection; nothing hangs."""
    context = trusting(host)  # type: ignore[arg-type]
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        secure = context.wrap_socket(raw.socket, server_hostname=name, suppress_ragged_eofs=True)
        secure.sendall(f"GET /page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert secure.recv(12) == b"HTTP/1.1 200"
        secure.settimeout(5)
        try:
            secure.unwrap()
        except (ssl.SSLError, OSError) as error:
            assert not isinstance(error, TimeoutError)


@pytest.fixture
def both(authority: Authority) -> tuple[SealingLayer, SealingLayer]:
    """The two ends of a connection that has been agreed on, with no socket between them."""
    own = SSL.Context(SSL.TLS_METHOD)
    own.use_certificate(authority.leaf("school.example"))
    own.use_privatekey(authority.leaf_key)
    ends = []
    for place, client in ((SSL.Context(SSL.TLS_METHOD), True), (own, False)):
        made = SealingLayer(Context(tclient_conn(), Options()), tclient_conn())
        made.tls = SSL.Connection(place)
        (made.tls.set_connect_state if client else made.tls.set_accept_state)()
        ends.append(made)
    one, other = ends
    for _ in range(3):
        for said, heard in ((one, other), (other, one)):
            with contextlib.suppress(SSL.WantReadError):
                said.tls.do_handshake()
            if flight := said.seal():
                heard.tls.bio_write(flight)
    assert one.opened(b"").plain == other.opened(b"").plain == b""
    return one, other


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 17_407, 17_408, 32_769])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_is_sealed_is_what_is_opened(both: tuple[SealingLayer, SealingLayer], size: int, kind: type) -> None:
    """Whatever its size and the kind of its bytes, alone and behind others, in both directions."""
    said = bytes(place * 31 % 251 for place in range(size))
    for one, other in (both, both[::-1]):
        for before in ([], [b"head"]):
            for piece in (*before, kind(said)):
                one.keep(piece)
            heard = other.opened(one.seal())
            assert (heard.plain, heard.closed, heard.trouble) == (b"".join(before) + said, False, None)


def test_what_openssl_has_to_say_by_itself_leaves_once(both: tuple[SealingLayer, SealingLayer]) -> None:
    """Here its goodbye: no command without one, and no second while one is on its way."""
    one, other = both
    assert list(one.tls_interact()) == []
    one.tls.shutdown()
    (command,) = one.tls_interact()
    assert isinstance(command, Sealed)
    assert list(one.tls_interact()) == []
    assert other.opened(command.data).closed
    assert list(one.tls_interact()) == []


def test_looking_at_a_command_takes_nothing_from_it() -> None:
    """A log line must not swallow bytes."""
    taken: list[int] = []

    class Sealer:
        def seal(self) -> bytes:
            taken.append(1)
            return b""

    assert "Sealed" in repr(Sealed("somebody", Sealer()))  # type: ignore[arg-type]
    assert not taken
