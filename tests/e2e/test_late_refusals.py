"""A site that refuses the gateway when the connection stands already, as TLS 1.3 lets it: by an alert, then silence."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import curl
from tests.rig.gateway import Gateway

pytestmark = pytest.mark.e2e
RECORDS = 4
"""What the gateway sends behind its hello: change of cipher, no certificate, that it is done, and the request."""


class LateSite:
    """Wants a certificate, and looks at what it was given only when the request is there, too."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.refused = 0
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """No more clients."""
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with contextlib.suppress(OSError), plain:
                    self._refuse(plain)

    def _refuse(self, plain: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = self._context.wrap_bio(incoming, outgoing, server_side=True)
        while not outgoing.pending:
            incoming.write(_heard(plain))
            with contextlib.suppress(ssl.SSLWantReadError):
                secure.do_handshake()
        plain.sendall(outgoing.read())
        said = b""
        while _records(said) < RECORDS:
            said += _heard(plain)
        incoming.write(said)
        with contextlib.suppress(ssl.SSLError):
            secure.do_handshake()
        self.refused += 1
        plain.sendall(outgoing.read())


def _heard(plain: socket.socket) -> bytes:
    if data := plain.recv(65_536):
        return data
    raise ConnectionError("the gateway left")


def _records(data: bytes) -> int:
    """Whole TLS records at the beginning."""
    count = at = 0
    while at + 5 <= len(data) and (at := at + 5 + int.from_bytes(data[at + 3 : at + 5])) <= len(data):
        count += 1
    return count


def test_a_refusal_behind_the_request_is_answered_at_once(
    make_gateway: Callable[..., Gateway], authority: Authority, name: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain(name))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(authority.pem))
    site = LateSite(context)
    try:
        gateway = make_gateway(origin=site.address).start()
        answer = curl(gateway, f"https://{name}/page", seconds=25)
    finally:
        site.stop()
    assert (answer.code, answer.status) == (0, 502), answer.error
    assert site.refused
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["status"]) == ("error", 502)
