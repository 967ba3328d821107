"""What the console's page of lists asks of a gateway: how lists are, what names a host, to look for new ones.

The rule is that of `console.doors`, of which this is a part: signatures only, nothing behind them is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from categories.model import ListStatus, Match
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


class ListDoors(Protocol):
    """What the page of lists needs. Slow calls are made off the event loop."""

    def lists(self) -> ListsSeen:
        """How the lists are."""

    def naming(self, what: str, most: int) -> Sequence[Match]:
        """At most so many entries that fit a host or URL, or stand below the host. Raises `RegistryError`."""

    def update_lists(self, name: str, by: By) -> None:
        """Have the gateway look for a new version of one source, or of all (empty). Raises `RegistryError`."""
