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
from addons.headers import raw_values
from categories.names import NameProblem, Url, canonical_host, make_url
from policy.model import Signal

DNS_MESSAGE = "application/dns-"
"""Media types of DNS over HTTPS: `dns-message` (RFC 8484 §6) and `dns-json`."""


class Unreadable(ValueError):
    """The request names no destination we can write down. The message says why."""


class TooLong(Unreadable):
    """The target is longer than anybody needs (RFC 9110 §15.5.15)."""


_NONE: frozenset[Signal] = frozenset()

LONGEST_TARGET = 64 * 1024
"""Bytes of a path and query. Real pages stay below 16 kB; RFC 9110 §4.1 wants at least 8000."""


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
    try:
        host = data.host = _host(data.host)
        if data.method == b"PRI":  # RFC 9113 §3.4: how HTTP/2 begins, in a place where it is not spoken
            raise NameProblem("the preface of HTTP/2")
        if len(data.path) > LONGEST_TARGET:
            raise TooLong(f"the address is longer than {LONGEST_TARGET // 1024} kB")
        if b"#" in data.path:  # no browser sends a fragment, and servers differ in what they make of one
            raise NameProblem("a fragment in a request")
        target = data.path.decode("utf-8", "surrogateescape")
        url = make_url(request.scheme, host, data.port, target)
        claims = tuple(_claims(request, url, connection))
    except NameProblem as problem:
        raise Unreadable(str(problem)) from problem
    if connection.connect is not None:
        data.authority = b""  # read as a claim; sent on, the origin would prefer it to Host (RFC 9112 §3.2.2)
    return Asked(url, claims, _signals(request, url, connection))


def _signals(request: HttpRequest, url: Url, connection: ConnectionNotes) -> frozenset[Signal]:
    """What smells of circumvention: of the connection, and of this request."""
    address = url.is_address
    headers = request.headers
    dns = DNS_MESSAGE in headers.get("content-type", "").lower() or DNS_MESSAGE in headers.get("accept", "").lower()
    if not (address or dns or connection.signals):
        return _NONE
    signals = set(connection.signals)
    if address:
        signals.add(Signal.IP_LITERAL)
    if dns:
        signals.add(Signal.DOH)
    return frozenset(signals)


def _claims(request: HttpRequest, url: Url, connection: ConnectionNotes) -> list[Url]:
    """Every other name the request goes by: Host header (each of them), :authority, CONNECT, SNI."""
    claims: list[Url] = []
    texts = raw_values(request.headers, b"host")
    if len(texts) > 1:
        raise NameProblem("several Host headers")
    authority = request.data.authority
    if authority:
        texts = [*texts, authority]
    for text in texts:
        other = _authority_host(text, url)
        if other and other != url.host:
            claims.append(make_url(url.scheme, other, url.port, url.path + (f"?{url.query}" if url.query else "")))
    for known in (connection.connect, connection.sni):
        if known is not None and known.host != url.host:
            claims.append(known)
    return claims


def _authority_host(text: bytes, url: Url) -> str:
    """The canonical host of a Host header value; empty when it has none. Raises NameProblem, also for another port."""
    decoded = text.decode("utf-8", "surrogateescape").strip()
    if not decoded:
        return ""
    if "@" in decoded or "," in decoded:  # RFC 9110 §7.2: one host, no user; programs differ in what they make of it
        raise NameProblem("a Host header that is more than one host")
    host, colon, port = decoded.rpartition(":")
    if colon and (port.isdecimal() or not port) and (":" not in host or host.endswith("]")):
        decoded = host
    name = _host(decoded)
    if colon and port.isdecimal() and name == url.host and int(port[:6]) != url.port:
        raise NameProblem("a Host header with another port")
    return name


def looks_like_page(request: HttpRequest) -> bool:
    """True when a person opened this, as far as the request tells (Fetch metadata first, then Accept)."""
    headers = request.headers
    destination = headers.get("sec-fetch-dest")
    if destination is not None:
        return destination in ("document", "iframe") and headers.get("sec-fetch-mode", "navigate") == "navigate"
    return request.method in ("GET", "POST") and "text/html" in headers.get("accept", "")
