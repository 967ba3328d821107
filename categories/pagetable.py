"""What phrase lists say of a page: which categories its text has how many points of.

In come the phrases of the lists that ask for pages; out come, for the numbers of what was found in a page, findings
with their evidence. The weights, banned and exception phrases are those of `categories.weighted`; plain words are found
as whole words and need no points. Which score is too much for whom is not said here: policy decides. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from categories.model import EntryKind, ListStatus, Match
from categories.needles import Needles, opened
from categories.phrases import PhraseEntry
from categories.scoring import PhraseKind, ScoredPhrase
from categories.weighted import Tally, evidence, tallied, without_doubles


class Finding(NamedTuple):
    """What a page has of one category."""

    match: Match
    """Category and evidence; its weight is the score."""
    limit: int
    """Score the lists allow."""
    settled: bool
    """True when no limit is asked: a plain word, or a banned phrase."""

    def over(self, limit: int | None) -> bool:
        """Whether it is more than `limit` allows, or than its lists do where there is none."""
        return self.settled or self.match.weight > (self.limit if limit is None else limit)


class PageTable:
    """All phrases looked for in pages. Immutable; safe to read from any thread."""

    def __init__(
        self,
        lists: Sequence[ListStatus],
        plain: Iterable[PhraseEntry],
        weighted: Iterable[ScoredPhrase],
        limits: dict[str, int],
        compiled: bytes | None = None,
    ) -> None:
        """`limits` has every category of `weighted`; `compiled` is what `categories.needles` made of `parts`."""
        self._plain = tuple(entry for entry in plain if not entry.whole)
        self._lists = tuple(lists)
        self._weighted = tuple(without_doubles(weighted))
        self._limits = limits
        numbers: dict[str, int] = {}
        self._plain_at: dict[int, list[PhraseEntry]] = {}
        for entry in self._plain:
            self._plain_at.setdefault(numbers.setdefault(f" {entry.words} ", len(numbers)), []).append(entry)
        self._speaks = bytes(
            phrase.weight >= 0 and phrase.kind is not PhraseKind.EXCEPTION for phrase in self._weighted
        )
        """By place, 1 for a phrase that may close a page: others only speak for one."""
        self._needs = tuple(
            frozenset(numbers.setdefault(part, len(numbers)) for part in phrase.parts) for phrase in self._weighted
        )
        wanted = Counter(number for needs in self._needs for number in needs)
        self._told_by: dict[int, list[int]] = {}
        """Phrases by that part of theirs which the fewest need: a page without it has none of them."""
        for place, needs in enumerate(self._needs):
            if needs:
                self._told_by.setdefault(min(needs, key=lambda number: (wanted[number], number)), []).append(place)
        self.parts = tuple(numbers)
        """What is looked for, by number."""
        self.needles: Needles = opened(compiled, self.parts)
        """The same, compiled."""
        spoken = {phrase.category for phrase in self._weighted if phrase.weight >= 0}
        self.categories = frozenset(spoken | {self._lists[entry.list].category for entry in self._plain})
        """Every category a page may be of."""

    def __len__(self) -> int:
        return len(self._plain) + len(self._weighted)

    def findings(self, found: Iterable[int]) -> tuple[Finding, ...]:
        """What the parts found in one page make of it: plain words first, then most points first."""
        there = found if isinstance(found, set) else set(found)
        words = sorted(there & self._plain_at.keys()) if self._plain_at else ()
        needs, told_by, speaks = self._needs, self._told_by, self._speaks
        told = [place for number in there for place in told_by.get(number, ()) if needs[place] <= there]
        if not words and not any(map(speaks.__getitem__, told)):
            return ()  # as most pages
        whole = [self._weighted[place] for place in sorted(told)]
        plain = (self._worded(entry) for number in words for entry in self._plain_at[number])
        tallies = sorted(tallied(whole), key=lambda one: (not one.banned, -one.over.score, one.over.category))
        return (*dict.fromkeys(plain), *map(self._counted, tallies))

    def phrases(self) -> Iterator[ScoredPhrase]:
        """Every weighted phrase in force."""
        yield from self._weighted

    def entries(self) -> Iterator[PhraseEntry]:
        """Every plain word in force."""
        yield from self._plain

    def _worded(self, entry: PhraseEntry) -> Finding:
        status = self._lists[entry.list]
        match = Match(status.category, status.name, entry.words, entry.line, EntryKind.PHRASE, entry.weight)
        return Finding(match, 0, settled=True)

    def _counted(self, tally: Tally) -> Finding:
        over, first = tally.over, tally.over.phrases[0]
        match = Match(over.category, first.list, evidence(over.phrases), first.line, EntryKind.PHRASE, over.score)
        return Finding(match, self._limits[over.category], tally.banned)
