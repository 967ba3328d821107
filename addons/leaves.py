"""Certificates that clients are shown: one for each set of names, made once, kept while it is used.

In comes a CA and names; out goes a TLS connection that shows a certificate for them. The CA's key only signs: leaves
have a key of their own that never touches a disk, made anew with the process. One TLS context serves all, so a client
resumes its session whatever else was forgotten; the certificate is put on each connection as OpenSSL's own object,
where the host writes it out and reads it in again every time.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy.certs import CERT_EXPIRY, CERT_VALIDITY_OFFSET, CertStore
from OpenSSL import SSL, crypto

KEPT = 4096
"""Certificates kept, about 3 kB each."""
RENEWED = 30 * 86_400.0
"""Seconds after which a kept certificate is made anew, long before it expires."""
COMMON_NAME_LIMIT = 64

openssl: Any = SSL._lib  # type: ignore[attr-defined]
"""OpenSSL's functions, as the host uses them."""

type Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate, ready to be shown."""

    certificate: x509.Certificate
    """As a value."""
    loaded: crypto.X509
    """As OpenSSL has it."""
    made: float
    """When (`clock` of `Leaves`)."""


def leaf_certificate(
    names: Sequence[str], authority: CertStore, key: ec.EllipticCurvePublicKey, *, at: datetime.datetime
) -> x509.Certificate:
    """A certificate for these host names and addresses, signed by the CA. Raises `ValueError` for what is no name."""
    ca = authority.default_ca.to_cryptography()
    common = names[0] if len(names[0]) < COMMON_NAME_LIMIT else None
    subject = [] if common is None else [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    builder = (
        x509.CertificateBuilder()
        .issuer_name(ca.subject)
        .subject_name(x509.Name(subject))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at + CERT_VALIDITY_OFFSET)
        .not_valid_after(at + CERT_VALIDITY_OFFSET + CERT_EXPIRY)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # RFC 5280 §4.2.1.6: the names are critical where the subject is empty
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=common is None)
        .add_extension(_issuer_key(ca), critical=False)
    )
    return builder.sign(authority.default_privatekey, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _issuer_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The CA's key, named as the CA names it (RFC 5280 §4.2.1.1)."""
    try:
        named = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key: Any = ca.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(named)


class Leaves:
    """The certificates of one CA, and the TLS context that shows them."""

    def __init__(
        self,
        authority: CertStore,
        context: SSL.Context,
        *,
        kept: int = KEPT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`context` is the gateway's own: its key is set here. `clock` gives seconds since the Unix epoch."""
        self._authority = authority
        self._context = context
        self._most = kept
        self._clock = clock
        self._kept: OrderedDict[Names, Leaf] = OrderedDict()
        key = ec.generate_private_key(ec.SECP256R1())
        self._public = key.public_key()
        context.use_privatekey(key)

    def __len__(self) -> int:
        return len(self._kept)

    def leaf(self, names: Names) -> Leaf:
        """The certificate for these names. Raises `ValueError` for what is no name."""
        found, now = self._kept.get(names), self._clock()
        if found is not None and 0 <= now - found.made < RENEWED:
            self._kept.move_to_end(names)
            return found
        at = datetime.datetime.fromtimestamp(now, datetime.UTC)
        certificate = leaf_certificate(names, self._authority, self._public, at=at)
        made = self._kept[names] = Leaf(certificate, crypto.X509.from_cryptography(certificate), now)
        self._kept.move_to_end(names)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made

    def connection(self, names: Names) -> SSL.Connection:
        """A TLS connection, in memory, that shows the certificate for these names."""
        leaf = self.leaf(names)
        connection = SSL.Connection(self._context)
        # `use_certificate` with OpenSSL's object works, and warns at every connection that it will not for ever.
        SSL._openssl_assert(openssl.SSL_use_certificate(connection._ssl, leaf.loaded._x509) == 1)
        return connection
