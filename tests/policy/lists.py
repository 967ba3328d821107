"""A small, complete index for policy tests: dictionaries that answer exactly what `categories.model.Index` promises.

The policy room may be built on any index; this one is short enough to be checked by eye, and it is the plain reference
the compiled one is compared with elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from categories.model import EntryKind, ListStatus, Match
from categories.names import Url, host_suffixes


class PlainIndex:
    """Entries by category: `{"games": ["roblox.com", "example.org/games", "word: roblox"]}`."""

    def __init__(self, entries: Mapping[str, Iterable[str]]) -> None:
        self.hosts: dict[str, list[Match]] = {}
        self.urls: dict[str, list[Match]] = {}
        self.words: list[Match] = []
        for category, lines in entries.items():
            for line, text in enumerate(lines, 1):
                self._add(category, line, text)
        self.revision = hashlib.sha256(repr(sorted((k, list(v)) for k, v in entries.items())).encode()).hexdigest()[:8]
        self.categories = frozenset(entries)
        self.lists: tuple[ListStatus, ...] = ()
        self.reads_urls = False
        self.pages = None

    def _add(self, category: str, line: int, text: str) -> None:
        name = f"test/{category}"
        if text.startswith("word: "):
            words = text.removeprefix("word: ")
            self.words.append(Match(category, name, words, line, EntryKind.PHRASE))
        elif "/" in text:
            self.urls.setdefault(text.partition("/")[0], []).append(Match(category, name, text, line, EntryKind.URL))
        else:
            self.hosts.setdefault(text, []).append(Match(category, name, text, line, EntryKind.DOMAIN))

    def match(self, url: Url) -> tuple[Match, ...]:
        """URL entries, then hosts from the longest to the shortest."""
        found = [match for match in self.urls.get(url.host, ()) if _below(match.entry, url)]
        for host in host_suffixes(url.host):
            found.extend(self.hosts.get(host, ()))
        return tuple(found)

    def pageless(self, url: Url) -> tuple[Match, ...] | None:
        """What a URL meets below whose first segment no page of the host or of a parent is listed; else None."""
        hosts = host_suffixes(url.host)
        first = url.path.lower().split("/")[1]
        listed = [match.entry.partition("/")[2] for name in hosts for match in self.urls.get(name, ())]
        if "%" in url.path or ";" in url.path or any(e.startswith(first) or first.startswith(e) for e in listed):
            return None
        return tuple(match for name in hosts for match in self.hosts.get(name, ()))

    def match_text(self, text: str) -> tuple[Match, ...]:
        """Whole words, whatever their case."""
        return tuple(match for match in self.words if re.search(rf"\b{re.escape(match.entry)}\b", text.lower()))

    def match_words(self, url: Url) -> tuple[Match, ...]:
        """None: these lists leave addresses alone."""
        return ()

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories of the URL entries on this host or its parents."""
        return frozenset(match.category for name in host_suffixes(host) for match in self.urls.get(name, ()))

    def classify(self, urls: Iterable[Url]) -> Iterator[tuple[Match, ...]]:
        """`match` for many."""
        return map(self.match, urls)


def _below(entry: str, url: Url) -> bool:
    path = entry[entry.index("/") :]
    return url.path == path or url.path.startswith(path.rstrip("/") + "/")
