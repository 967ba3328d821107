"""Where lists come from: a `ListSource` is one line of the settings, a `ListFile` one file to compile.

In come the sources as configured; out come the files behind them with list name and category settled. Nothing is read
here but folder listings; the lines are `categories.parse`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from categories.model import Problem
from categories.needles import installed
from categories.parse import FileFormat, problem

Format = Literal[FileFormat, "ut1"]
"""How a source is written: one file's format, or a tree of files."""
UrlMatch = Literal["exact", "parents"]
"""Whether a URL entry fits only its own host (squidGuard) or also the hosts below it (e2guardian)."""

Use = Literal["search", "url", "page"]
"""Where a list's phrases are looked for: in what people search for, in the words of addresses, in the text of pages."""
LIMIT = 60
"""Score a text may reach unless its list says otherwise: e2guardian's guide value for young children."""

_ROOM = Path(__file__).resolve().parent
STARTER = _ROOM / "starter"
"""Folder of the lists that come with the product, a file per category."""
TAXONOMY_FILE = _ROOM / "taxonomy.yaml"
"""Its aliases settle categories."""


class Names(Protocol):
    """What this room asks of a taxonomy: another list maker's name for a category, in; ours, out."""

    def resolve(self, alias: str) -> str | None:
        """Our name of a category, or None when nobody has one."""

    def by_hand(self, category: str) -> bool:
        """Whether only a person who looks after the gateway may say that a site is of this category: it opens."""


@dataclass(frozen=True, slots=True)
class ListSource:
    """One source of lists, as configured."""

    name: str
    """Name shown as evidence; a tree of categories adds `/category`."""
    path: Path
    """File or folder."""
    format: Format = "domains"
    """How it is written."""
    category: str | None = None
    """Category of its entries; None in a tree, and for a file whose name is the category's."""
    categories: Mapping[str, str] = field(default_factory=dict)
    """For a tree: its category name to ours, before the taxonomy's aliases are asked."""
    url_match: UrlMatch = "exact"
    """How its URL entries compare hosts."""
    exclude: tuple[str, ...] = ()
    """For a tree: category folders to leave out."""
    top_levels: bool = False
    """True when a single label (`zip`) is meant: everything below that top level."""
    limit: int = LIMIT
    """For weighted phrases: the score a text may reach; only more than that is of the category."""
    apply_to: tuple[Use, ...] = ("search",)
    """For phrases: where they are looked for. Words in addresses close more than is meant, so only when asked for."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """One file to compile, everything about it settled."""

    name: str
    """List name shown as evidence: `ut1/adult`. Several files may share it (`domains` and `urls` of one folder)."""
    category: str
    """Category its entries classify as."""
    path: Path
    """The file."""
    format: FileFormat
    """How it is written."""
    url_match: UrlMatch = "exact"
    """How its URL entries compare hosts."""
    top_levels: bool = False
    """True when a single label is meant."""
    only: str = ""
    """The category whose rows are meant, as the file writes it, when a file holds several."""
    limit: int = LIMIT
    """For weighted phrases: the score a text may reach."""
    apply_to: tuple[Use, ...] = ("search",)
    """For phrases: where they are looked for."""


def starter_sources() -> tuple[ListSource, ...]:
    """The lists that come with the product: `starter/<category>.txt`, one list each."""
    return tuple(
        ListSource(f"starter/{file.stem}", file, "starter", category=file.stem)
        for file in sorted(STARTER.glob("*.txt"))
    )


def list_files(source: ListSource, names: Names) -> Iterator[ListFile | Problem]:
    """The files behind a source. A `Problem` of line 0 says that a source, or a part of it, cannot be read."""
    if source.format == "ut1":
        from categories.importers.ut1 import tree_files

        yield from tree_files(source, names)
        return
    if source.format == "phrases" and source.path.is_dir():
        from categories.importers.phraselists import phrase_files

        yield from phrase_files(source, names)
        return
    if not source.path.is_file():
        why = "is a folder; a UT1 tree has format `ut1`" if source.path.is_dir() else "is not there"
        yield problem(source.name, 0, str(source.path), why)
        return
    if source.format == "csv":
        from categories.importers.csvlist import category_files

        yield from category_files(source, names)
        return
    category = settled_category(source, source.category or source.path.stem, names)
    yield ListFile(
        source.name,
        category,
        source.path,
        source.format,
        source.url_match,
        source.top_levels,
        limit=source.limit,
        apply_to=source.apply_to,
    )


def settled_category(source: ListSource, name: str, names: Names) -> str:
    """Our category for a list maker's: the source's own table, then the taxonomy's aliases, else its own name.

    What a maker calls by a name that opens (`help`, `always-allowed`) is a category of its own, which no rule asks for:
    a list that somebody else fills must not open anything by itself. Who means it says so in the settings.
    """
    if own := source.categories.get(name):
        return own
    found = names.resolve(name) or name
    return found if found == source.category else of_others(found, names)


def of_others(category: str, names: Names) -> str:
    """The category as others may fill it: under another name when it is one that opens."""
    return f"{category}-of-others" if names.by_hand(category) else category


def source_fingerprint(sources: Iterable[ListSource]) -> str:
    """A cheap mark of what the sources are now (names, options, sizes, times); differs when a snapshot is stale.

    The taxonomy, this room's own code and what phrases are compiled with count too: an upgrade may read the same line
    in another way.
    """
    digest = hashlib.sha256(installed().encode())
    for own in (TAXONOMY_FILE, *sorted(_ROOM.rglob("*.py"))):
        digest.update(own.read_bytes())
    for source in sources:
        options = (source.format, source.category, source.url_match, source.exclude, source.top_levels)
        phrases = (source.limit, source.apply_to)
        digest.update(repr((source.name, options, phrases, sorted(source.categories.items()))).encode())
        for file in _files_below(source.path):
            try:
                state = file.stat()
                digest.update(repr((str(file), state.st_size, state.st_mtime_ns)).encode("utf-8", "surrogateescape"))
            except OSError as error:
                digest.update(repr((str(file), error.errno)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _files_below(path: Path, depth: int = 3) -> Iterator[Path]:
    """Files as deep as trees go (`blacklists/category/domains`). Links are followed, so the depth is bounded."""
    if not path.is_dir():
        yield path
    elif depth:
        for child in sorted(path.iterdir()):
            yield from _files_below(child, depth - 1)
