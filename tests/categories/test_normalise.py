"""One way to write words: case, accents, zero-width characters and disguise do not matter.

Shows: `categories.lookalikes`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.normalise import normalised, undisguised


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("Rude  WORD!", "rude word"),
        ("rude-word", "rude word"),
        ("rude_word", "rude word"),
        ("ru\u200bde wo\u00adrd", "rude word"),
        ("r\u0301ude wor\u0308d", "rude word"),
        ("ＲＵＤＥ ｗｏｒｄ", "rude word"),
        ("𝐫𝐮𝐝𝐞 𝔴𝔬𝔯𝔡", "rude word"),
        ("caf\u00e9", "cafe"),
        ("Stra\u00dfe", "strasse"),
        ("ﬁght", "fight"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("don't", "don t"),
        ("", ""),
        ("?!…", ""),
    ],
)
def test_words_have_one_form(typed: str, words: str) -> None:
    """NFKC, case folding, no marks, no format characters, punctuation a blank."""
    assert normalised(typed) == words


@pytest.mark.parametrize(
    ("typed", "reading"),
    [
        ("p0rn", "porn"),
        ("s3x v1deo", "sex video"),
        ("k1ll", "kill"),
        ("ki11", "kill"),
        ("@ss", "ass"),
        ("$uicide", "suicide"),
        ("p.o.r.n", "porn"),
        ("p o r n", "porn"),
        ("free p-o-r-n now", "free porn now"),
        ("рогn", "porn"),
        ("рогп", "porn"),
        ("ᴘᴏʀɴ", "porn"),
        ("ꜱᴇx", "sex"),
        ("pօrn", "porn"),
        ("ѕսісіdе", "suicide"),
        ("🅿🅾🆁🅽", "porn"),
        ("🅟🅞🅡🅝", "porn"),
        ("🇵🇴🇷🇳", "porn"),
        ("p*rn", "porn"),
        ("free P*RN now", "free porn now"),
        ("s*x v*deo", "six video"),
        ("po rn", "porn"),
        ("free po-rn now", "free porn now"),
        ("fu ck you", "fuck you"),
        ("\u0440\u043e\u0440n", "popn"),
        ("p\u043ern", "porn"),
    ],
)
def test_disguised_words_have_another_reading(typed: str, reading: str) -> None:
    """Signs and digits for letters, letters of other scripts, letters one by one."""
    assert reading in undisguised(typed)


PLAIN = (
    "", "plain words", "1945", "Year 4", "2 + 2", "Scunthorpe", "bücher lesen", "2*3", "* a note", "the pen is",
    "as sent", "Sussex", "Middlesex", "an album", "a b",
)  # fmt: skip


@pytest.mark.parametrize("typed", PLAIN)
def test_plain_words_and_numbers_have_no_other_reading(typed: str) -> None:
    """A number is a number, and the second pass costs nothing where nothing is disguised."""
    assert undisguised(typed) == ()


@pytest.mark.parametrize("typed", ["xbox ps exclusive", "gps exercise", "my tv assembly", "plan b oobleck", "don't"])
def test_a_long_word_is_not_made_of_two(typed: str) -> None:
    """Nor is a letter by itself, or what an apostrophe leaves, a piece of the next word."""
    last = normalised(typed).split()[-1]
    assert all(reading.split()[-1] == last for reading in undisguised(typed))


@given(st.text(max_size=60))
def test_the_one_form_is_its_own(text: str) -> None:
    """Normalising twice changes nothing."""
    once = normalised(text)
    assert normalised(once) == once
