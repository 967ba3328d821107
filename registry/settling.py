"""Settling a request for a review: what was decided about it and what comes of it, all or nothing.

A number, a `Settlement` and `By` go in, within the caller's transaction; the decided request comes out. Whether an
override would decide for anybody is asked before, where there is an engine (`registry.outlook`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from categories.names import NameProblem, canonical_url
from categories.taxonomy import Category
from policy.client import STRICTEST_BAND, Band, Client
from policy.model import Request
from policy.overrides import Override
from registry import entries, overrides
from registry import requests as register
from registry.change import By
from registry.requests import ReviewRequest

ANSWERS: Mapping[str, str] = {
    "allowed": "it is open now.",
    "blocked": "it stays closed.",
    "no-change": "it stays as it is.",
}
"""What whoever asked is told first, by the state their request gets."""


@dataclass(frozen=True, slots=True)
class EntryWanted:
    """An own entry that is to come of a request."""

    category: str
    """Category it says the page is of."""
    text: str
    """Host or URL."""
    until: datetime | None = None
    """When it ends by itself; None for never."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is decided about a request."""

    state: str
    """`allowed`, `blocked` or `no-change`."""
    words: str = ""
    """What whoever asked reads, besides the decision."""
    override: Override | None = None
    """The override to make; its number is given by the register."""
    entry: EntryWanted | None = None
    """The entry to make."""

    @property
    def answer(self) -> str:
        """All that whoever asked reads."""
        return " ".join(filter(None, (ANSWERS[self.state], self.words.strip())))


def settle(
    connection: Connection,
    number: int,
    wanted: Settlement,
    by: By,
    *,
    categories: Mapping[str, Category],
    reserved: Mapping[str, str],
) -> ReviewRequest:
    """Make what is wanted and decide the request: they stand or fall together. Raises `RegistryError`.

    `categories` and `reserved` are as `registry.entries.add` takes them.
    """
    made = None
    if wanted.override is not None:
        made = overrides.add(connection, wanted.override, by).override.name
    elif wanted.entry is not None:
        entry = wanted.entry
        fresh = entries.add(
            connection, entry.category, entry.text, by, categories=categories, reserved=reserved, until=entry.until
        )
        made = f"entry {fresh.entry.id} in {entry.category}"
    return register.decide(connection, number, wanted.state, by, answer=wanted.answer, made=made)


def subject_of(one: ReviewRequest, *, whole_host: bool) -> str:
    """What a decision is about: the page, or its whole host. Raises `NameProblem`."""
    return canonical_url(one.url).host if whole_host else one.url


def asked_again(one: ReviewRequest) -> tuple[Request, Client] | None:
    """The same request by the same people once more, for an engine; None for an address that cannot be read."""
    try:
        url = canonical_url(one.url)
    except NameProblem:
        return None
    band = Band(one.band) if one.band in set(Band) else None
    client = Client(one.site, one.device, one.address, one.user, frozenset(), band or STRICTEST_BAND, band is not None)
    return Request(url), client
