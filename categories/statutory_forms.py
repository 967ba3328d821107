"""What an entry of a statutory list is, and the forms it is compared in.

In comes a line as an issuer writes it, or a canonical `Url`; out come the texts that are hashed: never stored, never
shown. Builder and lookup share these functions, so that a bundle and the gateway cannot disagree.

    bad.example               the host and everything below it, every path (`*.bad.example` is the same)
    bad.example/              that very page; also with any query added
    bad.example/a/b           that very page; also with any query added
    bad.example/a/*           everything at and below that path of that very host
    bad.example/a?id=7        that page, whenever all the named parameters are among those asked for, in any order

Scheme and port play no part, nor does case, nor a closing slash; `www.` before the host of a page is no other host.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

from categories.names import NameProblem, Url, canonical_url, is_address, registrable_domain
from categories.paths import folded, folded_path
from categories.urlreadings import path_readings

WITHHELD = "(withheld)"
"""Stands wherever an entry of a statutory list would be shown: they are secret (requirement F-06)."""
MOST_SEGMENTS = 32
"""Segments the path of an `everything below` entry may have: bounds the work of one request."""
MOST_COMBINED = 4096
"""Sets of parameters tried for one request. Beyond that the page counts as listed: no honest link reaches it."""
WHOLE = 8
"""Entries with this many parameters or more are compared with all parameters of a request at once."""

_SEPARATORS = re.compile(r"[&;]+")


class Kind(enum.StrEnum):
    """How an entry is compared."""

    HOST = "host"
    """A host and everything below it."""
    PAGE = "page"
    """One path, with any query or none."""
    BELOW = "below"
    """One path and everything below it."""
    QUERY = "query"
    """One path, when these parameters are among those asked for."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry, ready to be hashed. Its text is kept out of `repr`, so that no traceback shows it."""

    kind: Kind
    """How it is compared."""
    host: str = field(repr=False)
    """Canonical host; for a page without a leading `www.`."""
    path: str = field(default="", repr=False)
    """Folded path; empty for a host."""
    parameters: tuple[str, ...] = field(default=(), repr=False)
    """Folded parameters, sorted, for `QUERY`."""

    @property
    def form(self) -> bytes:
        """The text that is hashed."""
        match self.kind:
            case Kind.HOST:
                return host_form(self.host)
            case Kind.PAGE:
                return page_form(self.host, self.path)
            case Kind.BELOW:
                return below_form(self.host, self.path)
            case Kind.QUERY:
                return query_form(self.host, self.path, self.parameters)


def read_entry(text: str) -> Listed:
    """The entry a line stands for. Raises `NameProblem`, whose words never repeat the line."""
    try:
        url = canonical_url(text.strip().removeprefix("*."))
        return _listed(url, text)
    except NameProblem as problem:
        words = str(problem) if isinstance(problem, _Unfit) else "it is no host and no URL"
        raise NameProblem(words) from None


class _Unfit(NameProblem):
    """A problem whose words hold nothing of the line."""


def _listed(url: Url, text: str) -> Listed:
    if not url.is_address and not registrable_domain(url.host):
        raise _Unfit("it is a single label or a public suffix: it would close far more than one site")
    rest = text.strip().partition("://")[2] or text.strip()
    if not re.search(r"[/\\?]", rest):
        return Listed(Kind.HOST, url.host)
    if text.strip().startswith("*."):
        raise _Unfit("a star before the host cannot go with a path; list the host, or the page on each host")
    host = page_host(url.host)
    if url.path.endswith("/*") and not url.query:
        path = _trimmed(folded_path(url.path[:-1]))
        if path.count("/") > MOST_SEGMENTS:
            raise _Unfit(f"its path has more than {MOST_SEGMENTS} segments")
        return Listed(Kind.BELOW, host, path)
    path = _trimmed(folded_path(url.path))
    parameters = parameters_of(url.query)
    return Listed(Kind.QUERY, host, path, parameters) if parameters else Listed(Kind.PAGE, host, path)


def page_host(host: str) -> str:
    """The host whose pages are meant: `www.example.org` and `example.org` show the same ones."""
    rest = host.removeprefix("www.")
    return rest if "." in rest and not is_address(host) else host


def host_form(host: str) -> bytes:
    """A host that has entries; which kinds is said by its marks."""
    return b"h\0" + host.encode()


def page_form(host: str, path: str) -> bytes:
    """An entry for one page."""
    return b"p\0" + _text(host + path)


def below_form(host: str, path: str) -> bytes:
    """An entry for a path and everything below it."""
    return b"b\0" + _text(host + path)


def asked_form(host: str, path: str) -> bytes:
    """The mark that a page has entries that name parameters."""
    return b"a\0" + _text(host + path)


def query_form(host: str, path: str, parameters: tuple[str, ...]) -> bytes:
    """An entry for a page with these parameters."""
    return b"q\0" + _text(f"{host}{path}?{'&'.join(parameters)}")


def paths_of(path: str) -> tuple[str, ...]:
    """A canonical path as it is compared, in every way a server may read it: at most six."""
    return tuple(dict.fromkeys(_trimmed(folded_path(reading)) for reading in path_readings(path)))


def parents_of(path: str, most: int) -> list[str]:
    """A folded path and what it lies below, up to `most` segments: `/a/b` gives `/`, `/a`, `/a/b`."""
    found = ["/"]
    end = 0
    while len(found) <= most and end < len(path) - 1:
        end = path.find("/", end + 1)
        if end < 0:
            end = len(path)
        found.append(path[:end])
    return found


def parameters_of(query: str) -> tuple[str, ...]:
    """The parameters of a query as they are compared: folded, sorted, each once."""
    if not query:
        return ()
    asked = folded(query.replace("+", "%20"))
    return tuple(sorted({piece for piece in _SEPARATORS.split(asked) if piece}))


def parameter_sets(parameters: tuple[str, ...], counts: int) -> list[tuple[str, ...]] | None:
    """The sets of parameters to look for; `counts` has bit n-1 for entries with n of them. None: too many to try."""
    sizes = [size for size in range(1, WHOLE) if counts & 1 << size - 1 and size <= len(parameters)]
    if sum(comb(len(parameters), size) for size in sizes) > MOST_COMBINED:
        return None
    found = [chosen for size in sizes for chosen in combinations(parameters, size)]
    if counts & 1 << WHOLE - 1 and len(parameters) >= WHOLE:
        found.append(parameters)
    return found


def count_bit(parameters: tuple[str, ...]) -> int:
    """The bit that says how many parameters an entry names."""
    return 1 << min(len(parameters), WHOLE) - 1


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
