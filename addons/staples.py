"""What an origin staples to its certificate: the word of its CA on whether it was revoked (RFC 6066 §8, RFC 6960).

In: the stapled bytes and the number of the certificate. Out: whether they say that it was revoked. Pure; never raises.

The answer's signature and dates are not looked at. Only whoever holds the connection to the origin can put something
here: "good" from them changes nothing, "revoked" closes what they could have cut anyway, and revoked stays revoked.
"""

from __future__ import annotations

from cryptography.x509 import ocsp
from OpenSSL import SSL

REVOKED = "The certificate of this site is revoked, says its own CA"
"""What is told of such a site."""

_REFUSED = "invalid status response"
"""OpenSSL's words for a handshake that `accepts` has ended."""


def is_revoked(stapled: bytes, serial: int) -> bool:
    """Whether the answer says that the certificate of this number was revoked. What cannot be read says nothing."""
    try:
        answer = ocsp.load_der_ocsp_response(stapled)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return False
        return any(
            one.serial_number == serial and one.certificate_status is ocsp.OCSPCertStatus.REVOKED
            for one in answer.responses
        )
    except Exception:  # whatever a parser of foreign bytes raises: from a callback it would leave the handshake hanging
        return False


def accepts(made: SSL.Connection, stapled: bytes, _: object = None) -> bool:
    """OpenSSL's question in the middle of an origin's handshake; without a yes it ends."""
    if not stapled:
        return True
    shown = made.get_peer_certificate()
    return shown is None or not is_revoked(stapled, shown.get_serial_number())


def in_words(trouble: str | None) -> str | None:
    """What is told of a handshake that failed."""
    return REVOKED if trouble is not None and _REFUSED in trouble else trouble
