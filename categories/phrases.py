"""Words and phrases in a text, by Aho-Corasick.

In come phrase entries while an index is opened, and texts afterwards; out comes every phrase found as whole words, in
the order of the lists. Both sides are normalised first, so that case, accents, zero-width characters and punctuation
do not matter; a second pass reads disguised words (`s3x`, Cyrillic look-alikes). Whole words only: *Scunthorpe*,
*Sussex* and *Middlesex* are places. Closed searches are compared whole: those words, in any order, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import ahocorasick

from categories.normalise import normalised, undisguised
from categories.searchwords import search_key


class PhraseEntry(NamedTuple):
    """One phrase of one list."""

    list: int
    """Index into the snapshot's lists."""
    words: str
    """The phrase, normalised."""
    line: int
    """Its line."""
    weight: int
    """Its weight; 0 for none."""
    whole: bool = False
    """True when the text must be these words and no others; `words` are then in the form of `search_key`."""


class PhraseTable:
    """All phrases in force. Immutable; safe to read from any thread."""

    def __init__(self, entries: Sequence[PhraseEntry]) -> None:
        self._entries = tuple(entries)
        places: dict[str, list[int]] = {}
        whole: dict[str, list[int]] = {}
        for place, entry in enumerate(self._entries):
            (whole if entry.whole else places).setdefault(entry.words, []).append(place)
        self._whole = {words: tuple(found) for words, found in whole.items()}
        self._automaton = ahocorasick.Automaton()
        for words, found in places.items():
            self._automaton.add_word(f" {words} ", tuple(found))
        if places:
            self._automaton.make_automaton()
        self._worded = bool(places)
        self._empty = not self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def hits(self, text: str) -> list[PhraseEntry]:
        """Entries whose words stand in the text, plain or disguised; each once."""
        return self.hits_in((normalised(text), *undisguised(text))) if text and not self._empty else []

    def hits_in(self, readings: Iterable[str]) -> list[PhraseEntry]:
        """The same of a text whose readings are made already."""
        if self._empty:
            return []
        found: set[int] = set()
        for reading in readings:
            for _, places in self._automaton.iter(f" {reading} ") if self._worded else ():
                found.update(places)
            if self._whole:
                found.update(self._whole.get(search_key(reading), ()))
        return [self._entries[place] for place in sorted(found)]

    def entries(self) -> tuple[PhraseEntry, ...]:
        """Every phrase in force."""
        return self._entries
