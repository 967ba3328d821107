"""One way to write a host or a URL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Url:
    """A canonical URL. Two spellings of the same thing give equal objects."""

    scheme: str
    """`http`, `https`, `ws`, `wss`, lower case; `https` for a CONNECT to 443."""
    host: str
    """Lower case, IDNA ASCII form, no trailing dot; an IP literal in its shortest standard form, no brackets."""
    port: int
    """Explicit or the scheme's default."""
    path: str = "/"
    """Percent-decoded where that is safe, dot segments removed, empty is `/`."""
    query: str = ""
    """Query without `?`, as it came."""
    domain: str = ""
    """Registrable domain; empty for an IP literal, a bare suffix or a single label."""
    is_address: bool = False
    """True when the host is an IP literal."""
