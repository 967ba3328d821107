"""Addresses inside addresses: a URL in, the URLs it would show or lead to out (F-22).

A translator, a web archive, a cache or an AMP copy shows another site's page under its own name; a link wrapper sends
the browser on. What is wrapped is decided like a name the request goes by, and the stricter verdict wins. Only known
wrappers are read (`policy.wrapperplaces`): `?url=` on any other site is a sign-in or a share button, and those must not
be blocked for what they mention. Pure, total, and bounded whatever comes in.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from categories.names import NameProblem, Url, canonical_host, canonical_url, registrable_domain
from policy.wrapperplaces import WRAPPERS, Wrapper

DEEPEST = 4
"""How many wrappings inside each other are taken off. Nobody needs two."""
MOST = 8
"""Most inner URLs told of one URL."""
_LONGEST = 8192
_SCHEME = re.compile(r"(https?):/+", re.IGNORECASE)
_PACKED = re.compile(r"https?:%2F", re.IGNORECASE)
_HOST_FIRST = re.compile(r"[^/?#@]+\.[^/?#@]{2,}(?:[/?#]|$)")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """One URL found inside another."""

    url: Url
    """What would be shown, or where the browser would be sent."""
    copied: bool
    """True when the wrapper itself shows it (translator, archive, cache, AMP): the page never leaves under its name."""
    deeper: bool = False
    """True when something is still wrapped inside and was not taken off: nested too deep to be honest."""


def wrapped(url: Url) -> tuple[Wrapped, ...]:
    """Everything wrapped in a URL, outermost first, no duplicates; empty for nearly every URL. Never raises."""
    if not may_wrap(url.domain):
        return ()
    found: dict[Url, Wrapped] = {}
    layer = [(url, True)]
    for depth in range(DEEPEST + 1):
        inside = [(inner, copied and copies) for outer, copied in layer for inner, copies in _one_layer(outer)]
        layer = [(inner, copied) for inner, copied in inside if inner not in found and inner != url]
        if not layer:
            break
        if depth == DEEPEST or len(found) + len(layer) > MOST:
            found = {inner: Wrapped(inner, one.copied, deeper=True) for inner, one in found.items()}
            break
        found.update((inner, Wrapped(inner, copied)) for inner, copied in layer)
    return tuple(found.values())


@lru_cache(maxsize=16384)
def may_wrap(domain: str) -> bool:
    """Whether some wrapper is known on a registrable domain."""
    return finds_wrapper(domain)


def finds_wrapper(domain: str) -> bool:
    """The same, not remembered: for whoever remembers what he asks."""
    return domain in _DOMAINS or domain.startswith(_BRANDS) or domain.endswith(_SUFFIXES)


def inner_urls(url: Url) -> tuple[Url, ...]:
    """The same, without how."""
    return tuple(one.url for one in wrapped(url))


def _one_layer(url: Url) -> Iterator[tuple[Url, bool]]:
    for wrapper in _known(url.host, url.domain):
        for text in _texts(wrapper, url):
            inner = _read(text)
            if inner is not None:
                yield inner, wrapper.copies


def _texts(wrapper: Wrapper, url: Url) -> Iterator[str]:
    """What may be a URL, as text."""
    if wrapper.host_encoded and (plain := _plain_host(url.host, wrapper.host_encoded)):
        target = "" if wrapper.inside else url.path + (f"?{url.query}" if url.query else "")
        yield f"https://{plain}{target}"
    if wrapper.inside:
        found = wrapper.inside.match(url.path)
        if found is not None:
            rest = url.path[found.end() :]
            rest = unquote(rest) if _PACKED.match(rest) else rest
            yield _decoding(wrapper.coding)(rest + (f"?{url.query}" if url.query else ""))
    if wrapper.bare_query and url.query:
        yield _unquoted(url.query)
    if wrapper.params and url.query and (wrapper.paths is None or wrapper.paths.match(url.path)):
        for piece in url.query[:_LONGEST].split("&"):
            name, _, value = piece.partition("=")
            if value and (name in wrapper.params or unquote(name).strip().lower() in wrapper.params):
                yield _decoding(wrapper.coding)(_unquoted(value))


@lru_cache(maxsize=16384)
def _known(host: str, domain: str) -> tuple[Wrapper, ...]:
    """The wrappers of a host: by its own name, by its parents', and by brand (`translate.google.` and any country)."""
    if not domain:
        return ()
    keys = [host]
    while "." in host:
        host = host.partition(".")[2]
        keys.append(f"*.{host}")
    keys.append(domain)
    brand = domain.partition(".")[0]
    prefix = keys[0][: -len(domain)]
    keys += [f"{prefix}{brand}.*", f"{brand}.*"]
    return tuple(dict.fromkeys(wrapper for key in keys for wrapper in _BY_KEY.get(key, ())))


