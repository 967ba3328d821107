"""Hosts by suffix, URLs by path prefix, addresses by network: one trie answers all three.

In come entries as `(key, list, line)` while a snapshot is built; out comes, for a host and target, every entry that
fits. A key is the host's labels in reverse, a dot behind each (`org.example.www.`), then the path; an address is its
bits (`#401111111…`). So every suffix of a host, every path above a page and every network around an address is a
*prefix* of one key, and one walk through the trie finds them all. The trie is exact: no hashing, no false hit.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, Protocol, final

import marisa_trie

from categories.hosts import is_address
from categories.model import EntryKind
from categories.networks import bits_of, network_of
from categories.paths import (
    BORDERS,
    folded_all,
    folded_path,
    head_of,
    parameter_lines,
    parameter_pattern,
    query_starts,
    split_query,
)
from categories.postings import Postings

BELOW: Final = 0x8000
"""Marks a posting that is no entry: the list has URL entries at this host, so ask again with the path."""
MOST_LISTS = BELOW - 1
"""Lists one snapshot can hold."""

SEGMENTS_REMEMBERED = 8192
"""First path segments of marked hosts of which it is known whether any entry begins so. About 1 MB."""

_NOTHING: Final[tuple[tuple[Hit, ...], tuple[Mark, ...]]] = ((), ())
_SERVICE: Final = re.compile(r"^(?:www|web|ftp)[0-9]*\.(?=[^.]+\.)")


@final
class Hit:
    """An entry that fits, as the table holds it. `DomainTable.place` says where it stands."""

    __slots__ = ("key", "row")

    def __init__(self, row: int, key: str) -> None:
        self.row = row
        """Its row in the postings: no two entries share one."""
        self.key = key
        """Its key in the trie."""


class Trie(Protocol):
    """What is asked of `marisa_trie.Trie`."""

    def iter_prefixes_with_ids(self, key: str) -> Iterator[tuple[str, int]]:
        """Keys that begin `key`, shortest first, with their numbers."""

    def iter_prefixes(self, key: str) -> Iterator[str]:
        """The same without numbers."""

    def get(self, key: str, default: int = -1) -> int:
        """Number of a key."""

    def iterkeys(self, prefix: str = "") -> Iterator[str]:
        """Keys below a prefix."""

    def __len__(self) -> int:
        """Number of keys."""


def host_key(host: str) -> str:
    """The key of a canonical host or network."""
    if host[-1:].isalpha() and "/" not in host and ":" not in host:
        return domain_key(host)  # nearly every host; the rest asks the same more slowly
    return bits_of(host) if "/" in host or is_address(host) else domain_key(host)


def domain_key(host: str) -> str:
    """The key of a canonical host that is no address: `www.example.org` gives `org.example.www.`."""
    return ".".join(host.split(".")[::-1]) + "."


def entry_of(key: str) -> tuple[EntryKind, str]:
    """The way back: kind and value of the entry a key stands for."""
    if key[-1] == "." and key[0] != "#" and "/" not in key:
        return EntryKind.DOMAIN, ".".join(key[:-1].split(".")[::-1])
    head, slash, path = key.partition("/")
    host = network_of(head) if head.startswith("#") else ".".join(reversed(head[:-1].split(".")))
    if slash:
        return EntryKind.URL, f"{host}/{path}"
    return (EntryKind.NETWORK if head.startswith("#") else EntryKind.DOMAIN), host


def without_service(host: str) -> str:
    """A host without the `www`, `web`, `ftp` and digits in front that squidGuard drops on both sides."""
    return _SERVICE.sub("", host, count=1) if host[:1] in {"w", "f"} else host


def url_keys(entry: str, parents: bool) -> tuple[str, str]:
    """Key of a URL entry, and key of its host where the mark goes."""
    host, _, target = entry.partition("/")
    head = host_key(host if parents else without_service(host))
    return f"{head}/{target}", head


@final
class Mark:
    """A host on the way that has URL entries."""

    __slots__ = ("key", "lists")

    def __init__(self, key: str, lists: frozenset[int]) -> None:
        self.key = key
        """Its key."""
        self.lists = lists
        """The lists whose URL entries there may fit the host that was asked for."""


@final
class Asking:
    """What the entries at one page ask of a query."""

    __slots__ = ("heads", "several")

    def __init__(self, keys: Iterable[str], page: str) -> None:
        """`keys`: those that begin with the key of `page` and a question mark; at least one."""
        heads: set[str] = set()
        several: list[tuple[str, list[re.Pattern[str]]]] = []
        for key in keys:
            asked = key[len(page) + 1 :]
            heads.add(head_of(asked))
            pieces = split_query(asked)
            if len(pieces) > 1:
                several.append((key, [parameter_pattern(piece) for piece in pieces]))
        self.heads = None if "" in heads else frozenset(heads)
        """Heads of the parameters they begin with; None where one fits any."""
        self.several = several
        """Keys that ask for more than one parameter, each with what finds it."""


@final
class DomainTable:
    """The compiled entries. Immutable; safe to read from any thread."""

    def __init__(
        self,
        trie: Trie,
        postings: Postings,
        walks_up: tuple[bool, ...],
        longest: int,
    ) -> None:
        self._trie = trie
        self._starts, self._lists, self._lines = postings
        self._walks_up = walks_up
        self._longest = longest
        self._reaches = lru_cache(maxsize=SEGMENTS_REMEMBERED)(self._first_segment)
        self._asking: dict[str, Asking] = {}

    def __len__(self) -> int:
        return len(self._trie)

    def hits(self, host: str, path: str, query: str) -> Sequence[Hit]:
        """Entries that fit a canonical host, path and query, most specific first: URLs, then host, then parents."""
        found, marked = self.walk(host)
        return [*self.url_hits(marked, path, query), *found] if marked else found

    def url_hits(self, marked: Iterable[Mark], path: str, query: str) -> list[Hit]:
        """URL entries that fit path and query below the hosts that `walk` marked, most specific first."""
        folded = folded_path(path)
        found: list[Hit] = []
        for mark in marked:
            found += self._below(mark, folded, query)
        return found

    def may_reach(self, marked: Iterable[Mark], path: str) -> bool:
        """Whether a URL entry below one of these hosts could fit a path, whatever query is behind it and however a
        server reads its escapes and parameters. Asks for the first segment only, so it says yes too often."""
        if "%" in path or ";" in path:
            return True
        end = path.find("/", 1)
        start = "/?" if path == "/" else folded_path(path if end < 0 else path[:end])
        return any(self._reaches(mark.key + start) for mark in marked)

    def walk(self, host: str) -> tuple[tuple[Hit, ...], tuple[Mark, ...]]:
        """What the host alone finds, longest first: entries, and hosts whose URL entries could fit. Not remembered."""
        whole = host_key(host)
        on_the_way = list(self._trie.iter_prefixes_with_ids(whole))
        if not on_the_way:
            return _NOTHING
        found: list[Hit] = []
        marked: list[Mark] = []
        starts, lists = self._starts, self._lists
        on_the_way.reverse()
        for key, number in on_the_way:
            marks: list[int] | None = None
            for row in range(starts[number], starts[number + 1]):
                which: int = lists[row]
                if which < BELOW:
                    found.append(Hit(row, key))
                elif marks is None:
                    marks = [which - BELOW]
                else:
                    marks.append(which - BELOW)
            if marks is not None:
                own = key == host_key(without_service(host))
                fitting = frozenset([which for which in marks if own or self._walks_up[which]])
                if fitting:
                    marked.append(Mark(key, fitting))
        return tuple(found), tuple(marked)

    def place(self, hit: Hit) -> tuple[int, int]:
        """Number of the list a hit stands in, and its line."""
        return self._lists[hit.row], self._lines[hit.row]

    def entries(self, key: str) -> Iterator[Hit]:
        """The entries of one key."""
        number = self._trie.get(key, -1)
        if number >= 0:
            for row in range(self._starts[number], self._starts[number + 1]):
                if not self._lists[row] & BELOW:
                    yield Hit(row, key)

    def keys_below(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with `prefix`, in no order anyone may rely on."""
        return self._trie.iterkeys(prefix)

    def _below(self, mark: Mark, path: str, query: str) -> list[Hit]:
        head = mark.key
        end = path.find("/", 1)
        if not self._reaches(head + (path if end < 0 else path[:end])):
            return []
        page = head + path
        texts, keys = [page], list[str]()
        if query:
            # Folding a long query costs more than all the rest, and few entries reach that far.
            asking = self._asking_at(page)
            if asking is None:
                texts = [f"{page}?"]
            else:
                pieces = folded_all(split_query(query))
                texts = [f"{page}?{start}" for start in query_starts(query, pieces, asking.heads)]
                if asking.several:
                    lines = parameter_lines(pieces)
                    keys = [key for key, wanted in asking.several if all(one.search(lines) for one in wanted)]
        found: dict[int, Hit] = {}
        for text in texts:
            for key, number in self._trie.iter_prefixes_with_ids(text[: self._longest]):
                if len(key) > len(head) and _at_border(text, key):
                    self._collect(key, number, mark.lists, found)
        for key in keys:
            self._collect(key, self._trie.get(key, -1), mark.lists, found)
        hits = list(found.values())
        return sorted(hits, key=lambda hit: (-len(hit.key), hit.row)) if len(hits) > 1 else hits

    def _collect(self, key: str, number: int, wanted: frozenset[int], found: dict[int, Hit]) -> None:
        for row in range(self._starts[number], self._starts[number + 1]):
            if self._lists[row] in wanted:
                found[row] = Hit(row, key)

    def _asking_at(self, page: str) -> Asking | None:
        """What entries ask of a query at that page; None where none does. Remembered for listed pages alone."""
        known = self._asking.get(page)
        if known is None and next(self._trie.iterkeys(f"{page}?"), None) is not None:
            known = self._asking[page] = Asking(self._trie.iterkeys(f"{page}?"), page)
        return known

    def _first_segment(self, start: str) -> bool:
        """Whether any URL entry can begin like a host and the first segment of a path: nearly none does."""
        start = start[: self._longest]
        if next(self._trie.iterkeys(start), None) is not None:
            return True
        slash = start.index("/")
        return any(len(key) > slash for key in self._trie.iter_prefixes(start))


