"""How each search engine is told to keep its results safe. Pure data (D-24, F-39).

By what the engines document, or by what their own settings page writes into address or cookie. A key is a host, `*.`
and a domain (the domain itself and everything below), or a name under every country domain (`www.google.*`). An engine
that takes no such order is in category `unsafe-search` instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One cookie, or one field of a cookie, that is always sent as written here."""

    cookie: str
    """Name of the cookie."""
    value: str
    """Value of the cookie, or of the field."""
    field: str = ""
    """Name of the field inside it; empty when the cookie is one value."""
    between: str = "&"
    """What stands between fields."""
    equals: str = "="
    """What stands between a field and its value."""


@dataclass(frozen=True, slots=True)
class SafeEngine:
    """One engine, and what is done to requests for it."""

    name: str
    """For people and reports."""
    keys: tuple[str, ...]
    """Where it is found."""
    paths: re.Pattern[str] | None = None
    """Paths whose parameters are set; None is all."""
    params: tuple[tuple[str, str], ...] = ()
    """Parameters set on them, whatever the request says of them."""
    dropped: frozenset[str] = frozenset()
    """Parameters taken off, because they carry settings; lower case."""
    settings: tuple[Setting, ...] = ()
    """Cookies set on every request."""
    headers: tuple[tuple[str, str], ...] = ()
    """Request headers set on every request."""
    bang: str = ""
    """A word that switches it off from inside the search words, lower case."""


def _paths(words: str) -> re.Pattern[str]:
    parts = "|".join(re.escape(word) for word in words.split() if word != "/")
    """These paths and what lies below them, also behind what a server may drop: `/search;x`, `/search%2F`."""
    return re.compile(
        rf"(?:{parts})(?:[/.;%]|$)|/(?:[;%]|$)" if "/" in words.split() else rf"(?:{parts})(?:[/.;%]|$)", re.I
    )


_GOOGLE = tuple(
    f"{label}google.*"
    for label in ("", "www.", "images.", "video.", "videos.", "news.", "shopping.", "books.", "scholar.", "blogsearch.",
                  "ipv4.", "ipv6.", "encrypted.", "m.", "cse.", "clients1.", "suggestqueries.", "search.")
)  # fmt: skip
_GOOGLE_PATHS = _paths(
    "/ /search /searchbyimage /images /imghp /imgres /webhp /videohp /video /videos /shopping /ai /async /custom /cse"
    " /complete /books /scholar /blogsearch /m /s /ie /xhtml /advanced_search /advanced_image_search /news /local"
    " /products /patents"
)
_BING = "www.bing.com bing.com m.bing.com cn.bing.com global.bing.com edgeservices.bing.com"
_BING_PATHS = _paths(
    "/ /search /images /videos /news /shop /maps /travel /chat /copilotsearch /discover /as /asrp /osjson /qbox /th"
)

