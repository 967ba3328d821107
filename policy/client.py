"""The resolved who. Built by the host's translator from what `identity/` found out; a rule asks only this object."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Band(enum.StrEnum):
    """Age band, youngest first. The order is the order of strictness for pupils."""

    __hash__ = str.__hash__  # an enum's own is Python code, and every request looks its table up by band

    EYFS = "eyfs"
    KS1 = "ks1"
    KS2 = "ks2"
    KS3 = "ks3"
    KS4 = "ks4"
    KS5 = "ks5"
    STAFF = "staff"
    GUEST = "guest"


STRICTEST_BAND = Band.EYFS
"""What an unknown client gets: never 'no policy'."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who is asking, from which machine, and how sure we are."""

    site: str | None = None
    """Site name; None when the address belongs to no known site."""
    device: str | None = None
    """Device name from the registry; None when unknown."""
    address: str = ""
    """Client IP address, canonical text."""
    user: str | None = None
    """Account name; None when nobody signed in."""
    groups: frozenset[str] = frozenset()
    """Names of the groups the user, device and address belong to."""
    band: Band = STRICTEST_BAND
    """Age band that decides; the strictest one when unknown."""
    band_known: bool = False
    """False when `band` is only the fallback for the unknown."""
    source: str = "none"
    """How the user was found out: `basic`, `address`, `none`, …"""
    verified: bool = False
    """True only when the user proved it (password, ticket). An address never verifies a person."""
    shared: bool = False
    """True for a class login or shared machine: the row may stand for several people."""


UNKNOWN = Client()
"""The client we know nothing about: strictest band, no site."""
