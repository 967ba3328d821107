"""The ways a text is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.markup import MARK
from categories.normalise import normalised
from categories.readings import Readings
from categories.scoring import scored_text


def stands(part: str, *pieces: str) -> bool:
    """Whether a phrase is found in a text that comes in these pieces."""
    readings = Readings()
    found = [part.encode() in octets for piece in pieces for octets in readings.of(piece)]
    return any(found) or any(part.encode() in octets for octets in readings.of("", last=True))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (" sword ", "A SWORD, drawn"),
        (" sword ", "“sword”"),
        (" sword ", "s\u00adwo\u200brd"),
        (" sword ", f"sw{MARK}ord"),
        (" blade ", f"sword{MARK}blade"),
        (" creme ", "crème brûlée"),
        ("crème", "CRÈME"),
        (" sword ", "ｓｗｏｒｄ"),
        ("</", "a </ b"),
        (" sword ", "sword/shield"),
        ("меч", "МЕЧ и щит, " * 3),
        (" меч ", "«МЕЧ»"),
    ],
)
def test_a_phrase_is_found(part: str, text: str) -> None:
    """As written or as bare words, tags within a line gone or a blank."""
    assert stands(part, text)


@pytest.mark.parametrize(
    ("part", "text"), [(" sword ", "swordfish"), (" word ", f"s{MARK[:0]}word"), ("a b", "a, c b")]
)
def test_other_words_are_not(part: str, text: str) -> None:
    """Borders are borders."""
    assert not stands(part, text)


TEXT = st.text("aBé我 .,-/<" + MARK, max_size=60)


@given(TEXT)
def test_the_forms_are_those_of_searches(text: str) -> None:
    """What is found in a search is found on a page: the same two forms are among the readings."""
    known = [octets.decode().strip() for octets in Readings().of(text, last=True)]
    assert scored_text(text).strip() in known
    assert normalised(text.replace(MARK, " ")) in known or normalised(text.replace(MARK, "")) in known


@given(st.lists(st.text("abé我-", min_size=1, max_size=8), min_size=1, max_size=30), st.data())
def test_no_phrase_is_lost_at_a_seam(words: list[str], data: st.DataObject) -> None:
    """Pieces end between words; a phrase over the seam stands in one of them."""
    begin = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(begin + 1, min(len(words), begin + 5)))
    part = scored_text(" ".join(words[begin:end])).strip()
    if part:
        assert stands(part, *(f"{word} " for word in words))
