"""The taxonomy: `taxonomy.yaml` in, every category and the foreign names that mean the same out.

A category only says what a thing is (design, idea 1). The file is read once and checked whole: every mistake is told at
once, with its line, because a category that silently vanished would be a hole in every policy that names it.
"""

from __future__ import annotations

import difflib
import enum
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TAXONOMY_FILE = Path(__file__).with_name("taxonomy.yaml")
"""The taxonomy that comes with the product."""

BY_HAND = frozenset({"wrongly-listed", "school-services", "os-updates", "app-updates", "pinned-apps", "banking"})
"""Categories that open in the presets, beside help and the school's own: what other lists name by mistake, what a rule
of the trust spares, what passes unread."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_REQUIREMENT = re.compile(r"[A-Z]-[0-9]{2}[a-z]?")
_TEXTS = ("title", "plain", "about")
_LISTS = ("answers", "aliases")
_KEYS = (*_TEXTS, "kind", "four_c", *_LISTS)


class Kind(enum.StrEnum):
    """What sort of thing a category is; a policy decides, but reports, pages and defaults group by it."""

    STATUTORY = "statutory"
    """Illegal: LOCKED for everyone (F-04)."""
    HARMFUL = "harmful"
    """Harms, or is unsuitable for, children."""
    CIRCUMVENTION = "circumvention"
    """A way round the filter (F-21)."""
    NEUTRAL = "neutral"
    """Right for some, at some times."""
    GOOD = "good"
    """Lessons and the school need it."""
    HELP = "help"
    """Never blocked unless LOCKED (B-53)."""
    OWN = "own"
    """Empty until the school fills it."""


class FourC(enum.StrEnum):
    """The four areas of online risk of KCSIE (K-07)."""

    CONTENT = "content"
    CONTACT = "contact"
    CONDUCT = "conduct"
    COMMERCE = "commerce"
    NONE = "none"
    """No risk: a good or an own category."""


@dataclass(frozen=True, slots=True)
class Category:
    """What a thing can be."""

    name: str
    """Kebab-case name, as in policies and records."""
    title: str
    """For staff."""
    plain: str
    """For a young child, to follow "This page is about"."""
    kind: Kind
    """What sort of thing it is."""
    four_c: FourC
    """Its KCSIE area of risk."""
    aliases: tuple[str, ...]
    """What other lists call it, as they write it."""
    description: str
    """One sentence: what belongs in it."""
    requirements: tuple[str, ...] = ()
    """Requirement rows it answers, such as `F-11`."""


@dataclass(frozen=True, slots=True)
class TaxonomyProblem:
    """One mistake in a taxonomy file."""

    file: str
    """The file."""
    line: int
    """Line from 1."""
    what: str
    """What is wrong, and what would have been right."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class TaxonomyError(ValueError):
    """The taxonomy cannot be used. Carries every problem."""

    def __init__(self, problems: tuple[TaxonomyProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Taxonomy(Mapping[str, Category]):
    """Every category by name, in the file's order."""

    categories: Mapping[str, Category]
    """Name to category."""
    foreign: Mapping[str, str] = field(repr=False)
    """Folded alias to name."""

    def __getitem__(self, name: str) -> Category:
        return self.categories[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    def resolve(self, alias: str) -> str | None:
        """Our name for a category that a list calls `alias`; None when nobody calls anything that.

        Our own names win over aliases. Case, `_`, `-` and blanks make no difference: `Social_Networks` is
        `social-networks`.
        """
        folded = _fold(alias)
        return folded if folded in self.categories else self.foreign.get(folded)

    def by_hand(self, category: str) -> bool:
        """Whether only a person who looks after the gateway may say that a site is of this category: it opens."""
        known = self.categories.get(category)
        return known is not None and (known.kind in {Kind.HELP, Kind.OWN} or known.name in BY_HAND)

    def suggest(self, unknown: str) -> str | None:
        """The category somebody who wrote `unknown` most likely meant; None when nothing is close."""
        if known := self.resolve(unknown):
            return known
        close = difflib.get_close_matches(_fold(unknown), [*self.categories, *self.foreign], n=1, cutoff=0.6)
        return self.resolve(close[0]) if close else None

    def of_kind(self, *kinds: Kind) -> tuple[Category, ...]:
        """Every category of these kinds, in the file's order."""
        return tuple(category for category in self.categories.values() if category.kind in kinds)


@functools.cache
def load_taxonomy(file: Path = TAXONOMY_FILE) -> Taxonomy:
    """Read and check the taxonomy; the same object every time. Raises `TaxonomyError` with every problem."""
    return parse_taxonomy(file.read_text(encoding="utf-8"), file=file.name)


def parse_taxonomy(text: str, *, file: str) -> Taxonomy:
    """Check the text of a taxonomy file; pure. Raises `TaxonomyError` with every problem."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise TaxonomyError((TaxonomyProblem(file, line, f"is not YAML: {error}"),)) from error
    if not isinstance(root, yaml.MappingNode):
        raise TaxonomyError((TaxonomyProblem(file, 1, "must be a mapping of category names"),))
    reader = _Reader(file)
    for key, value in root.value:
        reader.category(key, value)
    reader.check_aliases()
    if reader.problems:
        raise TaxonomyError(tuple(sorted(reader.problems, key=lambda problem: problem.line)))
    return Taxonomy(reader.categories, reader.foreign)


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip().casefold())


class _Reader:
    """Collects categories and problems while walking the YAML nodes, which know their lines."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[TaxonomyProblem] = []
        self.categories: dict[str, Category] = {}
        self.foreign: dict[str, str] = {}
        self._lines: dict[str, int] = {}

    def wrong(self, node: yaml.Node, what: str) -> None:
        self.problems.append(TaxonomyProblem(self.file, node.start_mark.line + 1, what))

    def category(self, key: yaml.Node, node: yaml.Node) -> None:
        name = str(key.value)
        if not _NAME.fullmatch(name):
            self.wrong(key, f"{name!r} is not a category name; write it in lower case with hyphens, like `self-harm`")
        if name in self.categories:
            self.wrong(key, f"category {name} is written twice; the first is at line {self._lines[name]}")
            return
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{name} must have {', '.join(_KEYS)}")
            return
        fields = self._fields(name, node)
        for missing in (text for text in (*_TEXTS, "kind", "four_c") if text not in fields):
            self.wrong(key, f"{name} has no {missing}")
        self._lines[name] = key.start_mark.line + 1
        self.categories[name] = Category(
            name=name,
            title=fields.get("title", name),
            plain=fields.get("plain", name),
            kind=fields.get("kind", Kind.NEUTRAL),
            four_c=fields.get("four_c", FourC.NONE),
            aliases=fields.get("aliases", ()),
            description=fields.get("about", ""),
            requirements=fields.get("answers", ()),
        )

    def check_aliases(self) -> None:
        """A foreign name must mean one thing, and must not hide one of ours."""
        for category in self.categories.values():
            for alias in category.aliases:
                folded = _fold(alias)
                taken = folded if folded in self.categories else self.foreign.get(folded)
                if taken is not None and (taken != category.name or folded in self.foreign):
                    what = f"alias {alias!r} of {category.name} already means {taken}; a foreign name means one thing"
                    self.problems.append(TaxonomyProblem(self.file, self._lines[category.name], what))
                self.foreign.setdefault(folded, category.name)

    def _fields(self, name: str, node: yaml.MappingNode) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, value in node.value:
            word = str(key.value)
            if word in _TEXTS:
                fields[word] = self._text(name, word, value)
            elif word in _LISTS:
                fields[word] = self._texts(name, word, value)
            elif word == "kind":
                fields[word] = self._choice(name, word, value, Kind)
            elif word == "four_c":
                fields[word] = self._choice(name, word, value, FourC)
            else:
                close = difflib.get_close_matches(word, _KEYS, n=1)
                advice = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_KEYS)}"
                self.wrong(key, f"{name}: unknown key {word!r}; {advice}")
        return fields

    def _text(self, name: str, word: str, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.value.strip():
            return str(node.value).strip()
        self.wrong(node, f"{name}: {word} must be words")
        return name

    def _texts(self, name: str, word: str, node: yaml.Node) -> tuple[str, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(node, f"{name}: {word} must be a list in brackets")
            return ()
        texts = tuple(self._text(name, word, item) for item in node.value)
        for item in texts if word == "answers" else ():
            if not _REQUIREMENT.fullmatch(item):
                self.wrong(node, f"{name}: {item!r} is not a requirement row; they look like F-12b")
        return texts

    def _choice[E: enum.StrEnum](self, name: str, word: str, node: yaml.Node, choices: type[E]) -> E:
        text = str(node.value)
        try:
            return choices(text)
        except ValueError:
            known = [choice.value for choice in choices]
            close = difflib.get_close_matches(text, known, n=1)
            advice = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(known)}"
            self.wrong(node, f"{name}: {word} {text!r} is unknown; {advice}")
            return next(iter(choices))
