"""The door objects of `identity/`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What we were told about who is asking. None of it is believed yet."""

    address: str
    """Client IP address as the socket says it."""
    authorization: str | None = None
    """Value of `Proxy-Authorization`, when the client sent one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the evidence proves."""

    address: str
    """Client IP address, canonical text (IPv4-mapped IPv6 unwrapped)."""
    site: str | None = None
    """Site the address belongs to."""
    device: str | None = None
    """Device name for the address."""
    user: str | None = None
    """Account name."""
    groups: frozenset[str] = frozenset()
    """Groups of user, device and address together."""
    band: str | None = None
    """Age band name; None when unknown."""
    source: str = "none"
    """How the user was found out: `basic`, `address` or `none`."""
    verified: bool = False
    """True only when the user proved it."""
    shared: bool = False
    """True for a class login or a shared machine."""
    refused: str | None = None
    """Why this person may not browse now (`disabled`, `suspended`, `consent`, `sign-in`); None when they may."""
    refused_until: datetime | None = None
    """When the refusal ends by itself (a suspension, B-65); None when it does not."""
