"""Statutory lists in force, laid over every other list.

In comes a canonical URL; out come the statutory matches first, then whatever the lists below say. A match names the
list and the category and never the entry (requirement F-06). Nothing below can hide one: the statutory lists are asked
first, and by themselves.

The work of one request is bounded whatever is asked: for each bundle one HMAC for each parent of the host (remembered
by host), and only where a host has listed pages one to four for the path, one for each of its parents up to the deepest
entry, and for parameters only on a page that has entries with parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from categories.model import EntryKind, Index, ListStatus, Match
from categories.names import Url, host_suffixes
from categories.pagetable import PageTable
from categories.statutory_bundle import BELOW, HOST, PAGES, QUERIES, Bundle
from categories.statutory_forms import (
    WITHHELD,
    asked_form,
    below_form,
    host_form,
    page_form,
    page_host,
    parameter_sets,
    parameters_of,
    parents_of,
    paths_of,
    query_form,
)

PREFIX = "statutory/"
"""Begins the name of every statutory list."""
CACHED_HOSTS = 16384
"""Hosts remembered: about 4 MB."""
CACHED_PAGES = 64
"""Pages with their parameters remembered: as many as one URL has readings, and some more."""


class Installed(NamedTuple):
    """A bundle under the name the school gave its source."""

    name: str
    """As in the settings: `iwf`."""
    bundle: Bundle
    """Verified."""

    @property
    def list(self) -> str:
        """Name of the list, as evidence shows it."""
        return PREFIX + self.name


class _OfHost(NamedTuple):
    """What is known of a host alone."""

    matches: tuple[Match, ...]
    """Entries for the host or a parent of it."""
    paged: tuple[tuple[Installed, int], ...]
    """Lists with entries for pages of the host, and of which kinds."""


class StatutoryIndex:
    """Implements `categories.model.Index`: statutory lists over any other index. Thread-safe to read."""

    def __init__(self, installed: Sequence[Installed], below: Index) -> None:
        self.installed = tuple(installed)
        """The bundles in force."""
        self.under = below
        """Every other list."""
        digests = "|".join(f"{item.name}:{item.bundle.digest}" for item in self.installed)
        self._revision = hashlib.sha256(f"{below.revision}|{digests}".encode()).hexdigest()[:12]
        self._of_host = lru_cache(maxsize=CACHED_HOSTS)(self._ask_host)
        # The readings of one URL ask for the same few pages again and again, and trying sets of parameters is dear.
        self._query_row = lru_cache(maxsize=CACHED_PAGES)(_query_row)

    @property
    def revision(self) -> str:
        """Checksum (short) of everything in force, statutory lists included."""
        return self._revision

    @property
    def lists(self) -> tuple[ListStatus, ...]:
        """Every list in force, statutory ones first."""
        return (*map(_status, self.installed), *self.under.lists)

    @property
    def categories(self) -> frozenset[str]:
        """Every category some list has."""
        return self.under.categories | self.locked

    @property
    def locked(self) -> frozenset[str]:
        """Categories of the statutory lists in force: each must be LOCKED, or no engine may be built on this."""
        return frozenset(item.bundle.header.category for item in self.installed)

    @property
    def canaries(self) -> tuple[tuple[str, str], ...]:
        """Hosts that must be blocked for everybody, each with its category: the proof that the lists are asked."""
        return tuple((item.bundle.header.canary, item.bundle.header.category) for item in self.installed)

    def match(self, url: Url) -> tuple[Match, ...]:
        """Statutory matches, then all others, most specific first; no duplicates."""
        known = self._of_host(url.host)
        found = known.matches
        if known.paged:
            found = (*self._ask_pages(url, known.paged), *found)
        below = self.under.match(url)
        return found + below if found else below

    def pageless(self, url: Url) -> tuple[Match, ...] | None:
        """What `match` finds when no page of the host can fit; None when one might."""
        matches, paged = self._of_host(url.host)
        below = None if paged else self.under.pageless(url)
        return below if below is None or not matches else matches + below

    def match_text(self, text: str) -> tuple[Match, ...]:
        """Search words: statutory lists have none."""
        return self.under.match_text(text)

    @property
    def reads_urls(self) -> bool:
        """Whether some list wants its words looked for in addresses."""
        return self.under.reads_urls

    def match_words(self, url: Url) -> tuple[Match, ...]:
        """What phrases say of the words of an address."""
        return self.under.match_words(url)

    @property
    def pages(self) -> PageTable | None:
        """What is looked for in the text of pages; None when no list asks for it."""
        return self.under.pages

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories that have URL entries on this very host or its parents: the host alone cannot settle them."""
        paged = self._of_host(host).paged
        below = self.under.has_entries_below(host)
        return below.union(item.bundle.header.category for item, _ in paged) if paged else below

    def classify(self, urls: Iterable[Url]) -> Iterator[tuple[Match, ...]]:
        """`match` for many."""
        return map(self.match, urls)

    def _ask_host(self, host: str) -> _OfHost:
        suffixes, own = host_suffixes(host), page_host(host)
        matches: list[Match] = []
        paged: list[tuple[Installed, int]] = []
        for item in self.installed:
            bundle, listed = item.bundle, False
            deepest = bundle.header.labels
            for suffix in suffixes if len(suffixes) == 1 else suffixes[-deepest:-1]:
                row = bundle.row(host_form(suffix))
                marks = bundle.marks(row)
                if marks & HOST and not listed:
                    listed = True
                    matches.append(_match(item, row, EntryKind.DOMAIN))
                if suffix == own and marks & ~HOST:
                    paged.append((item, marks))
        return _OfHost(tuple(matches), tuple(paged))

    def _ask_pages(self, url: Url, paged: tuple[tuple[Installed, int], ...]) -> Iterator[Match]:
        host, paths = page_host(url.host), paths_of(url.path)
        for item, marks in paged:
            row = self._page_row(item.bundle, marks, host, paths, url.query)
            if row >= 0:
                yield _match(item, row, EntryKind.URL)

    def _page_row(self, bundle: Bundle, marks: int, host: str, paths: tuple[str, ...], query: str) -> int:
        """The row of the entry that lists this page; -1 when none does."""
        asked = parameters_of(query) if query and marks & QUERIES else ()
        for path in paths:
            if marks & PAGES and (row := bundle.row(page_form(host, path))) >= 0:
                return row
            if marks & BELOW:
                for parent in parents_of(path, bundle.header.segments):
                    if (row := bundle.row(below_form(host, parent))) >= 0:
                        return row
            if asked and (row := self._query_row(bundle, host, path, asked)) >= 0:
                return row
        return -1


def _query_row(bundle: Bundle, host: str, path: str, parameters: tuple[str, ...]) -> int:
    asked = bundle.row(asked_form(host, path))
    if asked < 0:
        return -1
    sets = parameter_sets(parameters, bundle.marks(asked))
    if sets is None:
        return asked  # far too many parameters on a page that is listed by some: taken for the listed one
    return max((bundle.row(query_form(host, path, chosen)) for chosen in sets), default=-1)


def _match(item: Installed, row: int, kind: EntryKind) -> Match:
    """The evidence. The row number tells the issuer, who holds the plain list, which entry it was; nobody else."""
    return Match(item.bundle.header.category, item.list, WITHHELD, row + 1, kind)


def _status(item: Installed) -> ListStatus:
    header = item.bundle.header
    return ListStatus(item.list, header.category, header.entries, 0, header.created.timestamp(), header.list)
