"""A list maker's key and pen: signs as minisign does."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _number(key: Ed25519PrivateKey) -> bytes:
    return hashlib.sha256(key.public_key().public_bytes_raw()).digest()[:8]


def public_key(key: Ed25519PrivateKey) -> str:
    """The line that is published."""
    return base64.b64encode(b"Ed" + _number(key) + key.public_key().public_bytes_raw()).decode()


def sign(key: Ed25519PrivateKey, data: bytes, *, comment: str = "games of today", hashed: bool = True) -> bytes:
    """The signature file of `data`."""
    kind, signed = (b"ED", hashlib.blake2b(data).digest()) if hashed else (b"Ed", data)
    signature = key.sign(signed)
    whole = key.sign(signature + comment.encode())
    lines = (
        "untrusted comment: signature of a list",
        base64.b64encode(kind + _number(key) + signature).decode(),
        f"trusted comment: {comment}",
        base64.b64encode(whole).decode(),
    )
    return "".join(f"{line}\n" for line in lines).encode()
