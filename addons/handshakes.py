"""How a client's TLS handshake failed: what the host says about it in, the ending its row gets out.

That a device refused our certificate is said only of a device that was shown one. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from mitmproxy.tls import TlsData

from logstore.record import EndingKind

HALF = "half a ClientHello"
"""The client said no more, or nothing more came in time."""
HALFWAY = "half a handshake"
"""We showed our certificate, and the connection ended before the client had said a word about it."""
NONE = "not a ClientHello"
"""What began like TLS was none."""
EARLY = "left before the certificate"
"""The client closed its side with its first message, and can finish no handshake."""
UNABLE = "no certificate"
"""We could make none."""
LEFT = "disconnected during the handshake"
"""Part of the host's message."""


class Failure(NamedTuple):
    """An ending, and the word that goes with it."""

    kind: EndingKind
    error: str


def failure_of(data: TlsData, *, by_us: bool = False) -> Failure:
    """Which it was, by the host's message (mitmproxy 12.2.3) and by how far we had come; `by_us` when we have ended the
    connection, of which the host says that the client has."""
    said = data.conn.error or ""
    if data.ssl_conn is None:
        if said.startswith("Cannot parse ClientHello"):
            return Failure(EndingKind.REFUSED, NONE)
        return Failure(EndingKind.ABORTED, HALF) if LEFT in said else Failure(EndingKind.ERROR, UNABLE)
    if said == "connection closed early":
        return Failure(EndingKind.ABORTED, EARLY)
    if by_us and LEFT in said:
        return Failure(EndingKind.ABORTED, HALFWAY)
    return Failure(EndingKind.TLS_REFUSED, "tls")
