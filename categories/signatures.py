"""Detached signatures of lists, in minisign's format: a file, its signature and a public key in; yes, or why not, out.

The key is decided by a person and kept with the source; the signature comes with the list and is believed in nothing
but what the key signed. Ed25519 over the file itself (`Ed`) or over its BLAKE2b-512 (`ED`), and over the trusted
comment. Pure but for reading the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SUFFIX = ".minisig"
"""How minisign calls the signature of a file."""
_KEY_BYTES = 42
_SIGNATURE_BYTES = 74
_WHOLE, _HASHED = b"Ed", b"ED"
_COMMENT = "trusted comment: "


class SignatureProblem(Exception):
    """A signature or key that is not good: why, in words."""


@dataclass(frozen=True, slots=True)
class ListKey:
    """A public key."""

    number: bytes
    """Its eight octets of name; a signature says which key made it."""
    key: Ed25519PublicKey
    """The key."""


def read_key(text: str) -> ListKey:
    """A public key as minisign writes it: its second line, or the whole file. Raises `SignatureProblem`."""
    lines = [line.strip() for line in text.strip().splitlines()]
    raw = _decoded(lines[-1] if lines else "", "key")
    if len(raw) != _KEY_BYTES or raw[:2] != _WHOLE:
        raise SignatureProblem("this is no public key of minisign's; it begins with RW and has 56 characters")
    return ListKey(raw[2:10], Ed25519PublicKey.from_public_bytes(raw[10:]))


def check_signature(file: Path, signature: str, key: ListKey) -> str:
    """Whether `key` signed this file as it is; the trusted comment. Raises `SignatureProblem` or `OSError`."""
    lines = signature.replace("\r\n", "\n").split("\n")
    if len(lines) < 4 or not lines[2].startswith(_COMMENT):
        raise SignatureProblem("the signature is none of minisign's: it has four lines")
    raw, comment = _decoded(lines[1], "signature"), lines[2].removeprefix(_COMMENT)
    if len(raw) != _SIGNATURE_BYTES or raw[:2] not in {_WHOLE, _HASHED}:
        raise SignatureProblem("the signature is none of minisign's: its second line is of another kind")
    if raw[2:10] != key.number:
        wanted, made = key.number[::-1].hex().upper(), raw[2:10][::-1].hex().upper()
        raise SignatureProblem(f"the signature was made by key {made}; {wanted} is the one that counts")
    signed = _hashed(file) if raw[:2] == _HASHED else file.read_bytes()
    try:
        key.key.verify(raw[10:], signed)
        key.key.verify(_decoded(lines[3], "signature"), raw[10:] + comment.encode())
    except InvalidSignature:
        raise SignatureProblem("the signature is not of this file: one of them was changed") from None
    return comment


def _hashed(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=64)).digest()


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureProblem(f"the {what} is no base64") from None
