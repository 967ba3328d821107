"""The ways a text is read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.markup import MARK
from categories.normalise import normalised
from categories.readings import _INVISIBLE, Readings
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


SIGNS = frozenset(map(chr, range(ord("/")))).union(":;=?@[\\]^_`") - {MARK}


def bare(letter: str) -> str:
    """A letter in a bare word; a blank for a sign."""
    folded = letter if letter == MARK else normalised(letter)
    return folded or ("" if unicodedata.category(letter) in ("Mn", "Me", "Cf") else " ")


def plainly(text: str) -> set[bytes]:
    """The four readings, letter by letter and step by step."""
    seen = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    written = "".join(" " if letter in SIGNS else letter for letter in seen.lower())
    words = "".join(map(bare, seen))
    forms = (form.replace(MARK, mark) for form in (written, words) for mark in ("", " "))
    known = (" ".join(word for word in form.split(" ") if word) for form in forms)
    return {(f" {form} " if form else " ").encode("utf-8", "surrogatepass") for form in known}


LETTERS = (
    "ab EÉéеЕ我и́\u0301\u0327\u00ad\u200bΣσς\u00df½Ⅷﬁｅ İıĸ\u212aﾞ각ꭰᎠ" + MARK + " .,'/<|~\n\t\0\u0345’“—€\ud800\u1160"
)


@given(
    st.text(LETTERS, max_size=40)
    | st.text(max_size=40)
    | st.text("ab, é’/" + MARK, max_size=200)
    | st.text("aB .-/<>{|}~\x7f" + MARK, max_size=60)
)
def test_read_as_if_letter_by_letter(text: str) -> None:
    """What is looked up in runs, left out because it is the same, or done to all octets at once changes nothing."""
    assert set(Readings().of(text, last=True)) == plainly(text)


@pytest.mark.parametrize("between", [" ", "a", "a long word in plain letters, and more of them ", MARK])
@pytest.mark.parametrize("letters", ["é", "e\u0301", "ΑΣ", "\u00ad"])
def test_a_text_with_any_number_of_other_letters_is_read_the_same(letters: str, between: str) -> None:
    """A few, which are looked up, and so many that all is folded together."""
    for count in (1, 20, 2000):
        text = between.join(f"{letters}{chr(0xE0 + number % 200)}" for number in range(count))
        assert set(Readings().of(text, last=True)) == plainly(text)


@given(st.lists(st.text("abé我-", min_size=1, max_size=8), min_size=1, max_size=30), st.data())
def test_no_phrase_is_lost_at_a_seam(words: list[str], data: st.DataObject) -> None:
    """Pieces end between words; a phrase over the seam stands in one of them."""
    begin = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(begin + 1, min(len(words), begin + 5)))
    part = scored_text(" ".join(words[begin:end])).strip()
    if part:
        assert stands(part, *(f"{word} " for word in words))
