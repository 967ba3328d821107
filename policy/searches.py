"""What somebody searched for: a URL in, the words out (A-24, D-24).

Pure, and total: whatever the URL holds, the answer is a tuple of clean texts, maybe empty. Which part of which address
holds the words is data, in `policy.searchplaces`.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from categories.names import Url
from categories.urlreadings import path_readings
from policy.searchplaces import BLOG_PARAM, PLACES, SITE_SEARCH_PARAMS, SITE_SEARCH_PATHS, Place

MAX_TERM = 4096
"""Longest term kept, in characters; the engines themselves take about half of it."""
MAX_TERMS = 8
"""Most terms kept of one URL."""
_CHARSETS = frozenset({
    "utf-8", "iso8859-1", "iso8859-2", "iso8859-9", "iso8859-15", "cp1250", "cp1251", "cp1252", "koi8-r", "gb2312",
    "gbk", "gb18030", "big5", "euc_jp", "shift_jis", "euc_kr", "cp949",
})  # fmt: skip
"""Encodings a URL may name for itself (`ie=`)."""
_SAYS_CHARSET = re.compile(r"(?:^|&)(?:ie|ei|charset|enc)=([A-Za-z0-9_-]{3,20})(?:&|$)")
_SCRIPT_ESCAPE = re.compile(rb"%u([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True)
class _Asker:
    """A place, ready to be asked."""

    place: Place
    values: re.Pattern[str] | None

    def raw_terms(self, url: Url) -> Iterator[str]:
        """Still encoded."""
        paths = _readings(url.path)
        if self.values is not None and url.query and any(_below(path, self.place.paths) for path in paths):
            yield from self.values.findall(url.query)
        for prefix in self.place.inside:
            for path in paths:
                if path[: len(prefix)].lower() == prefix:
                    yield path[len(prefix) :].partition("/")[0].replace("-", " ")
        if self.place.bare and (found := self.place.bare.fullmatch(paths[-1])):
            yield found[1].replace("_", " ")


def _values(params: Iterable[str]) -> re.Pattern[str]:
    """Finds the values of these parameters at C speed, also when its letters are percent-encoded or capitals."""
    names = "|".join("".join(f"(?:{re.escape(c)}|%{ord(c):02X}|%{ord(c):02x})" for c in name) for name in params)
    return re.compile(rf"(?:^|[&;])(?:{names})=([^&]*)", re.IGNORECASE)


def _below(path: str, prefixes: tuple[str, ...]) -> bool:
    if not prefixes:
        return True
    return any(
        path[: len(prefix)].lower() == prefix
        and (len(path) == len(prefix) or (prefix != "/" and path[len(prefix)] == "/"))
        for prefix in prefixes
    )


def _readings(path: str) -> tuple[str, ...]:
    """A path in every way a server may read it: Yahoo's own links are `/search;_ylt=…?p=…`."""
    return path_readings(path) if ";" in path or "%2F" in path or "%5C" in path else (path,)


def _askers() -> dict[str, tuple[_Asker, ...]]:
    found: dict[str, tuple[_Asker, ...]] = {}
    for place in PLACES:
        asker = _Asker(place, _values(place.params) if place.params else None)
        for key in place.keys:
            found[key] = (*found.get(key, ()), asker)
    return found


_ASKERS: Final = _askers()
_ANY_SITE: Final = _values(SITE_SEARCH_PARAMS)
_BLOG: Final = _values((BLOG_PARAM,))
_NOWHERE: Final[tuple[_Asker, ...]] = ()


def search_terms(url: Url) -> tuple[str, ...]:
    """What was searched for, cleaned, in order, without duplicates; empty when the URL is no search. Never raises."""
    askers = askers_of(url.host, url.domain)
    raw = _raw_terms(url, askers)
    if not raw:
        return ()
    charset = next((asker.place.charset for asker in askers if asker.place.charset), "")
    said = _said_charset(url.query)
    terms = dict.fromkeys(clean for text in raw[: MAX_TERMS * 4] if (clean := _clean(text, (said, charset))))
    return tuple(terms)[:MAX_TERMS]


def asks(url: Url) -> bool:
    """Whether a URL has a part that holds words, empty or not. Parameters left out or put in another order add none."""
    return bool(_raw_terms(url, askers_of(url.host, url.domain)))


def _raw_terms(url: Url, askers: tuple[_Asker, ...]) -> list[str]:
    """Still encoded."""
    if askers:
        return [text for asker in askers for text in asker.raw_terms(url)]
    return _site_search(url) if url.query else []


@lru_cache(maxsize=16384)
def askers_of(host: str, domain: str) -> tuple[_Asker, ...]:
    """The places of a host; remembered, because a page asks for the same few hosts."""
    return find_askers(host, domain)


def find_askers(host: str, domain: str) -> tuple[_Asker, ...]:
    """The same, not remembered: for whoever remembers what he asks."""
    askers = _ASKERS.get(domain) or _ASKERS.get(domain.partition(".")[0], _NOWHERE)
    return askers if host == domain else _ASKERS.get(host.removeprefix("www."), askers)


def may_search(path: str) -> bool:
    """Whether a query on that path may hold words on a site that is no place we know."""
    if path == "/":
        return True
    if ";" in path or "%2F" in path or "%5C" in path:
        return any(one == "/" or _named_search(one) for one in path_readings(path))
    return _named_search(path)


def _named_search(path: str) -> bool:
    return path.rstrip("/").rpartition("/")[2].lower() in SITE_SEARCH_PATHS


def _site_search(url: Url) -> list[str]:
    """The words of a site's own search, only where the path leaves no doubt that it is one."""
    paths = _readings(url.path)
    found = _BLOG.findall(url.query) if "/" in paths else []
    return found + _ANY_SITE.findall(url.query) if any(map(_named_search, paths)) else found


def _said_charset(query: str) -> str:
    found = _SAYS_CHARSET.search(query)
    if found is None:
        return ""
    try:
        name = codecs.lookup(found[1]).name
    except LookupError:
        return ""
    return name if name in _CHARSETS else ""


def _clean(raw: str, charsets: tuple[str, ...]) -> str:
    """Decoded, without control and invisible characters, blanks folded."""
    data = unquote_to_bytes(raw[: MAX_TERM * 3].replace("+", " ").encode("utf-8", "replace"))
    data = _SCRIPT_ESCAPE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), data)
    text = _decoded(data, charsets)
    shown = "".join(" " if char.isspace() else char for char in text if char.isspace() or char.isprintable())
    return unicodedata.normalize("NFC", " ".join(shown.split()))[:MAX_TERM]


def _decoded(data: bytes, charsets: tuple[str, ...]) -> str:
    """UTF-8 when it is; else what the URL says, what the place used to speak, and latin-1, which reads anything."""
    for charset in ("utf-8", *filter(None, charsets)):
        try:
            return data.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")
