"""One-time codes of an authenticator app (RFC 6238 over RFC 4226). Pure: secret, code and time in, yes or no out.

The rule: a code works once. Whoever checks one hands in the last step that was used and keeps the one that comes out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

STEP = 30
"""Seconds a code stands for."""
DIGITS = 6
DRIFT = 1
"""Steps a phone's clock may be off, either way."""


def new_secret() -> str:
    """A secret of 160 bits (RFC 4226, R6), as apps take it: Base32 without padding."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one step (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(at: datetime) -> int:
    """The step of a moment."""
    return int(at.timestamp()) // STEP


def check(secret: str, code: str, at: datetime, after: int) -> int | None:
    """The step a code stands for; None when it is none of now, or of no step later than `after`."""
    key = base64.b32decode(secret)
    typed = "".join(code.split()).encode("utf-8", "replace")
    now, found = step_of(at), None
    for step in range(now - DRIFT, now + DRIFT + 1):
        # Every step is compared, so that time tells nothing of which one it was.
        if hmac.compare_digest(code_at(key, step).encode(), typed) and step > after:
            found = step
    return found


def address(secret: str, account: str, issuer: str = "Schoolgate") -> str:
    """The `otpauth:` address an app takes."""
    query = urlencode({"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP})
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"
