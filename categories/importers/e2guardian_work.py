"""An import of e2guardian's in the making: what was found so far, and how its list files are looked at.

In come list files of the imported folder; out come what they say about themselves and the files they include. The
readers of sites (`e2guardian`) and of words (`e2guardian_words`) fill the one `Import` value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from categories.importers.e2guardian_conf import ListUse
from categories.importers.e2guardian_items import About, items
from categories.importers.e2guardian_places import Tree
from categories.importers.proposal import FileTally, ProposedList
from categories.model import Problem
from categories.parse import FileFormat, Line, problem
from categories.scoring import ScoredPhrase
from categories.sources import Names, Use

TIME_LOST = "the list and what it includes hold at some times only ({when}); add `when` to its rule"


class Sought(NamedTuple):
    """How a group's phrases are looked for."""

    limit: int
    """The score a text may reach."""
    uses: tuple[Use, ...]
    """Where."""


class ListFacts(NamedTuple):
    """What a list file says about itself."""

    category: str
    """Its last `#listcategory`."""
    when: About | None
    """Its `#time:`."""
    blanket: bool
    """Whether it closes everything else."""
    includes: tuple[About, ...]
    """The files it includes."""


@dataclass(slots=True)
class Import:
    """An import in the making."""

    tree: Tree
    names: Names
    several: bool = False
    lists: dict[tuple[Path, str], ProposedList] = field(default_factory=dict)
    own: dict[tuple[Path, str], str] = field(default_factory=dict)
    phrases: dict[tuple[str, int], ScoredPhrase] = field(default_factory=dict)
    closing: dict[Path, str] = field(default_factory=dict)
    searches: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileTally] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    people: list[tuple[str, str]] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)

    def propose(self, file: Path, format: FileFormat, category: str, sought: Sought | None = None) -> None:
        """Note a list for the settings, once for each category; of several limits the lowest holds."""
        limit, uses = (None, ()) if sought is None else sought
        known = self.lists.get((file, category))
        if known is None:
            taken, name = {item.name for item in self.lists.values()}, f"e2guardian/{self.tree.name(file)}"
            name = name if name not in taken else f"{name}/{category}"
            known = ProposedList(name, file, format, category, "exact" if sought else "parents", limit, uses)
        elif limit is not None and known.limit is not None and limit != known.limit:
            why = f"groups have the limits {known.limit} and {limit} for it; a list has one here, the lower"
            self.problems.append(problem(self.tree.name(file), 0, "naughtynesslimit", why, lines=0, taken=True))
            known = replace(known, limit=min(limit, known.limit))
        if missing := set(uses) - set(known.apply_to):
            if known.apply_to:
                why = "one group had its searches looked at, too, another its pages alone; here both are looked at"
                self.problems.append(problem(self.tree.name(file), 0, "searchtermlimit", why, lines=0, taken=True))
            known = replace(known, apply_to=tuple(sorted({*known.apply_to, *missing})))
        self.lists[file, category] = known

    def count(self, counted: FileTally, problems: Iterable[Problem]) -> None:
        """Note what became of a file, once, whoever uses it."""
        if counted.file not in self.files:
            self.files[counted.file] = counted
            self.problems += problems


def found_file(work: Import, use: ListUse) -> Path | None:
    file = work.tree.resolve(use.path)
    if file is None:
        work.problems.append(problem(use.path, 0, f"{use.type} {use.label}", work.tree.why_not(use.path, None)))
    return file


def read_facts(work: Import, file: Path) -> ListFacts:
    """What a file says about itself; it is read twice, but never held."""
    category, blanket = "", False
    when: About | None = None
    includes: list[About] = []
    with file.open("rb") as stream:
        for item in items(stream, work.tree.name(file)):
            if not isinstance(item, About):
                continue
            if item.what == "include":
                includes.append(item)
            elif item.what == "blanket":
                blanket = True
            elif item.what == "category":
                category = item.value
            else:
                when = item
    return ListFacts(category, when, blanket, tuple(includes))


def tell_time(work: Import, name: str, facts: ListFacts) -> None:
    """A list that holds at some times only is in force always, which somebody must know."""
    if facts.when is not None:
        line, _, when = facts.when
        why = TIME_LOST.format(when=when)
        work.problems.append(problem(name, line.number, line.text, why, lines=0, taken=True))


def included(work: Import, name: str, about: ListFacts, within: tuple[Path, ...]) -> Iterator[tuple[About, Path]]:
    for include in about.includes:
        other = work.tree.resolve(include.value)
        if other is None or other in within:
            why = work.tree.why_not(include.value, other)
            work.problems.append(problem(name, include.line.number, include.line.text, why))
        else:
            yield include, other


def line_of(item: Line | About | Problem) -> Line:
    if isinstance(item, Problem):
        return Line(item.line, item.text)
    return item.line if isinstance(item, About) else item


def says_something(item: Line | About | Problem) -> bool:
    return not isinstance(item, About) or item.what in {"include", "blanket"}


def items_of(file: Path, name: str) -> list[Line | About | Problem]:
    with file.open("rb") as stream:
        return list(items(stream, name))
