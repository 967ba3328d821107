"""The compiled index: every list in force, behind one door.

In comes a canonical URL or a text; out come matches with their evidence. An index is complete and never changes; a
new one replaces it whole. Its large parts are memory-mapped: a process holds a few small objects, not the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, final

from categories.domains import DomainTable, Hit, Mark, entry_of, host_key
from categories.hosts import is_address
from categories.model import EntryKind, ListStatus, Match
from categories.names import Url
from categories.pagetable import PageTable
from categories.words import Words

CACHED_MATCHES: Final = 8192
"""Match objects kept for entries seen lately: about 3 MB."""
HOSTS_REMEMBERED: Final = 16384
"""Hosts whose walk is remembered, about 5 MB; then all are forgotten. A page asks for few, and CONNECT asks twice."""
_NONE: Final[frozenset[str]] = frozenset()
_match: Final = tuple.__new__  # half the price of the named tuple's own


@final
class _OfHost:
    """What is known of a host alone."""

    __slots__ = ("below", "marked", "matches")

    def __init__(self, matches: tuple[Match, ...], marked: tuple[Mark, ...], below: frozenset[str]) -> None:
        self.matches = matches
        """Entries for the host, a parent or a network of it."""
        self.marked = marked
        """Where URL entries could fit, given the path."""
        self.below = below
        """Their categories."""


_UNLISTED: Final = _OfHost((), (), _NONE)


@final
class CompiledIndex:
    """Implements `categories.model.Index` over one snapshot. Thread-safe to read."""

    def __init__(
        self, revision: str, lists: tuple[ListStatus, ...], domains: DomainTable, words: Words, fingerprint: str
    ) -> None:
        self._revision = revision
        self._lists = lists
        self._domains = domains
        self._words = words
        self._fingerprint = fingerprint
        self._categories = frozenset(status.category for status in lists)
        self._matches: dict[int, Match] = {}
        self._hosts: dict[str, _OfHost] = {}

    @property
    def revision(self) -> str:
        """Checksum (short) of the compiled content."""
        return self._revision

    @property
    def fingerprint(self) -> str:
        """`categories.sources.source_fingerprint` of the sources it was built from."""
        return self._fingerprint

    @property
    def lists(self) -> tuple[ListStatus, ...]:
        """Every list in force."""
        return self._lists

    @property
    def categories(self) -> frozenset[str]:
        """Every category some list has."""
        return self._categories

    def match(self, url: Url) -> tuple[Match, ...]:
        """All domain, URL and network entries that fit, most specific first; no duplicates."""
        known = self._of_host(url.host)
        if known.marked and (pages := self._domains.url_hits(known.marked, url.path, url.query)):
            return (*[self._match_of(page) for page in pages], *known.matches)
        return known.matches

    def pageless(self, url: Url) -> tuple[Match, ...] | None:
        """What `match` finds when no page of the host can fit; None when one might."""
        known = self._of_host(url.host)
        return None if known.marked and self._domains.may_reach(known.marked, url.path) else known.matches

    @property
    def reads_urls(self) -> bool:
        """Whether some list wants its words looked for in addresses."""
        return self._words.reads_urls

    def match_text(self, text: str) -> tuple[Match, ...]:
        """Plain phrases in `text`, whole words; then each category it has too much of, by weighted phrases."""
        return self._words.in_search(text)

    def match_words(self, url: Url) -> tuple[Match, ...]:
        """The same for the words of an address, by the lists that ask for it."""
        return self._words.in_url(url)

    @property
    def pages(self) -> PageTable | None:
        """What is looked for in the text of pages; None when no list asks for it."""
        return self._words.pages

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories that have URL entries on this very host or its parents: the host alone cannot settle them."""
        return self._of_host(host).below

    def classify(self, urls: Iterable[Url]) -> Iterator[tuple[Match, ...]]:
        """`match` for many."""
        return map(self.match, urls)

    def search(self, text: str) -> Iterator[Match]:
        """Every entry that contains `text`, one after another: walks all entries, seconds on a large index."""
        wanted = text.lower()
        labels = [label for label in wanted.partition("/")[0].split(".") if label]
        for key in self._domains.keys_below():
            # Labels stand in reverse in a key, so the cheap test comes first and the key is turned round only then.
            if (key[0] == "#" or all(label in key for label in labels)) and wanted in entry_of(key)[1]:
                yield from map(self._match_of, self._domains.entries(key))
        yield from self._words.containing(wanted)

    def below(self, host: str) -> Iterator[Match]:
        """Every domain and URL entry on a canonical host and below it."""
        for key in self._domains.keys_below(host_key(host)):
            yield from map(self._match_of, self._domains.entries(key))

    def _of_host(self, host: str) -> _OfHost:
        found = self._hosts.get(host)
        if found is None:
            found = self._ask_host(host)
            if len(self._hosts) >= HOSTS_REMEMBERED:
                self._hosts.clear()
            self._hosts[host] = found
        return found

    def _ask_host(self, host: str) -> _OfHost:
        found, marked = self._domains.walk(host)
        if not found and not marked:
            return _UNLISTED
        plain = not is_address(host)
        # The key of a named host is the host's own end, turned round: nothing need be turned back.
        matches = tuple([self._match_of(hit, host[1 - len(hit.key) :] if plain else None) for hit in found])
        if not marked:
            return _OfHost(matches, (), _NONE)
        return _OfHost(
            matches, marked, frozenset([self._lists[which].category for mark in marked for which in mark.lists])
        )

    def _match_of(self, hit: Hit, host: str | None = None) -> Match:
        """The match of an entry, `host` if that is known; the same object for as long as it is kept."""
        found = self._matches.get(hit.row)
        if found is None:
            if len(self._matches) >= CACHED_MATCHES:
                self._matches.clear()
            which, line = self._domains.place(hit)
            status = self._lists[which]
            kind, value = entry_of(hit.key) if host is None else (EntryKind.DOMAIN, host)
            found = _match(Match, (status.category, status.name, value, line, kind, 0))
            self._matches[hit.row] = found
        return found
