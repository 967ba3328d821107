"""The certificate devices trust, as each way of handing it out wants it: a certificate in, a file and one line out.

Pure. The line says where the file goes. Nothing here holds a key, and nothing differs between two calls, so that a
device management sees the same profile again and not another one.
"""

from __future__ import annotations

import base64
import json
import plistlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from proxy.ca import fingerprint_of

type Profile = Literal["windows", "intune", "google", "ios", "macos", "android", "firefox", "linux"]

FIREFOX_FILE = "schoolgate-ca.pem"
"""Name under which Firefox looks for the certificate that its policy names."""


@dataclass(frozen=True, slots=True)
class Handout:
    """A file for devices."""

    data: bytes
    """What stands in it."""
    todo: str
    """Where it goes, in a line."""


def handout(certificate: x509.Certificate, profile: Profile) -> Handout:
    """The certificate for one way of handing it out."""
    return _MAKERS[profile](certificate)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _title(certificate: x509.Certificate) -> str:
    parts = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(parts[0].value) if parts else "School internet filter"


def _windows(certificate: x509.Certificate) -> Handout:
    encoded = base64.b64encode(_der(certificate)).decode()
    lines = "\r\n".join(
        (
            f"# SHA-256 {fingerprint_of(certificate)}",
            "$ErrorActionPreference = 'Stop'",
            f"$bytes = [Convert]::FromBase64String('{encoded}')",
            "$certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new($bytes)",
            "$store = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')",
            "$store.Open('ReadWrite')",
            "$store.Add($certificate)",
            "$store.Close()",
            "",
        )
    )
    todo = "Run it as administrator, or as a computer start-up script of a group policy."
    return Handout(lines.encode("ascii"), todo)


def _apple(certificate: x509.Certificate) -> Handout:
    mark = uuid.uuid5(uuid.NAMESPACE_URL, f"schoolgate:{fingerprint_of(certificate)}")
    title = _title(certificate)
    inner: dict[str, Any] = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"schoolgate.ca.{mark}.root",
        "PayloadUUID": str(uuid.uuid5(mark, "root")).upper(),
        "PayloadDisplayName": title,
        "PayloadCertificateFileName": "schoolgate-ca.cer",
        "PayloadContent": _der(certificate),
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"schoolgate.ca.{mark}",
        "PayloadUUID": str(mark).upper(),
        "PayloadDisplayName": title,
        "PayloadDescription": f"Trusts the school's internet filter. SHA-256 {fingerprint_of(certificate)}",
        "PayloadContent": [inner],
    }
    todo = "Hand it out by device management; by hand, trust must be switched on in Settings afterwards."
    return Handout(plistlib.dumps(profile), todo)


def _firefox(certificate: x509.Certificate) -> Handout:
    policy = {"policies": {"Certificates": {"ImportEnterpriseRoots": True, "Install": [FIREFOX_FILE]}}}
    todo = (
        "It goes into Firefox's distribution folder (Linux: /etc/firefox/policies) as policies.json, "
        f"and the certificate as {FIREFOX_FILE} (--profile linux) into Mozilla's certificates folder."
    )
    return Handout(json.dumps(policy, indent=2).encode() + b"\n", todo)


_MAKERS: dict[Profile, Callable[[x509.Certificate], Handout]] = {
    "windows": _windows,
    "intune": lambda item: Handout(
        _der(item),
        "Intune: a trusted certificate profile; its store: Computer certificate store - Root.",
    ),
    "google": lambda item: Handout(
        _pem(item),
        "Google Admin: Devices > Networks > Certificates, as an authority for Chromebooks.",
    ),
    "ios": _apple,
    "macos": _apple,
    "android": lambda item: Handout(
        _der(item), "Device management: a CA certificate. Applications may still trust the system's CAs alone."
    ),
    "firefox": _firefox,
    "linux": lambda item: Handout(
        _pem(item), "It goes into /usr/local/share/ca-certificates; then update-ca-certificates."
    ),
}
PROFILES: tuple[Profile, ...] = tuple(_MAKERS)
"""Every way there is."""
