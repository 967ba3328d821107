"""Weighted phrases in a text: how much of what a page or a search is about.

In come phrases with weights, combinations, banned and exception phrases; out comes a `Score` for a text, with every
phrase that made it. The semantics are e2guardian's (docs/importing.md): a phrase is found anywhere, a blank at its end
is the border of a word, the weights of what was found add up, and a text is over the limit when its score is *greater*
than it. Unlike `categories.phrases` nothing here is found as a whole word unless the phrase says so. Text is Unicode
on both sides, so a phrase from a legacy list meets the same word in every charset.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import ahocorasick

LONGEST_PHRASE = 127
"""Characters of a phrase that count; e2guardian cuts there, too."""

_BLANKS = re.compile(rb" {2,}")
_PUNCTUATION = bytes((*range(ord("/")), *b":;=?@[\\]^_`"))
_TO_BLANK = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))

_NUMBER = itemgetter(1)

Mode = Literal["once", "each"]
"""Whether a phrase counts once (`weightedphrasemode` 2) or as often as it stands there (1)."""


class PhraseKind(enum.StrEnum):
    """What finding a phrase means."""

    WEIGHTED = "weighted"
    """Its weight is added."""
    BANNED = "banned"
    """The text is over the limit whatever its score."""
    EXCEPTION = "exception"
    """The text passes whatever its score."""


_RANK = {PhraseKind.WEIGHTED: 0, PhraseKind.BANNED: 1, PhraseKind.EXCEPTION: 2}


@dataclass(frozen=True, slots=True)
class ScoredPhrase:
    """One line of a phrase list, understood."""

    parts: tuple[str, ...]
    """What must be found, all of it, in any order; each in the form of `scored_text`, blanks at its ends kept."""
    kind: PhraseKind
    """What finding it means."""
    weight: int = 0
    """Points, or per cent of the limit; 0 for banned and exception phrases."""
    percent: bool = False
    """True when the weight is per cent of the limit."""
    category: str = ""
    """What the text is about when this is found."""
    list: str = ""
    """List it stands in."""
    line: int = 0
    """Its line, from 1."""

    def points(self, limit: int) -> int:
        """Its weight in points under a limit; a share is cut to a whole number towards zero."""
        return int(limit * self.weight / 100) if self.percent else self.weight


@dataclass(frozen=True, slots=True)
class PhraseHit:
    """A phrase that was found."""

    phrase: ScoredPhrase
    """The phrase."""
    times: int
    """How often: of a combination, as often as its rarest part."""
    points: int
    """What it added to the score."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a text came to. The first of `exception`, `banned`, `total > limit` that holds decides."""

    total: int
    """Sum of the points of all weighted phrases."""
    limit: int
    """What it was measured against."""
    hits: tuple[PhraseHit, ...]
    """Every phrase found: combinations first, then by points, most first."""
    by_category: Mapping[str, int]
    """Points of each category, most first."""
    banned: ScoredPhrase | None
    """A banned phrase that was found; a combination before a single one."""
    exception: ScoredPhrase | None
    """An exception phrase that was found; a combination before a single one."""

    @property
    def over(self) -> bool:
        """True when the text is more than the limit allows."""
        return self.exception is None and (self.banned is not None or self.total > self.limit)

    @property
    def category(self) -> str:
        """What the text is about: the banned phrase's category, else the one with most points; empty when none."""
        if self.banned is not None:
            return self.banned.category
        return next((name for name, points in self.by_category.items() if points > 0), "")


