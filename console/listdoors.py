"""What the console's pages of lists ask of a gateway: how lists are, what names a host; to change them.

The rule is that of `console.doors`, of which this is a part: signatures only, nothing behind them is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from categories.model import ListStatus, Match, Problem
from registry.change import By


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsSeen:
    """The lists in force, and how updating them goes."""

    revision: str
    """Revision of the compiled lists."""
    current: bool
    """False when a source changed since they were compiled."""
    lists: Sequence[ListStatus]
    """Every list in force."""
    sources: Sequence[Mapping[str, Any]]
    """Every source added by people, with its last try, last success, problem and the changes of its last update."""
    running: str
    """What the gateway does about lists just now; empty when nothing."""
    gateway: bool
    """Whether a gateway runs here."""
    last: Mapping[str, Any] = field(default_factory=dict)
    """How the gateway's last run went: `at` (POSIX time), `name`, `ok`, `problem`; empty when there was none."""
    statutory: Sequence[str] = ()
    """The statutory lists, in words: LOCKED, and nobody's to change here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWanted:
    """A source of lists as somebody fills it in."""

    name: str
    """How it is called in evidence."""
    url: str = ""
    """Where it is; empty with a file."""
    format: str = "domains"
    """How it is written."""
    category: str = ""
    """What its entries are; empty where each says so itself."""
    every: timedelta | None = None
    """How often it is looked for; None: when somebody asks."""
    sha256: str = ""
    """Checksum it must have; empty for none."""
    checksum_url: str = ""
    """Where the publisher tells it; empty for none."""
    key: str = ""
    """Public key that must have signed it; empty for none."""
    licence: str = ""
    """Under which licence it is used."""
    url_match: str = "exact"
    """Whether URL entries fit hosts below theirs, too: `exact` or `parents`."""
    limit: int | None = None
    """For weighted phrases: the score a text may reach; None: as usual."""
    apply_to: tuple[str, ...] = ("search",)
    """For phrases: where they are looked for."""
    max_bytes: int | None = None
    """Bytes a download may have; None: as many as any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLook:
    """What became of the lines of a list."""

    taken: int
    """Lines in force."""
    left_out: int
    """Lines that are not."""
    reasons: Sequence[tuple[str, int]]
    """Why lines are left out or mean something else, and how many, most first."""
    problems: Sequence[Problem]
    """Such lines, one by one; not more than a page draws."""
    more: int
    """How many problems are not among them."""


class ListDoors(Protocol):
    """What the pages of lists need. Slow calls are made off the event loop."""

    def lists(self) -> ListsSeen:
        """How the lists are."""

    def naming(self, what: str, most: int, *, partial: bool = False) -> Sequence[Match]:
        """At most so many entries that fit a host or URL, or stand below the host; `partial`: with this text in them.

        Raises `RegistryError`.
        """

    def update_lists(self, name: str, by: By) -> None:
        """Have the gateway look for a new version of one source, or of all (empty). Raises `RegistryError`."""

    def look_through(self, data: bytes, format: str) -> ListLook:
        """What would become of the lines of a file. Raises `RegistryError`."""

    def list_lines(self, name: str) -> ListLook | None:
        """What became of the lines of a source's version in force; None while it has none. Raises `RegistryError`."""

    def add_list(self, wanted: ListWanted, data: bytes | None, by: By) -> None:
        """Put a source in the register and have the gateway fetch, check and take it. Raises `RegistryError`."""

    def change_list(self, wanted: ListWanted, by: By) -> None:
        """Decide anew how often it is looked for, its checksum and licence. Raises `RegistryError`."""

    def remove_list(self, name: str, by: By) -> None:
        """Use a source no longer. Raises `RegistryError`."""
