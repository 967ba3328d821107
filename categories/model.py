"""The door objects of `categories/`: what an entry, a match and a problem are. Values only."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from categories.names import Url

if TYPE_CHECKING:
    from categories.pagetable import PageTable


class EntryKind(enum.StrEnum):
    """How an entry is compared with a request."""

    DOMAIN = "domain"
    """A host and everything below it."""
    URL = "url"
    """A host and a path prefix that ends at a path, query or parameter border."""
    NETWORK = "network"
    """An IP address or CIDR network; fits hosts written as IP literals, in any spelling."""
    PHRASE = "phrase"
    """A word or phrase looked for in search terms, in the URL's words, or in text."""


class Match(NamedTuple):
    """An entry that fits. `category` is what it is; the rest is the evidence.

    A named tuple, because every request looks matches up by value and only a tuple hashes at C speed.
    """

    category: str
    """Category name of our taxonomy, kebab-case."""
    list: str
    """Name of the list the entry stands in, as configured: `starter/games`, `ut1/adult`."""
    entry: str
    """The entry as compared (canonical form)."""
    line: int
    """Line of the entry in its source file, counted from 1; 0 where the source has no lines."""
    kind: EntryKind
    """How it was compared."""
    weight: int = 0
    """Score that weighted phrases came to together; 0 for a plain phrase and for every other kind."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A list line that could not be taken, or whose meaning changed. A value, never an exception."""

    list: str
    """List or file the line stands in."""
    line: int
    """Line number from 1; 0 for the whole file."""
    text: str
    """The line, cut to 200 characters."""
    why: str
    """What is wrong and what would have been right."""
    lines: int = 1
    """How many lines it speaks for: a kind of line that comes by the thousand is told once."""
    taken: bool = False
    """True when the line is in force with another meaning; False when it is not in force."""


@dataclass(frozen=True, slots=True)
class ListStatus:
    """What the index knows of one list."""

    name: str
    """Name as configured: `ut1/adult`."""
    category: str
    """Category its entries classify as."""
    entries: int
    """Entries in force."""
    problems: int
    """Lines not taken."""
    updated_at: float
    """POSIX time of the source's newest file."""
    source: str
    """Where it came from, as shown to technicians (a path or URL)."""


class Index(Protocol):
    """A complete, immutable set of lists. Thread-safe to read; never changes once handed out."""

    @property
    def revision(self) -> str:
        """Checksum (short) of the compiled content."""

    @property
    def lists(self) -> tuple[ListStatus, ...]:
        """Every list in force."""

    @property
    def categories(self) -> frozenset[str]:
        """Every category some list has."""

    def match(self, url: Url) -> tuple[Match, ...]:
        """All domain, URL and network entries that fit, most specific first; no duplicates."""

    def match_text(self, text: str) -> tuple[Match, ...]:
        """What phrases say of `text`: plain ones found as whole words, and each category it has too much of."""

    @property
    def reads_urls(self) -> bool:
        """Whether some list wants its words looked for in addresses; else `match_words` finds nothing."""

    def match_words(self, url: Url) -> tuple[Match, ...]:
        """What phrases say of the words of an address, by the lists that ask for it."""

    def pageless(self, url: Url) -> tuple[Match, ...] | None:
        """What `match` finds here when no listed page of the host can fit, whatever query stands behind this path and
        in whatever way a server reads it: the same for all such URLs of the host. None when one might fit."""

    @property
    def pages(self) -> PageTable | None:
        """What is looked for in the text of pages; None when no list asks for it."""

    def has_entries_below(self, host: str) -> frozenset[str]:
        """Categories that have URL entries on this very host or its parents: the host alone cannot settle them."""

    def classify(self, urls: Iterable[Url]) -> Iterable[tuple[Match, ...]]:
        """`match` for many."""
