"""What is the same for every URL of a host, so that most requests need one question asked and not seven.

In comes a request; out comes whether its host alone settles it. The rule here: only what no path, query or method can
change is remembered of a host, and a host of which a rule names a page settles nothing.
"""

from __future__ import annotations

from typing import Final, final

from categories.hosts import embedded_address
from categories.model import Index
from categories.names import Url, host_suffixes
from policy.model import Request, Stage
from policy.searches import asks, find_askers, may_search
from policy.shapes import shape
from policy.wrappers import finds_wrapper, wrapped

HOSTS_REMEMBERED = 16_384
"""Hosts whose facts are kept, some 4 MB; then all are forgotten."""


@final
class HostFacts:
    """What a host settles for all its URLs."""

    __slots__ = ("asked", "paged", "settles", "wraps")

    def __init__(self, settles: bool, paged: bool = False, asked: bool = False, wraps: bool = False) -> None:
        self.settles = settles
        """Whether it settles anything at all."""
        self.paged = paged
        """Whether pages of it are listed: then the path must be looked at."""
        self.asked = asked
        """Whether it is a place where people search."""
        self.wraps = wraps
        """Whether its URLs may wrap others."""


_PLAIN: Final = HostFacts(True)
_NOTHING: Final = HostFacts(False)
_CONNECT: Final = Stage.CONNECT


@final
class Hosts:
    """Facts of hosts under one index and one policy. Thread-safe: whoever computes them, they come out the same."""

    def __init__(self, index: Index, paged: frozenset[str]) -> None:
        """`paged`: hosts of which some rule names a URL."""
        self._index = index
        self._paged = paged
        self._known: dict[str, HostFacts] = {}

    def settle(self, request: Request) -> bool:
        """Whether nothing but its host can matter of the request; else it must be read as a whole.

        That is: no listed page of the host can fit, no rule names one, nothing is searched for or wrapped, neither the
        form of the request nor anything seen of it is a signal, and where pages are listed or people search, servers
        read its path in one way.
        """
        url = request.url
        facts = self._known.get(url.host)
        if facts is None:
            facts = self._ask(url)
        if not facts.settles or request.signals or request.terms is not None or shape(url, request.method):
            return False
        if facts.wraps and wrapped(url):
            return False
        path = url.path
        if request.stage is _CONNECT:
            return not facts.paged or (path == "/" and not url.query)
        if facts.paged or facts.asked:
            if ";" in path or "%2F" in path or "%5C" in path:
                return False
            if facts.paged and self._index.pageless(url) is None:
                return False
        if facts.asked:
            return not asks(url)
        return not (url.query and may_search(path) and asks(url))

    def _ask(self, url: Url) -> HostFacts:
        host = url.host
        if len(self._known) >= HOSTS_REMEMBERED:
            self._known.clear()
        holds_another = ":" in host and embedded_address(host) is not None
        facts = _NOTHING
        if not holds_another and (not self._paged or self._paged.isdisjoint(host_suffixes(host))):
            paged = bool(self._index.has_entries_below(host))
            asked, wraps = bool(find_askers(host, url.domain)), finds_wrapper(url.domain)
            facts = HostFacts(True, paged, asked, wraps) if paged or asked or wraps else _PLAIN
        self._known[host] = facts
        return facts
