"""Which authorities origins are believed by: the public ones (certifi) and the school's own.

Never the distribution's bundle: it still holds roots that are no longer trusted (reference `mitmproxy.md` §5.7).
"""

from __future__ import annotations

import os
from pathlib import Path

import certifi
from cryptography import x509

from proxy.settings import Settings


class TrustError(Exception):
    """A PEM file of the settings cannot be used."""


def upstream_trust(settings: Settings, folder: Path) -> Path:
    """One PEM file of every trusted authority. Raises `TrustError` naming the file that is not good."""
    public = Path(certifi.where())
    if not settings.proxy.upstream_trust:
        return public
    parts = [public.read_bytes()]
    for file in settings.proxy.upstream_trust:
        try:
            pem = file.read_bytes()
            x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError) as error:
            raise TrustError(
                f"proxy.upstream_trust: {file}: {error}; a PEM file of CA certificates is wanted"
            ) from error
        parts.append(pem)
    target = folder / "upstream-trust.pem"
    fresh = target.with_suffix(f".{os.getpid()}.new")
    fresh.write_bytes(b"\n".join(parts))
    fresh.replace(target)
    return target
