"""What a flow asks for, in our words. Pure but for reading the flow.

In comes a flow and what is known of its connection; out comes the canonical URL, everything else the request claims to
be, and circumvention signals. The strictest of the claims decides (design §5.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mitmproxy.http import HTTPFlow
from mitmproxy.http import Request as HttpRequest

from addons.flownotes import ConnectionNotes
from categories.names import NameProblem, Url, canonical_host, make_url
from policy.model import Signal

DNS_MESSAGE = "application/dns-"
"""Media types of DNS over HTTPS: `dns-message` (RFC 8484 §6) and `dns-json`."""


class Unreadable(ValueError):
    """The request names no destination we can write down. The message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    url: Url
    """Destination and path."""
    claims: tuple[Url, ...]
    """Other names it goes by."""
    signals: frozenset[Signal]
    """What smells of circumvention."""


@lru_cache(maxsize=8192)
def _host(text: str) -> str:
    return canonical_host(text)


def read_connect(flow: HTTPFlow) -> Url:
    """What a CONNECT asks for. Raises `Unreadable`. Rewrites the flow's destination to the canonical host."""
    data = flow.request.data
    try:
        host = _host(data.host)
        url = make_url("https", host, data.port, "/")
    except NameProblem as problem:
        raise Unreadable(str(problem)) from problem
    data.host = host
    return url


def read_request(flow: HTTPFlow, connection: ConnectionNotes) -> Asked:
    """What a request asks for. Raises `Unreadable`. Rewrites the flow's destination to the canonical host."""
    request = flow.request
    data = request.data
    target = data.path.decode("utf-8", "surrogateescape")
    try:
        host = _host(data.host)
        url = make_url(request.scheme, host, data.port, target)
        claims = tuple(_claims(request, url, connection))
    except NameProblem as problem:
        raise Unreadable(str(problem)) from problem
    data.host = host
    signals = set(connection.signals)
    if url.is_address:
        signals.add(Signal.IP_LITERAL)
    if any(DNS_MESSAGE in request.headers.get(name, "").lower() for name in ("content-type", "accept")):
        signals.add(Signal.DOH)
    return Asked(url, claims, frozenset(signals))


def _claims(request: HttpRequest, url: Url, connection: ConnectionNotes) -> list[Url]:
    """Every other name the request goes by: Host header (each of them), :authority, CONNECT, SNI."""
    claims: list[Url] = []
    texts = [value for name, value in request.headers.fields if name.lower() == b"host"]
    if len(texts) > 1:
        raise NameProblem("several Host headers")
    authority = request.data.authority
    if authority:
        texts.append(authority)
    for text in texts:
        other = _authority_host(text)
        if other and other != url.host:
            claims.append(make_url(url.scheme, other, url.port, url.path + (f"?{url.query}" if url.query else "")))
    for known in (connection.connect, connection.sni):
        if known is not None and known.host != url.host:
            claims.append(known)
    return claims


def _authority_host(text: bytes) -> str:
    """The canonical host of a Host header value; empty when it has none. Raises NameProblem."""
    decoded = text.decode("utf-8", "surrogateescape").strip()
    if not decoded:
        return ""
    if "@" in decoded or "," in decoded:  # RFC 9110 §7.2: one host, no user; programs differ in what they make of it
        raise NameProblem("a Host header that is more than one host")
    host, colon, port = decoded.rpartition(":")
    if colon and (port.isdecimal() or not port) and (":" not in host or host.endswith("]")):
        decoded = host
    return _host(decoded)


def looks_like_page(request: HttpRequest) -> bool:
    """True when a person opened this, as far as the request tells (Fetch metadata first, then Accept)."""
    headers = request.headers
    destination = headers.get("sec-fetch-dest")
    if destination is not None:
        return destination in ("document", "iframe") and headers.get("sec-fetch-mode", "navigate") == "navigate"
    return request.method in ("GET", "POST") and "text/html" in headers.get("accept", "")
