"""What phrases say: plain ones and weighted ones, of searches and, where a list asks for it, of addresses and pages.

In come the phrases of a snapshot with what each list wants; out come matches with their evidence. What speaks for a
text (exceptions, points below zero) counts wherever words are looked for: that a list leaves addresses alone is there
to close less, never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from categories.model import EntryKind, ListStatus, Match
from categories.names import Url
from categories.pagetable import PageTable
from categories.phrases import PhraseEntry, PhraseTable
from categories.scoring import PhraseKind, ScoredPhrase
from categories.weighted import Over, WeightedTable, evidence, from_row, in_points, readings, written

URL_READ = 2048
"""Characters of an address whose words are looked at: what a decision costs stays bounded."""


class Heed(NamedTuple):
    """What a list wants of its phrases."""

    limit: int
    """Score a text may reach."""
    apply_to: tuple[str, ...]
    """`search`, `url`, `page`."""


class Words:
    """All phrases of a snapshot. Immutable; safe to read from any thread."""

    def __init__(
        self,
        lists: Sequence[ListStatus],
        heed: Sequence[Heed],
        plain: Sequence[PhraseEntry],
        weighted: Sequence[list[Any]],
        compiled: bytes | None = None,
    ) -> None:
        """`weighted` are rows as `categories.weighted.as_row` makes them; `compiled` is for `pages`."""
        self._lists = tuple(lists)
        scored = [(row[0], from_row(row, lists[row[0]].category, lists[row[0]].name)) for row in weighted]
        limits: dict[str, int] = {}
        for number, phrase in scored:
            limits[phrase.category] = min(heed[number].limit, limits.get(phrase.category, heed[number].limit))
        points = [(number, in_points(phrase, heed[number].limit)) for number, phrase in scored]
        asked = {number for number, wants in enumerate(heed) if "url" in wants.apply_to}
        self.reads_urls = any(entry.list in asked for entry in plain) or any(number in asked for number, _ in points)
        """Whether some list wants its words looked for in addresses."""

        def phrases_of(use: str) -> Iterator[ScoredPhrase]:
            return (phrase for number, phrase in points if use in heed[number].apply_to or _soothes(phrase))

        def tables(use: str) -> _Tables:
            heeded = phrases_of(use)
            words = [entry for entry in plain if use in heed[entry.list].apply_to]
            if use == "url":
                words = [entry for entry in words if not entry.whole]
            return _Tables(PhraseTable(words), WeightedTable(heeded, limits))

        self._search = tables("search")
        paged = {number for number, wants in enumerate(heed) if "page" in wants.apply_to}
        worded = [entry for entry in plain if entry.list in paged and not entry.whole]
        asks = bool(worded) or any(number in paged for number, _ in points)
        self.pages = PageTable(self._lists, worded, phrases_of("page"), limits, compiled) if asks else None
        """What is looked for in pages; None when no list asks for it."""
        same = all(set(wants.apply_to) >= {"search", "url"} for wants in heed) and not any(one.whole for one in plain)
        self._url = self._search if same or not self.reads_urls else tables("url")

    def in_search(self, text: str) -> tuple[Match, ...]:
        """What phrases say of a search."""
        return self._matches(self._search, text)

    def in_url(self, url: Url) -> tuple[Match, ...]:
        """What phrases say of the words of an address: labels of the host, path and query."""
        return self._matches(self._url, words_of(url)) if self.reads_urls else ()

    def containing(self, text: str) -> Iterator[Match]:
        """Every phrase whose own words contain the text, once."""
        yield from dict.fromkeys(self._containing(text))

    def _containing(self, text: str) -> Iterator[Match]:
        paged = [] if self.pages is None else [_Pair(self.pages.entries(), self.pages.phrases())]
        searched = [
            _Pair(one.plain.entries(), one.weighted.phrases()) for one in dict.fromkeys((self._search, self._url))
        ]
        for entries, phrases in (*searched, *paged):
            yield from (self._plain(entry) for entry in entries if text in entry.words)
            for phrase in phrases:
                if any(text in part for part in phrase.parts):
                    entry = written(phrase)
                    yield Match(phrase.category, phrase.list, entry, phrase.line, EntryKind.PHRASE, phrase.weight)

    def _matches(self, tables: _Tables, text: str) -> tuple[Match, ...]:
        if not text:
            return ()
        read = readings(text)
        plain = [self._plain(entry) for entry in tables.plain.hits_in(read)]
        return (*plain, *map(_weighted, tables.weighted.over_in(read)))

    def _plain(self, entry: PhraseEntry) -> Match:
        status = self._lists[entry.list]
        return Match(status.category, status.name, entry.words, entry.line, EntryKind.PHRASE, entry.weight)


class _Pair(NamedTuple):
    entries: Iterable[PhraseEntry]
    phrases: Iterable[ScoredPhrase]


class _Tables(NamedTuple):
    """What is looked for in one kind of text."""

    plain: PhraseTable
    weighted: WeightedTable


def words_of(url: Url) -> str:
    """The words of an address, decoded and parted; of a long one those at its beginning."""
    return unquote_plus(f"{url.host} {url.path} {url.query}"[:URL_READ]).replace("/", " ")


def _soothes(phrase: ScoredPhrase) -> bool:
    return phrase.kind is PhraseKind.EXCEPTION or phrase.weight < 0


def _weighted(over: Over) -> Match:
    first = over.phrases[0]
    return Match(over.category, first.list, evidence(over.phrases), first.line, EntryKind.PHRASE, over.score)
