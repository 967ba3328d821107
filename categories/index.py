"""The compiled index: every list in force, behind one door.

In comes a canonical URL or a text; out come matches with their evidence. An index is complete and never changes; a
new one replaces it whole. Its large parts are memory-mapped: a process holds a few small objects, not the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from categories.domains import HOSTS_REMEMBERED, DomainTable, Hit, entry_of, host_key
from categories.model import ListStatus, Match
from categories.names import Url
from categories.paths import canonical_path
from categories.words import Words

CACHED_MATCHES = 8192
"""Match objects kept for entries seen lately: about 3 MB."""
_NONE: frozenset[str] = frozenset()


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
        self._match_of = lru_cache(maxsize=CACHED_MATCHES)(self._new_match)
        self._of_host = lru_cache(maxsize=HOSTS_REMEMBERED)(self._match_host)

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
        found = self._of_host(url.host)
        if found is None:
            hits = self._domains.hits(url.host, url.path, url.query)
            if "%2F" in url.path or "%5C" in url.path:
                hits = self._with_other_reading(url, hits)
            found = tuple(map(self._match_of, hits))
        return found

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

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories that have URL entries on this very host or its parents: the host alone cannot settle them."""
        if self._of_host(host) is not None:
            return _NONE
        return frozenset(self._lists[which].category for which in self._domains.lists_below(host))

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

    def _match_host(self, host: str) -> tuple[Match, ...] | None:
        """What the host alone settles; None when some list has URL entries on it."""
        hits = self._domains.settled(host)
        return None if hits is None else tuple(map(self._match_of, hits))

    def _with_other_reading(self, url: Url, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Some servers read an escaped slash as a slash: such a page is also what it would be there (design §5.6)."""
        path = canonical_path(url.path.replace("%2F", "/").replace("%5C", "/"))
        other = self._domains.hits(url.host, path, url.query)
        return [*(hit for hit in other if hit not in hits), *hits]

    def _new_match(self, hit: Hit) -> Match:
        status = self._lists[hit.list]
        kind, value = entry_of(hit.key)
        return Match(status.category, status.name, value, hit.line, kind)
