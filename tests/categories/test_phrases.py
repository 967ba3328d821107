"""Words and phrases are found whole, plain or disguised, and places keep their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.normalise import normalised
from categories.phrases import PhraseEntry, PhraseTable

TABLE = PhraseTable(
    [
        PhraseEntry(0, "sex", 1, 0),
        PhraseEntry(0, "rude word", 2, 0),
        PhraseEntry(1, "sex", 7, 30),
        PhraseEntry(1, "word game", 8, 0),
        PhraseEntry(1, "cunt", 9, 0),
        PhraseEntry(2, "日本", 1, 0),
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sex", [(0, 1), (1, 7)]),
        ("SEX!", [(0, 1), (1, 7)]),
        ("s3x", [(0, 1), (1, 7)]),
        ("s e x", [(0, 1), (1, 7)]),
        ("\u0455\u0435\u0445", [(0, 1), (1, 7)]),
        ("rude word game", [(0, 2), (1, 8)]),
        ("sex sex sex", [(0, 1), (1, 7)]),
        ("日本 の", [(2, 1)]),
        ("rude words", []),
        ("rude. other word", []),
        ("Sussex", []),
        ("Middlesex University", []),
        ("Essex", []),
        ("Scunthorpe United", []),
        ("sextet", []),
        ("", []),
    ],
)
def test_phrases_are_whole_words(text: str, found: list[tuple[int, int]]) -> None:
    """List and line of every phrase in the text, each once."""
    assert [(hit.list, hit.line) for hit in TABLE.hits(text)] == found


def test_no_phrases_find_nothing() -> None:
    """A table without phrases is a table."""
    assert PhraseTable([]).hits("anything") == []


WORDS = st.lists(st.sampled_from(["a", "ab", "b", "abc", "c"]), min_size=1, max_size=3).map(" ".join)


@given(st.lists(WORDS, max_size=6), st.lists(st.sampled_from(["a", "ab", "b", "abc", "c", "x"]), max_size=8))
def test_every_whole_phrase_is_found_and_no_other(phrases: list[str], words: list[str]) -> None:
    """The automaton agrees with looking for each phrase by itself (in a text without disguise)."""
    table = PhraseTable([PhraseEntry(0, phrase, number, 0) for number, phrase in enumerate(phrases)])
    text = normalised(" ".join(word * 2 for word in words))  # doubled, so that no run of single letters is spelled out
    expected = [number for number, phrase in enumerate(phrases) if f" {phrase} " in f" {text} "]
    assert [hit.line for hit in table.hits(text)] == expected
