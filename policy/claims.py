"""Everything one request claims to be: CONNECT, SNI, Host and URL may each name something else.

In comes a request; out come the claims that say something else than its URL does, and whether they belong to different
owners. The strictest of what a request claims to be decides (design §5.6). Pure.
"""

from __future__ import annotations

from urllib.parse import unquote

from categories.names import Url
from policy.model import Request, Signal


def others(request: Request) -> tuple[Url, ...]:
    """Claims that say something else than the URL does: not the URL again, and not just its own host."""
    url = request.url
    host = url.host
    others: list[Url] = []
    for claim in request.claims:
        if claim.host == host and (claim is url or (claim.path == "/" and not claim.query) or claim == url):
            continue
        if claim not in others:
            others.append(claim)
    return tuple(others)


def mismatched(request: Request, others: tuple[Url, ...]) -> bool:
    """Whether the names on one request belong to different owners.

    A wrapped inner URL names another host by nature: it is no mismatch when the outer URL spells it out.
    """
    url = request.url
    spelled = ""
    if Signal.WRAPPED_URL in request.signals:
        spelled = unquote(f"{url.path}?{url.query}").lower()
    return any(
        other.host != url.host
        and (other.domain or other.host) != (url.domain or url.host)
        and other.host not in spelled
        for other in others
    )
