"""What the settings say of lists: those in files, what new ones must pass, and which servers inside they come from.

Typed, immutable, every mistake told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from addons.destinations import read_destinations
from categories.sources import LIMIT, Format, Use


class _Section(BaseModel):
    """A part of the settings: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListSettings(_Section):
    """One source of lists."""

    name: str
    """Name shown as evidence; a tree of categories adds `/category`."""
    path: Path
    """File or folder."""
    format: Format = "domains"
    """How it is written."""
    category: str | None = None
    """Category of its entries; a `ut1` tree names its own."""
    categories: dict[str, str] = {}
    """For a tree: its category name to ours, besides the built-in table."""
    exclude: tuple[str, ...] = ()
    """For a tree: category folders to leave out."""
    url_match: Literal["exact", "parents"] = "exact"
    """Whether a URL entry also fits below its host: `exact` as squidGuard, `parents` as e2guardian."""
    limit: Annotated[int, Field(ge=0, le=100_000)] = LIMIT
    """For weighted phrases: the score a text may reach; only more than that is of the category."""
    apply_to: tuple[Use, ...] = ("search",)
    """For phrases where they are looked for: `search`, `url`, `page`; words in addresses close more than is meant."""


class ListChecks(_Section):
    """What new lists must pass before they are put in force."""

    smallest: float = Field(default=0.7, ge=0, le=1)
    """Entries of a new version for each old one, at least: a list that was cut short stays out."""
    largest: float = Field(default=3.0, ge=1)
    """Entries of a new version for each old one, at most."""
    small: int = Field(default=100, ge=0)
    """A list with fewer entries than this may change as it likes."""
    classified: dict[str, str] = {}
    """Hosts that must be in a category: `{games.example: games}`."""
    never_blocked: tuple[str, ...] = ()
    """The school's own sites, and others no update may close."""


def _can_be_read(told: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no network, address or name."""
    read_destinations(told, {}, own_ports=(), own_addresses=(), own_names=())
    return told


type Servers = Annotated[tuple[str, ...], AfterValidator(_can_be_read)]
"""Networks, addresses and names, each with a port if one alone is meant."""
