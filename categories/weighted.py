"""Weighted phrases of all lists: which categories a text is over the limit of.

In come phrases with weights, combinations, banned and exception phrases of any number of lists, and a limit for each
category; out comes, for a text, every category it has more points of than the limit, with the phrases that made it.
The semantics are those of `categories.scoring` but for one thing: points are counted for each category, so that
evidence has a name. Points below zero speak for the text as a whole and count for every category, whoever's list they
stand in; so does an exception. See docs/importing.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from categories.normalise import normalised, undisguised
from categories.scoring import PhraseFinder, PhraseKind, ScoredPhrase, scored_text

SHOWN = 6
"""Phrases told as evidence; the others are counted."""


class Over(NamedTuple):
    """A category a text is over the limit of."""

    category: str
    """The category."""
    score: int
    """Its points, those below zero of all categories taken off; a banned phrase needs none."""
    phrases: tuple[ScoredPhrase, ...]
    """What was found of the category: banned phrases first, then by points, most first."""


class WeightedTable:
    """All weighted phrases in force. Immutable; safe to read from any thread."""

    def __init__(self, phrases: Iterable[ScoredPhrase], limits: Mapping[str, int]) -> None:
        """`limits` has every category; no phrase is per cent any more (see `in_points`)."""
        self._finder = PhraseFinder(without_doubles(phrases))
        self._limits = dict(limits)

    def __len__(self) -> int:
        return len(self._finder)

    def over(self, text: str) -> tuple[Over, ...]:
        """Every category the text is over the limit of, most points first.

        Disguised words are read, too. A phrase that any reading has is found, and found once; so no reading can lose
        an exception, or points below zero, that another has.
        """
        return self.over_in(readings(text)) if text and len(self._finder) else ()

    def over_in(self, readings: Iterable[str]) -> tuple[Over, ...]:
        """The same of a text whose readings are made already."""
        phrases = self._finder.phrases
        tallies = tallied(phrases[place] for place in self._finder.find(*readings))
        over = (one.over for one in tallies if one.banned or one.over.score > self._limits[one.over.category])
        return tuple(sorted(over, key=lambda over: (-over.score, over.category)))

    def phrases(self) -> tuple[ScoredPhrase, ...]:
        """Every phrase in force."""
        return self._finder.phrases


class Tally(NamedTuple):
    """What a text came to in one category, before any limit is asked."""

    over: Over
    """Category, points and phrases."""
    banned: bool
    """True when a banned phrase was found: over every limit."""


def tallied(found: Iterable[ScoredPhrase]) -> Iterator[Tally]:
    """The points of each category some phrase was found of; none at all when one of the phrases is an exception."""
    soothing = 0
    points: Counter[str] = Counter()
    speaking: dict[str, list[ScoredPhrase]] = defaultdict(list)
    for phrase in found:
        if phrase.kind is PhraseKind.EXCEPTION:
            return
        if phrase.weight < 0:
            soothing += phrase.weight
        else:
            points[phrase.category] += phrase.weight
            speaking[phrase.category].append(phrase)
    for category, those in speaking.items():
        banned = any(phrase.kind is PhraseKind.BANNED for phrase in those)
        yield Tally(Over(category, points[category] + soothing, tuple(sorted(those, key=_telling))), banned)


def readings(text: str) -> tuple[str, ...]:
    """A text as it is written, then with its disguise undone; each in the form phrases are looked for in."""
    plain = scored_text(text).strip()
    return tuple(dict.fromkeys((plain, normalised(text), *undisguised(text))))


def in_points(phrase: ScoredPhrase, limit: int) -> ScoredPhrase:
    """The phrase with its weight in points, whatever its list wrote."""
    if not phrase.percent:
        return phrase
    return ScoredPhrase(
        phrase.parts, phrase.kind, phrase.points(limit), False, phrase.category, phrase.list, phrase.line
    )


def written(phrase: ScoredPhrase) -> str:
    """A phrase as lists write it: `<one>,< two ><30>`."""
    weight = f"<{phrase.weight}{'%' if phrase.percent else ''}>" if phrase.kind is PhraseKind.WEIGHTED else ""
    return ",".join(f"<{part}>" for part in phrase.parts) + weight


def evidence(phrases: tuple[ScoredPhrase, ...]) -> str:
    """The phrases that made it, in one line."""
    more = f" and {len(phrases) - SHOWN} more" if len(phrases) > SHOWN else ""
    return " ".join(map(written, phrases[:SHOWN])) + more


def as_row(number: int, phrase: ScoredPhrase) -> list[Any]:
    """A phrase as it is stored; `number` is its list's."""
    return [number, list(phrase.parts), phrase.kind.value, phrase.weight, phrase.percent, phrase.line]


def from_row(row: list[Any], category: str, name: str) -> ScoredPhrase:
    """A stored phrase."""
    _, parts, kind, weight, percent, line = row
    return ScoredPhrase(tuple(parts), PhraseKind(kind), weight, percent, category, name, line)


def _telling(phrase: ScoredPhrase) -> tuple[bool, int, tuple[str, ...], str, int]:
    return (phrase.kind is not PhraseKind.BANNED, -phrase.weight, phrase.parts, phrase.list, phrase.line)


def without_doubles(phrases: Iterable[ScoredPhrase]) -> Iterator[ScoredPhrase]:
    """Of phrases that look for the same: an exception is alone; else each category's strongest; else the mildest.

    So a further phrase that speaks against a text never takes anything from another category, and one below zero
    never outranks one above (e2guardian: the higher weight beats the lower).
    """
    alike: dict[tuple[str, ...], list[ScoredPhrase]] = defaultdict(list)
    for phrase in phrases:
        alike[tuple(sorted(set(phrase.parts)))].append(phrase)
    for those in alike.values():
        those.sort(key=_strength, reverse=True)
        first = those[0]
        if first.kind is PhraseKind.EXCEPTION or (first.kind is PhraseKind.WEIGHTED and first.weight < 0):
            yield first
            continue
        strongest: dict[str, ScoredPhrase] = {}
        for phrase in those:
            if phrase.weight >= 0:
                strongest.setdefault(phrase.category, phrase)
        yield from strongest.values()


_RANK = {PhraseKind.WEIGHTED: 0, PhraseKind.BANNED: 1, PhraseKind.EXCEPTION: 2}


def _strength(phrase: ScoredPhrase) -> tuple[int, int, str, int, str, tuple[str, ...]]:
    """The last terms only so that the order of lists never decides."""
    return (_RANK[phrase.kind], phrase.weight, phrase.list, -phrase.line, phrase.category, phrase.parts)
