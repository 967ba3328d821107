"""A school's own entries, laid over the compiled lists: in force without compiling anything.

In come an index and a few entries that people made; out comes an index that answers for both. The rule here: the
layer only adds matches, so what the lists say stays said. Small by nature (thousands, not millions): plain
dictionaries, read only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from categories.hosts import is_address
from categories.model import EntryKind, Index, ListStatus, Match
from categories.names import NameProblem, Url, canonical_host, canonical_url, host_suffixes
from categories.pagetable import PageTable
from categories.paths import (
    BORDERS,
    folded_all,
    folded_path,
    folded_query,
    parameter_lines,
    parameter_pattern,
    split_query,
)

LIST = "own/"
"""Lists of own entries are called `own/<category>`."""
SOURCE = "entries people made"
"""What their status names as source."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """One entry somebody made."""

    id: int
    """Number in the registry; told as the entry's line."""
    category: str
    """What the thing is."""
    kind: EntryKind
    """DOMAIN or URL."""
    value: str
    """Canonical: a host, or `host/path?query`."""
    until: datetime | None = None
    """The moment from which it no longer holds."""

    def match(self) -> Match:
        """The evidence."""
        return Match(self.category, f"{LIST}{self.category}", self.value, self.id, self.kind)


def read_entry(text: str) -> tuple[EntryKind, str]:
    """Kind and canonical value of what somebody wrote: a host, or a URL with a path. Raises `NameProblem`."""
    url = canonical_url(text)
    if whole_host(text, url):
        if not url.is_address and "." not in url.host:
            raise NameProblem(f"{url.host!r} is a whole top level or a local name; write a host such as example.org")
        return EntryKind.DOMAIN, canonical_host(url.host)
    query = f"?{folded_query(url.query)}" if url.query else ""
    return EntryKind.URL, f"{url.host}{folded_path(url.path)}{query}"


def whole_host(text: str, url: Url) -> bool:
    """Whether somebody who wrote `text`, which is this URL, means the whole host.

    Raises `NameProblem` when he named a part of it that only his browser sees (RFC 3986 §3.5).
    """
    if url.path != "/" or url.query:
        return False
    _, _, fragment = text.partition("#")
    if fragment:
        raise NameProblem(
            f"what stands behind `#` in {text[:80]!r} is never sent, so no rule can tell it apart; "
            f"write {url.host} if the whole host is meant"
        )
    return True


def pack(entry: OwnEntry) -> list[Any]:
    """An entry as primitives, for the overlay."""
    until = None if entry.until is None else (entry.until - _EPOCH) // timedelta(microseconds=1)
    return [entry.id, entry.category, entry.kind.value, entry.value, until]


def unpack(rows: Sequence[Sequence[Any]]) -> tuple[OwnEntry, ...]:
    """The entries of `pack`. Raises `ValueError` or `TypeError` for rows that are none."""
    return tuple(
        OwnEntry(
            int(number),
            str(category),
            EntryKind(kind),
            str(value),
            None if until is None else _EPOCH + timedelta(microseconds=until),
        )
        for number, category, kind, value, until in (row[:5] for row in rows)
    )


class _OwnPage:
    """A URL entry, ready to be asked."""

    def __init__(self, entry: OwnEntry, target: str) -> None:
        self.match = entry.match()
        self.longest = len(target)
        path, _, query = target.partition("?")
        self._path = path.rstrip("/") or "/"
        pieces = folded_all(split_query(query))
        self._asks = [parameter_pattern(piece) for piece in pieces]

    def fits(self, path: str, asked: str) -> bool:
        """Whether a folded path and the parameters asked for, a line each, are this page: whatever order they have."""
        if not self._asks:
            return _fits(self._path, path)
        return (path.rstrip("/") or "/") == self._path and all(wanted.search(asked) for wanted in self._asks)