def _by_key() -> dict[str, tuple[Wrapper, ...]]:
    found: dict[str, tuple[Wrapper, ...]] = {}
    for wrapper in WRAPPERS:
        for key in wrapper.keys:
            found[key] = (*found.get(key, ()), wrapper)
    return found


def _owners() -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """Domains, brands and ends of domains that any key could fit: what nearly every URL is turned away by."""
    domains, brands, suffixes = set(), set(), set()
    for key in _BY_KEY:
        if key.endswith(".*"):
            brands.add(f"{key.removesuffix('.*').rpartition('.')[2]}.")
            continue
        below = registrable_domain(key.replace("*.", "x."))
        if key.startswith("*.") and below == key.replace("*.", "x."):
            suffixes.add(key[1:])
        else:
            domains.add(below)
    return frozenset(domains), tuple(sorted(brands)), tuple(sorted(suffixes))


_BY_KEY: Final = _by_key()
_OWNERS: Final = _owners()
_DOMAINS: Final = _OWNERS[0]
_BRANDS: Final = _OWNERS[1]
_SUFFIXES: Final = _OWNERS[2]


def _unquoted(text: str) -> str:
    """Percent-decoded until it reads like an address, three times at most: wrappers encode what wrappers encoded."""
    for _ in range(3):
        if _SCHEME.match(text) or "%" not in text:
            break
        text = unquote(text)
    return text


def _read(text: str) -> Url | None:
    """The URL a wrapper's text means; None when it means none. A path has lost one slash of `https://` by now."""
    text = text.strip()[:_LONGEST]
    found = _SCHEME.match(text)
    if found is not None:
        rest = text[found.end() :]
        text = f"{found[1]}://{rest}"
    elif not _HOST_FIRST.match(text.lstrip("/")):
        return None
    try:
        url = canonical_url(text)
    except NameProblem:
        return None
    return url if url.domain or url.is_address or "." in url.host else None


def _plain_host(host: str, suffix: str) -> str:
    """`www-example-co--op-com` means `www.example.co-op.com`: dots became hyphens, and hyphens were doubled."""
    if not host.endswith(suffix):
        return ""
    label = host[: -len(suffix)]
    if "." in label or not label:
        return ""
    plain = label.replace("--", "\0").replace("-", ".").replace("\0", "-")
    try:
        plain = canonical_host(plain)
    except NameProblem:
        return ""
    return plain if registrable_domain(plain) else ""


def _as_is(text: str) -> str:
    return text


def _cache_words(text: str) -> str:
    """`cache:3kd9s:example.org/page+the+words` → `example.org/page`."""
    if not text.lower().startswith("cache:"):
        return ""
    text = text[len("cache:") :].replace("+", " ").split(" ", 1)[0]
    first, colon, rest = text.partition(":")
    return rest if colon and "." not in first and not first.lower().startswith("http") else text


def _base64_part(text: str) -> str:
    """The address behind `a1…` (Bing's links) or in base64 cut by slashes (picture copies)."""
    text = text.removeprefix("a1").partition("?")[0]
    start = text.find("aHR0c")
    if start < 0:
        return ""
    packed = re.sub(r"[^A-Za-z0-9+_-]", "", text[start:]).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(packed[: len(packed) // 4 * 4] + _padded(packed)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _padded(packed: str) -> str:
    rest = packed[len(packed) // 4 * 4 :]
    return "" if len(rest) < 2 else rest + "=" * (4 - len(rest))


def _hexadecimal(text: str) -> str:
    try:
        return bytes.fromhex(text.partition("?")[0].strip("/")).decode("utf-8", "replace")
    except ValueError:
        return ""


def _proofpoint(text: str) -> str:
    """Version 2 writes `-` for `%` and `_` for `/`."""
    return text if _SCHEME.match(text) and "_" not in text else unquote(text.replace("-", "%").replace("_", "/"))


def _underscored(text: str) -> str:
    """`__https://example.org/page__;!!signature`."""
    return text.removeprefix("__").partition("__;")[0]


def _host_after_scheme(text: str) -> str:
    """`https/example.org/page.png`."""
    scheme, slash, rest = text.partition("/")
    return f"{scheme}://{rest}" if slash and scheme in {"http", "https"} else ""


def _yahoo(text: str) -> str:
    return _unquoted(text.partition("/RK=")[0].partition("/RS=")[0])


_CODINGS: dict[str, Callable[[str], str]] = {
    "": _as_is,
    "cache": _cache_words,
    "base64": _base64_part,
    "hex": _hexadecimal,
    "proofpoint": _proofpoint,
    "underscores": _underscored,
    "scheme-segment": _host_after_scheme,
    "yahoo": _yahoo,
}


def _decoding(coding: str) -> Callable[[str], str]:
    return _CODINGS[coding]