def _at_border(text: str, key: str) -> bool:
    end = len(key)
    return len(text) == end or text[end] in BORDERS or key[-1] in BORDERS


class KeyFile:
    """Keys and their rows on the way to a trie. Rows stay in arrays (6 bytes each), keys go to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lists = array("H")
        self._lines = array("I")
        self.longest = 0

    def __len__(self) -> int:
        return len(self._lists)

    def add(self, key: str, which: int, line: int) -> None:
        """One row. Keys hold no line end: canonical hosts and targets cannot."""
        self._file.write(key.encode("utf-8", "replace") + b"\n")
        self._lists.append(which)
        self._lines.append(line)
        self.longest = max(self.longest, len(key))

    def keys(self) -> Iterator[str]:
        """The keys, in the order of their rows."""
        self._file.seek(0)
        for raw in self._file:
            yield raw[:-1].decode("utf-8")

    def columns(self, number_of: Callable[[str], int], size: int) -> tuple[array[int], array[int], array[int]]:
        """The three columns of `Postings`; of two rows with one key and list the first counts."""
        numbers = array("I", map(number_of, self.keys()))
        starts = array("I", bytes(4 * (size + 1)))
        for number in numbers:
            starts[number + 1] += 1
        for number in range(size):
            starts[number + 1] += starts[number]
        place = array("I", starts)
        lists, lines = array("H", bytes(2 * len(numbers))), array("I", bytes(4 * len(numbers)))
        for number, which, line in zip(numbers, self._lists, self._lines, strict=True):
            first, at = starts[number], place[number]
            if at == first or which not in lists[first:at]:
                lists[at], lines[at] = which, line
                place[number] = at + 1
        return _closed_up(starts, place, lists, lines)


def _closed_up(
    starts: array[int], ends: array[int], lists: array[int], lines: array[int]
) -> tuple[array[int], array[int], array[int]]:
    """Move rows together where doubles left gaps."""
    if starts[1:] == ends[:-1]:
        return starts, lists, lines
    at = 0
    for number in range(len(starts) - 1):
        first, end = starts[number], ends[number]
        count = end - first
        if at != first and count:
            lists[at : at + count] = lists[first:end]
            lines[at : at + count] = lines[first:end]
        starts[number] = at
        at += count
    starts[-1] = at
    del lists[at:], lines[at:]
    return starts, lists, lines


def build_trie(keys: Iterable[str], path: Path) -> Trie:
    """Compile keys into a trie file, and give it. One trie level: larger by a quarter, faster by a seventh (0002)."""
    trie = marisa_trie.Trie(keys, num_tries=1)
    trie.save(str(path))
    return trie  # type: ignore[no-any-return]


def map_trie(path: Path) -> Trie:
    """The trie of a file, mapped, not read: all processes share its pages. Raises `OSError`."""
    trie = marisa_trie.Trie()
    try:
        trie.mmap(str(path))
    except RuntimeError as error:  # marisa's only word for everything, a missing file included
        raise FileNotFoundError(path) if not path.exists() else OSError(f"{path}: {error}") from error
    return trie  # type: ignore[no-any-return]
