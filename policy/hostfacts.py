"""What is the same for every URL of a host, so that most requests need one question asked and not seven.

In comes a URL; out comes what its host alone settles, remembered by host. The rule here: only what no path, query or
method can change is remembered, and only hosts of which no page is listed or named by a rule have any facts.
"""

from __future__ import annotations

from typing import NamedTuple

from categories.hosts import embedded_address
from categories.model import Index, Match
from categories.names import Url, host_suffixes
from policy.model import Request, Stage
from policy.searches import askers_of, may_search, search_terms
from policy.shapes import shape
from policy.wrappers import may_wrap, wrapped

HOSTS_REMEMBERED = 16_384
"""Hosts whose facts are kept, some 4 MB; then all are forgotten."""


class HostFacts(NamedTuple):
    """What a host settles for all its URLs."""

    sited: tuple[Match, ...]
    """What lists say of every one of them."""
    asked: bool
    """Whether it is a place where people search."""
    wraps: bool
    """Whether its URLs may wrap others."""


_UNKNOWN = HostFacts((), False, False)


class Hosts:
    """Facts of hosts under one index and one policy. Thread-safe: whoever computes them, they come out the same."""

    def __init__(self, index: Index, paged: frozenset[str]) -> None:
        """`paged`: hosts of which some rule names a URL."""
        self._index = index
        self._paged = paged
        self._known: dict[str, HostFacts | None] = {}

    def settling(self, request: Request) -> HostFacts | None:
        """The facts of its host when nothing else of the request can matter; else None: it must be read as a whole.

        That is: no page of the host is listed or named by a rule, nothing is searched for or wrapped, and neither
        the form of the request nor anything seen of it is a signal.
        """
        url = request.url
        try:
            facts = self._known[url.host]
        except KeyError:
            facts = self._ask(url)
        if facts is None or request.signals or request.terms is not None or shape(url, request.method):
            return None
        if facts.wraps and wrapped(url):
            return None
        if request.stage is Stage.CONNECT:
            return facts
        if facts.asked:
            return None if search_terms(url) else facts
        return None if url.query and may_search(url.path) else facts

    def _ask(self, url: Url) -> HostFacts | None:
        if len(self._known) >= HOSTS_REMEMBERED:
            self._known.clear()
        holds_another = ":" in url.host and embedded_address(url.host) is not None
        sited = None if holds_another else self._index.settled(url.host)
        facts = None
        if sited is not None and (not self._paged or self._paged.isdisjoint(host_suffixes(url.host))):
            asked, wraps = bool(askers_of(url.host, url.domain)), may_wrap(url.domain)
            facts = HostFacts(sited, asked, wraps) if sited or asked or wraps else _UNKNOWN
        self._known[url.host] = facts
        return facts
