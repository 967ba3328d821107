"""What the certificate page hands out: the CA's folder in, a file for each kind of device out.

People do this by hand, so the files are the ones a device opens by itself; device management wants others
(`proxy.caprofiles`). Read anew when asked: a next CA may be laid beside the one in force at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cryptography import x509

from addons.handout import Certificate, Device, Handout
from categories.hosts import canonical_host
from proxy.ca import CERT_FILE, fingerprint_of, trusted_certificate
from proxy.caprofiles import Profile, handout

_KINDS: dict[str, tuple[Profile, str, str, str, str]] = {
    "windows": (
        "intune",
        "Windows",
        "Open the file, choose Install certificate, then Local machine, then the store Trusted root certification "
        "authorities.",
        "schoolgate-ca.cer",
        "application/x-x509-ca-cert",
    ),
    "apple": (
        "ios",
        "iPhone, iPad, Mac",
        "Allow the profile, then install it in Settings. On iPhone and iPad go on in Settings: General, About, "
        "Certificate trust settings, and switch it on.",
        "schoolgate-ca.mobileconfig",
        "application/x-apple-aspen-config",
    ),
    "android": (
        "android",
        "Android",
        "In Settings look for CA certificate (Security, Encryption and credentials), choose Install anyway and this "
        "file. Applications may still not trust it.",
        "schoolgate-ca.crt",
        "application/x-x509-ca-cert",
    ),
    "chromebook": (
        "google",
        "Chromebook",
        "In Settings: Privacy and security, Security, Manage certificates, Authorities, Import. Tick that it may "
        "identify websites.",
        "schoolgate-ca-chromebook.pem",
        "application/x-pem-file",
    ),
    "linux": (
        "linux",
        "Linux and Firefox",
        "Linux: save it as a .crt file in /usr/local/share/ca-certificates and run update-ca-certificates. Firefox: "
        "Settings, Certificates, View certificates, Authorities, Import.",
        "schoolgate-ca.pem",
        "application/x-pem-file",
    ),
}


def handed_out(folder: Path, host: str) -> Handout:
    """The page at `host` for the CA in `folder`; no page for an empty name. Raises `NameProblem`."""
    return Handout(canonical_host(host), partial(_certificates, folder)) if host else Handout()


def _certificates(folder: Path) -> Mapping[str, Certificate]:
    """The one in force, and the next one while one waits. Raises `CaError`."""
    found = {"": _made(trusted_certificate(folder))}
    if (folder / "next" / CERT_FILE).exists():
        found["next"] = _made(trusted_certificate(folder / "next"))
    return found


def _made(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        fingerprint_of(certificate),
        certificate.not_valid_after_utc,
        {
            kind: Device(title, steps, file, media, handout(certificate, profile).data)
            for kind, (profile, title, steps, file, media) in _KINDS.items()
        },
    )
