"""Secrets of the console: made here, and kept only as hashes. A secret out once; its hash for the database.

A cookie, link or token has 256 bits of chance, so that a plain SHA-256 of it can be looked for and never turned back.
A form's token is made from the cookie: who cannot read the cookie cannot make it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new() -> str:
    """A secret of 256 bits, as it may stand in a cookie or an address."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What the database keeps."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def form_token(cookie: str) -> str:
    """What every form of this browser carries."""
    return hmac.digest(cookie.encode("utf-8", "replace"), b"form of the console", "sha256").hex()


def form_is_ours(cookie: str, token: str) -> bool:
    """Whether a form was made for this browser."""
    return bool(cookie) and hmac.compare_digest(form_token(cookie).encode(), token.encode("utf-8", "replace"))
