"""Which authorities origins are believed by: the public ones (certifi) and the school's own.

Never the distribution's bundle: it still holds roots that are no longer trusted (reference `mitmproxy.md` §5.7).
"""

from __future__ import annotations

import os
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.settings import Settings


class TrustError(Exception):
    """A PEM file of the settings cannot be used."""


def upstream_trust(settings: Settings, folder: Path) -> Path:
    """One PEM file of every trusted authority. Raises `TrustError` naming the file that is not good."""
    public = Path(certifi.where())
    if not settings.proxy.upstream_trust and not settings.proxy.upstream_distrust:
        return public
    parts = [public.read_bytes()]
    if settings.proxy.upstream_distrust:
        parts = _believed(settings, x509.load_pem_x509_certificates(parts[0]))
    parts += check_trust(settings)
    target = folder / "upstream-trust.pem"
    fresh = target.with_suffix(f".{os.getpid()}.new")
    fresh.write_bytes(b"\n".join(parts))
    fresh.replace(target)
    return target


def check_trust(settings: Settings) -> list[bytes]:
    """The certificates of the settings' PEM files, and nothing else of them. Raises `TrustError` naming every bad file.

    A private key that lies in such a file by mistake is not copied.
    """
    parts: list[bytes] = []
    bad: list[str] = []
    for file in settings.proxy.upstream_trust:
        try:
            found = x509.load_pem_x509_certificates(file.read_bytes())
        except OSError as error:
            bad.append(f"proxy.upstream_trust: {file}: {error.strerror or error}")
        except ValueError:
            bad.append(f"proxy.upstream_trust: {file}: holds no certificate; a PEM file of CA certificates is wanted")
        else:
            parts += _believed(settings, found)
    if bad:
        raise TrustError("\n".join(bad))
    return parts


def _believed(settings: Settings, found: list[x509.Certificate]) -> list[bytes]:
    """Those that are not distrusted, as PEM."""
    gone = {fingerprint.replace(":", "").lower() for fingerprint in settings.proxy.upstream_distrust}
    return [item.public_bytes(Encoding.PEM) for item in found if item.fingerprint(SHA256()).hex() not in gone]
