"""One way to write a host or a URL: the door of this room's names.

In comes what a browser, a header, a list or a person wrote; out goes a canonical `Url` or host. Two spellings of one
thing give equal values (design §5.6), and a canonical value is its own canonical form. Nothing here raises anything
but `NameProblem`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from categories.hosts import NameProblem, canonical_host, host_suffixes, is_address, registered, registrable_domain
from categories.paths import canonical_path

__all__ = [
    "DEFAULT_PORTS",
    "NameProblem",
    "Url",
    "canonical_host",
    "canonical_url",
    "host_suffixes",
    "is_address",
    "make_url",
    "registrable_domain",
]

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
"""The schemes that name a host, and the port each means when none is written."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PORT: Final = re.compile(r"[0-9]+(?:[/\\?#]|$)")
_AUTHORITY_END: Final = re.compile(r"[/\\?#]")
_HOST_AND_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", re.DOTALL)
_NO_HOST = frozenset(
    """about blob cid chrome chrome-extension data edge file geo intent irc javascript magnet mailto moz-extension
    news sip sms tel urn view-source xmpp""".split()  # noqa: SIM905
)
_CONTROL_OR_BLANK = "".join(map(chr, range(0x21)))
_REMOVED_BY_BROWSERS = str.maketrans("", "", "\t\n\r")
_new_url: Final = tuple.__new__
_HOSTS_REMEMBERED: Final = 16_384
"""Hosts, as they were written, whose form is kept, some 4 MB; then all are forgotten."""
_HOSTS: Final[dict[str, tuple[str, str, bool]]] = {}


class Url(NamedTuple):
    """A canonical URL. Two spellings of the same thing give equal objects.

    A named tuple: one is made for every request, and a frozen dataclass takes three times as long to make.
    """

    scheme: str
    """`http`, `https`, `ws`, `wss`, `ftp`, lower case; `https` for a CONNECT to 443."""
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

    def __str__(self) -> str:
        """The URL as text; `canonical_url` of it gives this very object."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}" + (f"?{self.query}" if self.query else "")


def canonical_url(text: str) -> Url:
    """The canonical URL of what somebody wrote; a text without scheme means `http://`.

    User information and fragment are dropped, backslashes read as slashes, tabs and line ends ignored, as browsers
    do (WHATWG URL §4.4). Raises `NameProblem` when it names no host.
    """
    return _read_plainly(text) or _read_fully(text)


def _read_plainly(text: str) -> Url | None:
    """What nine in ten texts need: scheme, plain host, clean path. None when the whole grammar has to be read."""
    if text.startswith("https://"):
        scheme, start, port = "https", 8, 443
    elif text.startswith("http://"):
        scheme, start, port = "http", 7, 80
    else:
        return None
    end = text.find("/", start)
    if end < 0 or "#" in text or text[-1] == " " or not text.isprintable():
        return None
    host = text[start:end]
    if ":" in host or "@" in host:
        return None
    try:
        name, domain, literal = _host_facts(host)
    except NameProblem:
        return None
    asked = text.find("?", end)
    if asked < 0:
        path, query = text[end:], ""
    else:
        path, query = text[end:asked], text[asked + 1 :]
    if "%" in path or "/." in path or "//" in path or " " in path or "\\" in path:
        path = canonical_path(path)
    return _new_url(Url, (scheme, name, port, path, query, domain, literal))


def _read_fully(text: str) -> Url:
    text = text.strip(_CONTROL_OR_BLANK)
    if "\t" in text or "\n" in text or "\r" in text:  # `translate` alone costs as much as all the rest
        text = text.translate(_REMOVED_BY_BROWSERS)
    scheme, rest = _split_scheme(text)
    rest = rest.lstrip("/\\")
    end = _AUTHORITY_END.search(rest)
    authority, target = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if "@" in authority:
        authority = authority.rpartition("@")[2]
    host, port = _split_authority(authority) if ":" in authority or not authority else (authority, None)
    return make_url(scheme, host, port, target)


def make_url(scheme: str, host: str, port: int | None, target: str) -> Url:
    """The canonical URL of parsed pieces; `target` is path and query as in a request line. The hot path.

    Raises `NameProblem` for a scheme, host or port that cannot be.
    """
    scheme = scheme.lower()
    default = DEFAULT_PORTS.get(scheme)
    if default is None:
        raise NameProblem(f"scheme {scheme[:40]!r} is none of {', '.join(DEFAULT_PORTS)}")
    if port is None:
        port = default
    elif not 0 <= port <= 65535:
        raise NameProblem(f"port {port} is none of 0 to 65535")
    name, domain, literal = _host_facts(host)
    before, _, _ = target.partition("#")
    path, _, query = before.partition("?")
    return _new_url(Url, (scheme, name, port, canonical_path(path), query, domain, literal))


def _host_facts(host: str) -> tuple[str, str, bool]:
    """Canonical form, registrable domain and whether it is an address; remembered: a page asks for few hosts."""
    found = _HOSTS.get(host)
    if found is None:
        name = canonical_host(host)
        if len(_HOSTS) >= _HOSTS_REMEMBERED:
            _HOSTS.clear()
        found = _HOSTS[host] = (name, registered(name), is_address(name))
    return found


def _split_scheme(text: str) -> tuple[str, str]:
    if text.startswith("https://"):
        return "https", text[6:]
    if text.startswith("http://"):
        return "http", text[5:]
    found = _SCHEME.match(text)
    if found is None:
        if text[:1] in {"/", "\\"} and text[1:2] not in {"/", "\\"}:
            raise NameProblem("it is a path without a host")
        return "http", text
    scheme, rest = found.group(1).lower(), text[found.end() :]
    if scheme in DEFAULT_PORTS and not _PORT.match(rest):
        return scheme, rest
    if scheme in _NO_HOST or rest.startswith("//"):
        raise NameProblem(f"{scheme[:40]}: is no scheme with a host we filter ({', '.join(DEFAULT_PORTS)})")
    return "http", text


def _split_authority(authority: str) -> tuple[str, int | None]:
    found = _HOST_AND_PORT.fullmatch(authority)
    if found is None:
        if authority.count(":") > 1:
            return authority, None  # a bare IPv6 address, as people and lists write it
        raise NameProblem(f"{authority[:80]!r} is no host with a port")
    host, port = found.group(1), found.group(2)
    if not host:
        raise NameProblem("it names no host")
    if not port:
        return host, None
    digits = port.lstrip("0") or "0"
    if not (port.isascii() and port.isdigit()) or len(digits) > 5:
        raise NameProblem(f"port {port[:40]!r} is no number from 0 to 65535")
    return host, int(digits)
