"""A certificate authority for the origins of one test session, made anew every time.

In: a host name. Out: a server-side TLS context with a certificate for it; hosts below `bad.example` get the broken
certificate their first label names (`expired`, `wrong-host`, `self-signed`, `unknown-ca`).
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FAR_AHEAD = datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC)
"""Certificates hold under any clock a test may set."""
BAD = ".bad.example"


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Laboratory"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """Signs for every host name asked for."""

    def __init__(self, folder: Path, common: str = "Laboratory origins") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = _name(common)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaf_key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(
            self.name,
            self.key.public_key(),
            (
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
                (
                    x509.KeyUsage(
                        digital_signature=True,
                        content_commitment=False,
                        key_encipherment=False,
                        data_encipherment=False,
                        key_agreement=False,
                        key_cert_sign=True,
                        crl_sign=True,
                        encipher_only=False,
                        decipher_only=False,
                    ),
                    True,
                ),
            ),
        )
        self.pem = folder / "authority.pem"
        """The file a client trusts."""
        self.pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.context = lru_cache(maxsize=4096)(self._context)
        """Server-side TLS context for a host name."""

    def _sign(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        extensions: tuple[tuple[x509.ExtensionType, bool], ...],
        *,
        until: datetime.datetime = FAR_AHEAD,
        issuer: x509.Name | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=issuer or self.name,
            subject_name=subject,
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=LONG_AGO,
            not_valid_after=until,
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(key or self.key, hashes.SHA256())

    def leaf(self, host: str) -> x509.Certificate:
        """The certificate a host shows; broken as its name says below `bad.example`."""
        kind = host.removesuffix(BAD) if host.endswith(BAD) else "good"
        shown = "somebody-else.example" if kind == "wrong-host" else host
        subject = _name(shown[:64])
        own = kind == "self-signed"
        return self._sign(
            subject,
            self.leaf_key.public_key(),
            (
                (x509.SubjectAlternativeName([_general_name(shown)]), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
            ),
            until=LONG_AGO + datetime.timedelta(days=30) if kind == "expired" else FAR_AHEAD,
            issuer=subject if own else None,
            key=self.leaf_key if own else ec.generate_private_key(ec.SECP256R1()) if kind == "unknown-ca" else None,
        )

    def chain(self, host: str) -> Path:
        """The file with the key, the certificate for `host` and the authority's."""
        file = self.folder / f"{hashlib.sha256(host.encode()).hexdigest()[:32]}.pem"
        if not file.exists():
            leaf = self.leaf(host).public_bytes(serialization.Encoding.PEM)
            made = file.with_suffix(f".{threading.get_ident()}")  # several threads may want it at once
            made.write_bytes(_pem(self.leaf_key) + leaf + self.pem.read_bytes())
            made.replace(file)
        return file

    def _context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain(host))
        context.set_alpn_protocols(["http/1.1"])
        return context


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
