"""SafeSearch and restricted mode, forced and locked (D-24, F-39, A-24, J-05).

In come the URL a client asked for and its cookies; out comes what is sent to the engine instead, or None when the
request stays as it is. What the client says of the same setting, in whatever spelling and however often, is taken off
first, so that nothing it sends can win. Pure: `addons.rewrite` applies it after the decision. Which engine takes which
order is data, in `policy.safeplaces`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, unquote, unquote_plus

from categories.names import Url
from policy.client import Band, Client
from policy.rows import Policy
from policy.safeplaces import SAFE_ENGINES, STRICT_HOSTS, SafeEngine, Setting

_SEPARATOR = re.compile(r"([&;])")
_NAME_END = re.compile(r"[\[\x00]")


@dataclass(frozen=True, slots=True)
class Change:
    """What is sent to the engine instead of what the client sent."""

    engine: str
    """Name of the engine, for people."""
    url: Url | None = None
    """The URL to ask for; None when it stays."""
    headers: tuple[tuple[str, str], ...] = ()
    """Request headers to set, in place of whatever the client sent under that name."""
    cookie: str | None = None
    """The whole `Cookie` header to send; None when it stays."""


def holds_for(policy: Policy, client: Client) -> bool:
    """Whether SafeSearch is forced for this client: for everybody, but for staff in a group the policy names.

    Pupils, guests and whoever is unknown have no way out: the band that decides must be staff.
    """
    if not policy.safe_search_off_for or policy.safe_search_off_for.isdisjoint(client.groups):
        return True
    return policy.band_of(client) is not Band.STAFF


def safe(url: Url, cookie: str = "") -> Change | None:
    """What to send instead of a request for `url` with this `Cookie` header; None when nothing needs to change."""
    engines = _engines(url.host, url.domain)
    if not engines:
        return None
    query = url.query
    settings: list[Setting] = []
    headers: list[tuple[str, str]] = []
    for engine in engines:
        query = _forced(query, url.path, engine)
        settings += engine.settings
        headers += engine.headers
    new_cookie = _with_settings(cookie, settings) if settings else cookie
    if query == url.query and new_cookie == cookie and not headers:
        return None
    return Change(
        engines[0].name,
        url._replace(query=query) if query != url.query else None,
        tuple(headers),
        new_cookie if new_cookie != cookie else None,
    )


def strict_host(url: Url) -> str | None:
    """The host that serves the same site safely, for a tunnel that is not decrypted; None when there is none.

    The engines publish these for schools that can only change names: the address changes, the name in TLS does not.
    """
    brand = f"{url.domain.partition('.')[0]}.*"
    return _STRICT.get(url.host) or _STRICT.get(url.host.removesuffix(url.domain) + brand if url.domain else "")


def engine_names() -> tuple[str, ...]:
    """Every engine that can be kept safe, for documents and reports."""
    return tuple(engine.name for engine in SAFE_ENGINES)


@lru_cache(maxsize=16384)
def _engines(host: str, domain: str) -> tuple[SafeEngine, ...]:
    if not domain:
        return ()
    brand = f"{domain.partition('.')[0]}.*"
    keys = [host, f"*.{host}", host.removesuffix(domain) + brand, f"*.{brand}"]
    parent = host
    while parent != domain and "." in parent:
        parent = parent.partition(".")[2]
        keys.append(f"*.{parent}")
    return tuple(dict.fromkeys(engine for key in keys for engine in _BY_KEY.get(key, ())))


def _by_key() -> dict[str, tuple[SafeEngine, ...]]:
    found: dict[str, tuple[SafeEngine, ...]] = {}
    for engine in SAFE_ENGINES:
        for key in engine.keys:
            found[key] = (*found.get(key, ()), engine)
    return found


_BY_KEY = _by_key()
_STRICT = {name: host for host, names in STRICT_HOSTS.items() for name in names}


def _forced(query: str, path: str, engine: SafeEngine) -> str:
    """The query with the engine's parameters, each once and last."""
    if not query:
        return query
    wanted = engine.params if engine.paths is None or engine.paths.match(path) else ()
    names = {name.lower() for name, _ in wanted} | engine.dropped
    if not names and not engine.bang:
        return query
    kept = _without(query, names) if names else query
    if engine.bang:
        kept = "&".join(_unbanged(piece, engine.bang) for piece in kept.split("&"))
    forced = "&".join(f"{name}={value}" for name, value in wanted)
    return f"{kept}&{forced}" if kept and forced else kept or forced


def _without(query: str, names: set[str] | frozenset[str]) -> str:
    """The query without these parameters, however their names are written: `SAFE`, `%73afe`, `safe[]`, behind a `;`."""
    pieces = _SEPARATOR.split(query)
    kept: list[str] = []
    written = {piece.partition("=")[0] for piece in pieces[::2]}
    off = {name for name in written if _name(name) in names}
    for place in range(0, len(pieces), 2):
        if pieces[place].partition("=")[0] not in off:
            kept += [pieces[place - 1] if place else "", pieces[place]]
    return "".join(kept[1:] if kept[:1] and kept[0] in {"&", ";", ""} else kept)


def _name(name: str) -> str:
    """The name of a parameter as engines read it, however it is written."""
    for _ in range(3):
        if "%" not in name:
            break
        name = unquote(name)
    return _NAME_END.split(name.replace("+", " ").strip().lower(), maxsplit=1)[0].strip()


def _unbanged(piece: str, bang: str) -> str:
    """A parameter without the word that switches SafeSearch off."""
    name, equals, value = piece.partition("=")
    if not equals or bang[1:] not in unquote_plus(value).lower():
        return piece
    words = re.sub(re.escape(bang), " ", unquote_plus(value), flags=re.IGNORECASE)
    return f"{name}={quote_plus(' '.join(words.split()))}"


def _with_settings(cookie: str, settings: list[Setting]) -> str:
    """The `Cookie` header with every setting as it must be, each cookie once (RFC 6265 §5.4)."""
    pairs: dict[str, tuple[str, str]] = {}
    rest: list[str] = []
    ours = {setting.cookie.lower() for setting in settings}
    for piece in cookie.split(";"):
        name, _, value = piece.strip().partition("=")
        if name.strip().lower() in ours:
            pairs.setdefault(name.strip().lower(), (name.strip(), value.strip().strip('"')))
        elif piece.strip():
            rest.append(piece.strip())
    for setting in settings:
        name, value = pairs.get(setting.cookie.lower(), (setting.cookie, ""))
        pairs[setting.cookie.lower()] = (setting.cookie, _with_setting(value, setting))
    return "; ".join((*rest, *(f"{name}={value}" for name, value in pairs.values())))


def _with_setting(value: str, setting: Setting) -> str:
    if not setting.field:
        return setting.value
    fields = [
        field
        for field in value.split(setting.between)
        if field and unquote(field).partition(setting.equals)[0].strip().lower() != setting.field.lower()
    ]
    return setting.between.join((*fields, f"{setting.field}{setting.equals}{setting.value}"))
