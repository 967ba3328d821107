"""What a request's own form gives away: DNS over HTTPS, web proxies, searches whose words are hidden (F-21, F-22).

In come a URL and a method; out come signals, nearly always none. Only forms that name themselves count: a path that one
program writes and no site uses for anything else. Lists know the hosts; this knows the copies that move every week.
Pure, total, and cheap: every request comes through here.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from categories.names import Url
from policy.model import Signal
from policy.searchplaces import FORMS

_NONE: Final[frozenset[Signal]] = frozenset()
_DOH: Final = frozenset({Signal.DOH})
_WEB_PROXY: Final = frozenset({Signal.WEB_PROXY})
_HIDDEN_SEARCH: Final = frozenset({Signal.HIDDEN_SEARCH})
_HIDDEN_NETWORK: Final = frozenset({Signal.HIDDEN_NETWORK})
_HIDDEN_NAMES: Final = (".onion", ".i2p")

_DOH_SEGMENTS: Final = frozenset({"dns-query"})
"""The path RFC 8484 uses, which nearly every resolver took over."""
_PROXY_SEGMENTS: Final = frozenset(
    {
        "nph-proxy.cgi", "nph-proxy.pl", "nph-proxy", "nph-surf.cgi", "nph-index.cgi",  # CGIProxy
        "uv.bundle.js", "uv.config.js", "uv.handler.js", "uv.sw.js", "uv.client.js",  # Ultraviolet
        "scramjet.all.js", "scramjet.bundle.js", "scramjet.sync.js", "scramjet.wasm.wasm", "scramjet.worker.js",
        "rammerhead.js", "dynamic.config.js", "dynamic.worker.js", "corrosion.js", "womginx.js",
    }
)  # fmt: skip
"""File names that only web proxies have."""
_PROXY_SCRIPTS = frozenset({"browse.php", "index.php", "surf.php", "includes.php", "process.php"})
_PROXY_MOUNTS = frozenset({"service", "uv", "scramjet", "dynamic", "proxy", "go", "main", "sw", "active", "~"})
_HINTS: Final = _DOH_SEGMENTS | _PROXY_SEGMENTS | _PROXY_SCRIPTS | _PROXY_MOUNTS
_MOUNTED = re.compile(
    r"/(?i:service|uv(?:/service)?|scramjet|dynamic(?:/service)?|proxy|main|go|sw|active|~(?:/\w+)?)"
    r"/(?:(?i:https?:(?:/|%2F)|https?%3A)|aHR0c(?:DovL|HM6Ly))"
)
"""A mount point, wherever the program was put, and a whole address, written out or in base64, as Ultraviolet, Scramjet,
Dynamic, node-unblocker and womginx do."""
_SHIFTED = re.compile(r"/hvtr(?:s8(?:%2F|/)-|:-(?:%2F|/))")
"""`https://` and `http://` in Ultraviolet's own encoding (every second letter's bit 1 flipped)."""
_RAMMERHEAD = re.compile(r"/[0-9a-f]{32}/https?:/", re.IGNORECASE)
_GLYPE = re.compile(r"(?:^|&)u=([^&]{4,})")
_GLYPE_FLAGS = re.compile(r"(?:^|&)(?:b=\d{1,3}|f=norefer)(?:&|$)")
_PHPROXY = re.compile(r"(?:^|&)(?:q|url|_?proxurl)=(?:aHR0c|uggc|https?(?::|%3A))")
_PHPROXY_FLAGS = re.compile(r"&hl=[0-9a-f]{2,4}(?:&|$)")
_CROXY = re.compile(r"(?:^|&)__cp[op]=aHR0c")
_ADDRESS_LIKE = re.compile(r"(?:https?(?::|%3A)|www\.|aHR0c|Oi8v|uggc)", re.IGNORECASE)
_DNS_VALUE = re.compile(r"(?:^|&)dns=([A-Za-z0-9_%=-]{20,2048})(?:&|$)")
_DNS_KIND = re.compile(r"(?:^|&)ct=application(?:/|%2F)dns-", re.IGNORECASE)


def shape(url: Url, method: str = "GET") -> frozenset[Signal]:
    """Signals in the form of a request."""
    path, query = url.path, url.query
    if method == "POST" and _hides_words(url):
        return _HIDDEN_SEARCH
    if url.host.endswith(_HIDDEN_NAMES):
        return _HIDDEN_NETWORK
    if path != "/":
        segments = path.lower().split("/")
        if not _HINTS.isdisjoint(segments):
            if not _DOH_SEGMENTS.isdisjoint(segments):
                return _DOH
            if not _PROXY_SEGMENTS.isdisjoint(segments) or _MOUNTED.search(path) or _by_script(segments[-1], query):
                return _WEB_PROXY
        if ("/hvtr" in path and _SHIFTED.search(path)) or ("/http" in path and _RAMMERHEAD.search(path)):
            return _WEB_PROXY
    if query:
        if ("dns=" in query or "dns-" in query) and _asks_dns(query):
            return _DOH
        if "__cp" in query and _CROXY.search(query):
            return _WEB_PROXY
    return _NONE


def _hides_words(url: Url) -> bool:
    """A form of a search engine: the words are in the body, where nobody reads them before they are answered."""
    paths = FORMS.get(url.domain) or FORMS.get(url.domain.partition(".")[0])
    return paths is not None and url.path.rstrip("/") in paths


def _by_script(script: str, query: str) -> bool:
    """Glype's `browse.php?u=…&b=4` and PHProxy's `index.php?q=…&hl=3ed`."""
    if script in {"browse.php", "surf.php"}:
        found = _GLYPE.search(query)
        if found is not None:
            return bool(_ADDRESS_LIKE.match(found[1])) or (len(found[1]) >= 12 and bool(_GLYPE_FLAGS.search(query)))
    if script != "index.php" or "hl=" not in query:
        return False
    found = _PHPROXY.search(query)  # two searches: one pattern for both would try every pair of places
    return found is not None and bool(_PHPROXY_FLAGS.search(query, found.end()))


def _asks_dns(query: str) -> bool:
    """A DNS message in a parameter (RFC 8484 §4.1): a header that says `one question`, in base64url."""
    if _DNS_KIND.search(query):
        return True
    found = _DNS_VALUE.search(query)
    if found is None:
        return False
    text = found[1].replace("%3D", "").replace("%3d", "").rstrip("=")
    try:
        message = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    is_query = len(message) >= 17 and message[2] & 0xF8 == 0 and message[3] & 0x40 == 0
    return is_query and message[4:6] == b"\0\1" and message[6:10] == b"\0\0\0\0"
