"""What a CA of the laboratory says of its certificates, and a site that staples it.

In: an authority, a certificate, what is to be said. Out: the bytes of an OCSP answer; a TLS server that hands them out.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from OpenSSL import SSL

from tests.rig.certificates import Authority

SAID_AT = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
WORDS = {
    "good": ocsp.OCSPCertStatus.GOOD,
    "unknown": ocsp.OCSPCertStatus.UNKNOWN,
    "revoked": ocsp.OCSPCertStatus.REVOKED,
}


def answer(authority: Authority, certificate: x509.Certificate, word: str) -> bytes:
    """An answer that says `word` of the certificate."""
    revoked = word == "revoked"
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate, issuer=authority.certificate, algorithm=hashes.SHA256(),
            cert_status=WORDS[word], this_update=SAID_AT, next_update=None,
            revocation_time=SAID_AT if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )  # fmt: skip


class StaplingSite:
    """One host's TLS server, with these bytes stapled to its certificate; it answers every request alike."""

    def __init__(self, authority: Authority, host: str, stapled: bytes, version: int) -> None:
        self.asked = 0
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(version)
        self._context.set_max_proto_version(version)
        self._context.use_certificate_chain_file(str(authority.chain(host)))
        self._context.use_privatekey_file(str(authority.chain(host)))
        self._context.set_ocsp_server_callback(lambda _connection, _data: stapled)
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
                with contextlib.suppress(SSL.Error), plain:
                    self._answer(SSL.Connection(self._context, plain))

    def _answer(self, secure: SSL.Connection) -> None:
        secure.set_accept_state()
        self.asked += bool(secure.recv(4000))
        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\norigin content")
        secure.shutdown()
