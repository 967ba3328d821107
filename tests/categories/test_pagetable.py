"""Which phrases a page has, by the numbers of the parts that were found in it: those of which no part is missing.

Shows: `categories.pagetable`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from categories.model import ListStatus
from categories.pagetable import PageTable
from categories.scoring import PhraseKind, ScoredPhrase

LISTS = [ListStatus("arms", "weapons", 1, 0, 0.0, ""), ListStatus("bets", "gambling", 1, 0, 0.0, "")]
LIMITS = {"weapons": 60, "gambling": 60}
WORDS = (" axe ", " bow ", "dart", " odds ", " peace ", " spear ")
PARTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(tuple)
KINDS = [(PhraseKind.WEIGHTED, 70), (PhraseKind.WEIGHTED, -40), (PhraseKind.BANNED, 0), (PhraseKind.EXCEPTION, 0)]
PHRASES = st.builds(
    lambda parts, kind, of, line: ScoredPhrase(parts, *kind, category=of[0], list=of[1], line=line),
    PARTS,
    st.sampled_from(KINDS),
    st.sampled_from([("weapons", "arms"), ("gambling", "bets")]),
    st.integers(1, 99),
)


def table(phrases: Sequence[ScoredPhrase]) -> PageTable:
    """A table of these phrases alone."""
    return PageTable(LISTS, (), phrases, LIMITS)


@given(st.lists(PHRASES, max_size=12), st.sets(st.sampled_from(WORDS)))
def test_a_phrase_counts_when_nothing_of_it_is_missing(phrases: list[ScoredPhrase], found: set[str]) -> None:
    """Whatever else stands in the lists: the findings are those of a table of just the phrases that are there."""
    every = table(phrases)
    there = table([phrase for phrase in phrases if found.issuperset(phrase.parts)])
    numbers = [number for number, part in enumerate(every.parts) if part in found]
    assert every.findings(numbers) == there.findings(range(len(there.parts)))


def test_a_part_that_many_phrases_share_tells_none_of_them_alone() -> None:
    """A phrase of a frequent word and a rare one is found with both, and with neither of them alone."""
    phrases = [
        ScoredPhrase((" odds ", rare), PhraseKind.WEIGHTED, 70, category="gambling", list="bets", line=line)
        for line, rare in enumerate((" axe ", " bow ", "dart"), 1)
    ]
    looked = table(phrases)
    number = looked.parts.index
    assert looked.findings([number(" odds ")]) == looked.findings([number("dart")]) == ()
    (finding,) = looked.findings([number(" odds "), number("dart")])
    assert (finding.match.category, finding.match.line, finding.match.weight) == ("gambling", 3, 70)
