"""One way to write words.

In comes text as people type it; out go words in one form, single blanks between them: compatibility forms unified
(NFKC), case folded, zero-width characters and combining marks removed, punctuation a blank. A second form undoes
disguise: look-alike letters, digits and signs for letters, letters spelled out one by one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from categories.lookalikes import LOOK_ALIKES

_NOT_A_WORD = re.compile(r"[\W_]+")
_BLANKS = re.compile(r"\s+")
_SPELLED_OUT = re.compile(r"(?<!\S)(?:\w ){2,}\w(?!\S)")

_SIGNS = str.maketrans("0345789@$€+", "oeastbgaset")
_SIGN = re.compile(r"[0-9@$€!|+]")
_STARRED = re.compile(r"(?<=[^\W\d_])\*+(?=[^\W\d_])")
"""Stars within a word."""
_VOWELS = "aeiou"
_STUMP = re.compile(r"(?<!\S)[bcdfghjklmnpqrstvwxz]{2,3}(?!\S)")
"""What is no word by itself, for want of a vowel."""
_LONGEST_JOINED = 6
"""Letters of a word put together again from two pieces: longer ones are two words more often than one in disguise."""


def normalised(text: str) -> str:
    """Words in one form, single blanks between them; empty when there are none. Its own normal form."""
    if text.isascii():
        return _NOT_A_WORD.sub(" ", text.lower()).strip()
    return _NOT_A_WORD.sub(" ", _folded(text)).strip()


def undisguised(text: str) -> tuple[str, ...]:
    """Further readings of a text whose words are disguised, in the form of `normalised`; none when none is.

    `s3x`, `p0rn`, `ѕех` (Cyrillic), `p.o.r.n`, `p*rn`, `po rn`. A digit one may stand for `i` or `l`, and a star for
    any vowel, so there can be several readings. A word of digits alone is a number, and stays one.
    """
    folded = text.lower() if text.isascii() else _folded(text).translate(LOOK_ALIKES)
    plain = normalised(text)
    readings: list[str] = []
    signed = _SIGN.search(folded) is not None
    for one in "il" if signed else "i":
        words = " ".join(_unsigned(word, one) for word in _BLANKS.split(folded)) if signed else folded
        joined = _NOT_A_WORD.sub(" ", words).strip()
        readings += [joined, _SPELLED_OUT.sub(lambda run: run.group().replace(" ", ""), joined)]
    if "*" in folded and _STARRED.search(folded):
        readings += [_NOT_A_WORD.sub(" ", _STARRED.sub(vowel, folded)).strip() for vowel in _VOWELS]
    if _STUMP.search(readings[0]):
        readings.append(_rejoined(readings[0].split()))
    return tuple(dict.fromkeys(reading for reading in readings if reading and reading != plain))


def _rejoined(words: list[str]) -> str:
    """Short words of which one has no vowel put together: `po rn`. *The pen is* and *as sent* stay what they are."""
    joined: list[str] = []
    place = 0
    while place < len(words):
        pair = words[place : place + 2]
        stumps = [word for word in pair if _STUMP.fullmatch(word)]
        fits = len(pair) == 2 and min(map(len, pair)) > 1 and sum(map(len, pair)) <= _LONGEST_JOINED
        if stumps and fits and all(word.isascii() and word.isalpha() for word in pair):
            joined.append("".join(pair))
            place += 2
        else:
            joined.append(words[place])
            place += 1
    return " ".join(joined)


def _unsigned(word: str, one: str) -> str:
    """Read the signs in a word as letters, when it has letters at all."""
    if not any(character.isalpha() for character in word):
        return word
    return word.translate(_SIGNS).replace("1", one).replace("!", one).replace("|", one)


def _folded(text: str) -> str:
    kept = "".join(character for character in unicodedata.normalize("NFKD", text) if not _invisible(character))
    return unicodedata.normalize("NFKC", kept.casefold())


@lru_cache(maxsize=4096)
def _invisible(character: str) -> bool:
    """Combining marks and format characters (zero-width joiners, soft hyphens, direction marks)."""
    return unicodedata.category(character) in {"Mn", "Me", "Cf"}