class LayeredIndex:
    """Implements `categories.model.Index`: the index below, and own entries on top."""

    def __init__(self, under: Index, entries: Iterable[OwnEntry]) -> None:
        own = sorted(entries, key=lambda entry: entry.id)
        self._under = under
        self._hosts: dict[str, list[Match]] = {}
        self._urls: dict[str, list[_OwnPage]] = {}
        for entry in own:
            host, slash, rest = entry.value.partition("/")
            if entry.kind is EntryKind.URL:
                self._urls.setdefault(host, []).append(_OwnPage(entry, slash + rest))
            else:
                self._hosts.setdefault(entry.value, []).append(entry.match())
        for found in self._urls.values():
            found.sort(key=lambda page: -page.longest)
        self._lists_own = bool(own)
        said = repr([under.revision, [pack(entry) for entry in own]]) if own else ""
        self._revision = hashlib.sha256(said.encode()).hexdigest()[:12] if own else under.revision
        self._lists = (*under.lists, *_statuses(own))
        self._categories = under.categories | {entry.category for entry in own}

    @property
    def under(self) -> Index:
        """The compiled lists."""
        return self._under

    @property
    def revision(self) -> str:
        """Changes with the lists below and with the own entries."""
        return self._revision

    @property
    def lists(self) -> tuple[ListStatus, ...]:
        """Every list in force, own ones last."""
        return self._lists

    @property
    def categories(self) -> frozenset[str]:
        """Every category some list has."""
        return self._categories

    def match(self, url: Url) -> tuple[Match, ...]:
        """All entries that fit, most specific first: own ones before those of lists that are as specific."""
        below = self._under.match(url)
        own = self._own(url)
        if not own:
            return below
        return tuple(sorted((*own, *below), key=_specific, reverse=True))

    def pageless(self, url: Url) -> tuple[Match, ...] | None:
        """What `match` finds when no page of the host can fit; None when one might: any own page of it will do."""
        below = self._under.pageless(url)
        if below is None or not self._lists_own:
            return below
        suffixes = _suffixes(url.host)
        if not self._urls.keys().isdisjoint(suffixes):
            return None
        own = [match for name in suffixes for match in self._hosts.get(name, ())]
        return tuple(sorted((*own, *below), key=_specific, reverse=True)) if own else below

    def match_text(self, text: str) -> tuple[Match, ...]:
        """All phrase entries found in `text`: own entries are none."""
        return self._under.match_text(text)

    @property
    def reads_urls(self) -> bool:
        """Whether some list wants its words looked for in addresses."""
        return self._under.reads_urls

    def match_words(self, url: Url) -> tuple[Match, ...]:
        """What phrases say of the words of an address."""
        return self._under.match_words(url)

    @property
    def pages(self) -> PageTable | None:
        """What is looked for in the text of pages; None when no list asks for it."""
        return self._under.pages

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories that have URL entries on this very host or its parents."""
        below = self._under.has_entries_below(host)
        own = {page.match.category for name in _suffixes(host) for page in self._urls.get(name, ())}
        return below | own if own else below

    def classify(self, urls: Iterable[Url]) -> Iterator[tuple[Match, ...]]:
        """`match` for many."""
        return map(self.match, urls)

    def _own(self, url: Url) -> list[Match]:
        found: list[Match] = []
        asked = ""
        for host in (url.host,) if url.is_address else _suffixes(url.host):
            if host in self._urls:
                path = folded_path(url.path)
                if url.query and not asked:
                    asked = parameter_lines(folded_all(split_query(url.query)))
                found += [page.match for page in self._urls[host] if page.fits(path, asked)]
            found += self._hosts.get(host, ())
        return found


def _suffixes(host: str) -> tuple[str, ...]:
    return (host,) if is_address(host) else host_suffixes(host)


def _fits(prefix: str, target: str) -> bool:
    if not target.startswith(prefix):
        return False
    return len(target) == len(prefix) or prefix[-1] in BORDERS or target[len(prefix)] in BORDERS


def _specific(match: Match) -> tuple[bool, int]:
    return match.kind is EntryKind.URL, len(match.entry)


def _statuses(own: Sequence[OwnEntry]) -> Iterator[ListStatus]:
    for category in sorted({entry.category for entry in own}):
        yield ListStatus(
            f"{LIST}{category}", category, sum(entry.category == category for entry in own), 0, 0.0, SOURCE
        )