SAFE_ENGINES: tuple[SafeEngine, ...] = (
    SafeEngine("Google", _GOOGLE, _GOOGLE_PATHS, (("safe", "active"),)),
    SafeEngine(
        "Google Programmable Search",
        ("customsearch.googleapis.com", "www.googleapis.com"),
        _paths("/customsearch"),
        (("safe", "active"),),
    ),
    SafeEngine(
        "Bing",
        tuple(_BING.split()),
        _BING_PATHS,
        (("adlt", "strict"),),
        settings=(Setting("SRCHHPGUSR", "STRICT", "ADLT"),),
    ),
    SafeEngine(
        "Bing, every other host",
        ("*.bing.com",),
        _paths("/search /images /videos /news /shop /chat /copilotsearch /asrp /osjson"),
        (("adlt", "strict"),),
        settings=(Setting("SRCHHPGUSR", "STRICT", "ADLT"),),
    ),
    SafeEngine("Bing Search API", ("api.bing.microsoft.com",), _paths("/v7.0"), (("safeSearch", "Strict"),)),
    SafeEngine(
        "DuckDuckGo",
        ("*.duckduckgo.com", "duck.com", "ddg.gg"),
        _paths("/ /html /lite /ac"),
        (("kp", "1"),),
        settings=(Setting("p", "1"),),
        bang="!safeoff",
    ),
    SafeEngine("DuckDuckGo results", ("*.duckduckgo.com",), re.compile(r"/[a-z]{1,5}\.js$"), (("p", "1"), ("kp", "1"))),
    SafeEngine(
        "Yahoo",
        ("*.search.yahoo.com", "*.search.yahoo.co.jp"),
        _paths("/ /search /yhs /image /images /video /news /shopping /sugg /mobile"),
        (("vm", "r"),),
        settings=(Setting("sB", "r", "vm"),),
    ),
    SafeEngine(
        "Ecosia",
        ("*.ecosia.org",),
        settings=(Setting("ECFG", "y", "f", ":"),),
    ),
    SafeEngine(
        "Brave Search",
        ("search.brave.com", "api.search.brave.com"),
        _paths("/search /images /videos /news /goggles /api /res /ask"),
        (("safesearch", "strict"),),
        settings=(Setting("safesearch", "strict"),),
    ),
    SafeEngine("Qwant", ("*.qwant.com",), params=(("s", "2"), ("safesearch", "2"))),
    SafeEngine(
        "Startpage",
        ("*.startpage.com", "*.ixquick.com"),
        dropped=frozenset({"prfe", "prfh", "prf"}),
        settings=(
            Setting("preferences", "0", "disable_family_filter", "N1N", "EEE"),
            Setting("preferences", "0", "disable_video_family_filter", "N1N", "EEE"),
            Setting("preferences", "0", "enable_post_method", "N1N", "EEE"),
        ),
    ),
    SafeEngine(
        "Yandex",
        ("*.yandex.*", "*.ya.ru"),
        _paths("/ /search /images /video /yandsearch /touchsearch /msearch /images-xml"),
        (("fyandex", "1"), ("family", "yes")),
    ),
    SafeEngine(
        "YouTube",
        ("*.youtube.com", "*.youtube-nocookie.com", "youtubei.googleapis.com", "youtube.googleapis.com"),
        headers=(("YouTube-Restrict", "Strict"),),
    ),
    SafeEngine("Pixabay", ("*.pixabay.com",), settings=(Setting("g_rated", "1"),)),
    SafeEngine("Pixabay API", ("pixabay.com",), _paths("/api"), (("safesearch", "true"),)),
    SafeEngine("Mojeek", ("*.mojeek.com", "*.mojeek.co.uk"), _paths("/search"), (("safe", "1"),)),
    SafeEngine("GIPHY", ("api.giphy.com",), _paths("/v1 /v2"), (("rating", "g"),)),
    SafeEngine(
        "Tenor",
        ("tenor.googleapis.com", "g.tenor.com", "api.tenor.com"),
        _paths("/v1 /v2"),
        (("contentfilter", "high"),),
    ),
    SafeEngine("Flickr", ("*.flickr.com",), _paths("/search /services"), (("safe_search", "1"),)),
    SafeEngine(
        "Unsplash", ("unsplash.com", "api.unsplash.com"), _paths("/napi/search /search"), (("content_filter", "high"),)
    ),
    SafeEngine(
        "Dailymotion",
        ("*.dailymotion.com",),
        _paths("/videos /video /search"),
        (("family_filter", "true"),),
        settings=(Setting("ff", "on"),),
    ),
)
"""Every engine that takes the order. Several rows may share a key; each is applied."""

STRICT_HOSTS: dict[str, tuple[str, ...]] = {
    "forcesafesearch.google.com": ("google.*", "www.google.*"),
    "strict.bing.com": ("bing.com", "www.bing.com", "edgeservices.bing.com"),
    "safe.duckduckgo.com": ("duckduckgo.com", "www.duckduckgo.com", "start.duckduckgo.com"),
    "strict-safe-search.ecosia.org": ("ecosia.org", "www.ecosia.org"),
    "forcesafe.search.brave.com": ("search.brave.com",),
    "familysearch.yandex.ru": (
        "yandex.*", "www.yandex.*", "ya.ru", "www.ya.ru", "xn--d1acpjx3f.xn--p1ai", "www.xn--d1acpjx3f.xn--p1ai",
    ),
    "safesearch.pixabay.com": ("pixabay.com",),
    "restrict.youtube.com": (
        "youtube.com", "www.youtube.com", "m.youtube.com", "www.youtube-nocookie.com", "youtubei.googleapis.com",
        "youtube.googleapis.com",
    ),
}  # fmt: skip
"""Hosts that serve the same site safely, and the names they stand in for when a tunnel is not decrypted."""