def scored_text(text: str) -> str:
    """A text as phrases are looked for in it: lower case, punctuation a blank, one blank where there were several.

    `/ < > { | } ~`, digits and letters of all scripts stay; what stays at the ends is the caller's business.
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    # As octets, five times as fast as `str.translate`; in UTF-8 no part of another letter looks like punctuation.
    octets = folded.lower().encode("utf-8", "surrogatepass").translate(_TO_BLANK)
    return _BLANKS.sub(b" ", octets).decode("utf-8", "surrogatepass")


class PhraseFinder:
    """Which of many phrases stand in a text, by Aho-Corasick. Immutable; safe to use from any thread."""

    def __init__(self, phrases: Iterable[ScoredPhrase]) -> None:
        self.phrases = tuple(phrases)
        """What is looked for, in the order of the numbers `find` gives."""
        numbers: dict[str, int] = {}
        self._needs = tuple(
            tuple(numbers.setdefault(part, len(numbers)) for part in phrase.parts) for phrase in self.phrases
        )
        wanted_by: list[list[int]] = [[] for _ in numbers]
        for place, needs in enumerate(self._needs):
            for number in needs:
                wanted_by[number].append(place)
        self._wanted_by = tuple(map(tuple, wanted_by))
        self._automaton = ahocorasick.Automaton()
        for part, number in numbers.items():
            self._automaton.add_word(part, number)
        if numbers:
            self._automaton.make_automaton()

    def __len__(self) -> int:
        return len(self.phrases)

    def find(self, *readings: str) -> dict[int, int]:
        """Place and times of every phrase all of whose parts stand in some reading of a text (see `scored_text`).

        A combination counts as often as its rarest part, a part as often as in the reading that has it most.
        """
        counts: Counter[int] = Counter()
        for reading in readings if self.phrases else ():
            found: Counter[int] = Counter(map(_NUMBER, self._automaton.iter(f" {reading} ")))
            counts |= found
        touched = {place for number in counts for place in self._wanted_by[number]}
        times = ((place, min(counts[number] for number in self._needs[place])) for place in touched)
        return {place: least for place, least in times if least}


class PhraseScorer:
    """All phrases in force under one limit. Immutable; safe to use from any thread."""

    def __init__(self, phrases: Iterable[ScoredPhrase], *, limit: int, mode: Mode = "once") -> None:
        """Of phrases that look for the same, an exception counts before a banned one, then the highest weight."""
        self._limit = limit
        self._mode = mode
        self._finder = PhraseFinder(_without_doubles(phrases, limit))

    def __len__(self) -> int:
        return len(self._finder)

    def score(self, text: str) -> Score:
        """Look for every phrase in a text."""
        found = self._finder.find(scored_text(text).strip())
        return _scored(sorted((self._hit(place, times) for place, times in found.items()), key=_order), self._limit)

    def _hit(self, place: int, times: int) -> PhraseHit:
        phrase = self._finder.phrases[place]
        counted = times if self._mode == "each" else 1
        return PhraseHit(phrase, times, phrase.points(self._limit) * counted)


def _scored(hits: Sequence[PhraseHit], limit: int) -> Score:
    by_category: Counter[str] = Counter()
    for hit in hits:
        if hit.phrase.kind is PhraseKind.WEIGHTED:
            by_category[hit.phrase.category] += hit.points
    ranked = dict(sorted(by_category.items(), key=lambda item: (-item[1], item[0])))
    first = {kind: next((hit.phrase for hit in hits if hit.phrase.kind is kind), None) for kind in PhraseKind}
    return Score(
        total=sum(hit.points for hit in hits),
        limit=limit,
        hits=tuple(hits),
        by_category=ranked,
        banned=first[PhraseKind.BANNED],
        exception=first[PhraseKind.EXCEPTION],
    )


def _order(hit: PhraseHit) -> tuple[bool, int, tuple[str, ...], str, int]:
    phrase = hit.phrase
    return (len(phrase.parts) == 1, -hit.points, phrase.parts, phrase.list, phrase.line)


def _without_doubles(phrases: Iterable[ScoredPhrase], limit: int) -> tuple[ScoredPhrase, ...]:
    kept: dict[tuple[str, ...], ScoredPhrase] = {}
    for phrase in phrases:
        key = tuple(sorted(set(phrase.parts)))
        other = kept.get(key)
        if other is None or _strength(phrase, limit) > _strength(other, limit):
            kept[key] = phrase
    return tuple(kept.values())


def _strength(phrase: ScoredPhrase, limit: int) -> tuple[int, int, str, int, str, tuple[str, ...]]:
    """What decides between two lines that look for the same; the last terms only so that their order never does."""
    points = phrase.points(limit)
    return (_RANK[phrase.kind], points, phrase.list, -phrase.line, phrase.category, phrase.parts)
