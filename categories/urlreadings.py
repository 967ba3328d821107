"""What else a server may take a URL for.

In comes a canonical URL; out come the other URLs that some server answers it as. Servers differ in whether `%2F` is a
slash, whether `;x=1` belongs to a path, whether `/page/?id=7` is `/page?id=7`, and which of two parameters of one
name they heed; and an IPv6 address may hold an IPv4 one. The rule here: these are readings beside the plain one, never
instead of it. Whoever decides takes the strictest of them all (design §5.6), so a reading can close a page and never
open one.
"""

from __future__ import annotations

import re

from categories.hosts import embedded_address
from categories.names import Url
from categories.paths import canonical_path, folded_all, split_query

_PARAMETERS = re.compile(r";[^/]*")


def other_readings(url: Url) -> tuple[Url, ...]:
    """The other readings of a URL, no duplicates; none of nearly every URL. Never raises."""
    path, query, host = url.path, url.query, url.host
    slashed = "%2F" in path or "%5C" in path
    closed = bool(query) and len(path) > 1 and path[-1] == "/"
    if not (slashed or closed or ";" in path or "&" in query or ";" in query or ":" in host):
        return ()
    paths = path_readings(path) if slashed or ";" in path else (path,)
    if query:  # with none, an entry for the page holds below it anyway
        paths = (path, *(reading.rstrip("/") or "/" for reading in paths))
    queries = (query, *_queries(query)) if query else (query,)
    inside = embedded_address(host) if ":" in host else None
    hosts = (host,) if inside is None else (host, inside)
    found = [url._replace(host=name, path=one, query=asked) for name in hosts for one in paths for asked in queries]
    return tuple(dict.fromkeys(found))[1:]


def path_readings(path: str) -> tuple[str, ...]:
    """A canonical path in every way a server may read it, the plain one first: at most six."""
    readings = [path]
    if "%2F" in path or "%5C" in path:  # some servers read an escaped slash as a slash, and leave `..` as it is or not
        opened = path.replace("%2F", "/").replace("%5C", "/")
        readings += [opened, canonical_path(opened)]
    if ";" in path:  # and drop parameters of a segment: `/page;session=1`
        readings += [canonical_path(_PARAMETERS.sub("", reading)) for reading in readings]
    return tuple(dict.fromkeys(readings))


def _queries(query: str) -> tuple[str, ...]:
    """The query with the first and with the last of the parameters that share a name; nothing when none do."""
    pieces = split_query(query)
    if len(pieces) < 2:
        return ()
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for piece, name in zip(pieces, folded_all([piece.partition("=")[0] for piece in pieces]), strict=True):
        first.setdefault(name, piece)
        last[name] = piece
    if len(first) == len(pieces):
        return ()
    return tuple("&".join(kept.values()) for kept in (first, last))
