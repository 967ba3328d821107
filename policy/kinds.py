"""What the taxonomy says of categories, as far as the policy must know it.

In comes the taxonomy (names to `Category`); out comes one value with the sets the built-in rows are made from. A plain
collection of names is taken too; it knows no kinds, and no engine is ever built on it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from categories.taxonomy import Kind

SIGNALLED = "circumvention"
"""The category every circumvention signal classifies as."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Sets of category names by kind, and their titles."""

    statutory: frozenset[str] = frozenset()
    """Illegal content: LOCKED."""
    help: frozenset[str] = frozenset()
    """Help sites, never blocked (B-53)."""
    circumvention: frozenset[str] = frozenset()
    """Ways round the filter."""
    harmful: frozenset[str] = frozenset()
    """Harmful content: never passed without looking inside."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Category name to words for people."""

    def title(self, category: str) -> str:
        """Words for people; the name itself when the taxonomy has none."""
        return self.titles.get(category) or category.replace("-", " ").capitalize()


def kinds_of(categories: Collection[str]) -> Kinds:
    """Read the kinds from a taxonomy, a mapping of names to values with `kind` and `title`; names alone have none."""
    if not isinstance(categories, Mapping):
        return Kinds()

    def of(kind: Kind) -> frozenset[str]:
        return frozenset(name for name, category in categories.items() if category.kind == kind)

    return Kinds(
        statutory=of(Kind.STATUTORY),
        help=of(Kind.HELP),
        circumvention=of(Kind.CIRCUMVENTION),
        harmful=of(Kind.HARMFUL),
        titles={name: category.title for name, category in categories.items()},
    )


def meant_by(word: str, categories: Collection[str]) -> str | None:
    """The category somebody who wrote `word` most likely meant, also by what other lists call it: `porn`, `porm`."""
    names = {name: name for name in categories}
    if isinstance(categories, Mapping):
        names = {alias: name for name, category in categories.items() for alias in category.aliases} | names
    close = difflib.get_close_matches("-".join(word[:200].casefold().replace("_", " ").split()), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None
