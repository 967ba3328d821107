"""One way to write words.

In comes text as people type it; out go words in one form, single blanks between them: compatibility forms unified
(NFKC), case folded, zero-width characters and combining marks removed, punctuation a blank. A second form undoes
disguise: look-alike letters, digits and signs for letters, letters spelled out one by one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NOT_A_WORD = re.compile(r"[\W_]+")
_BLANKS = re.compile(r"\s+")
_SPELLED_OUT = re.compile(r"(?<!\S)(?:\w ){2,}\w(?!\S)")

_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмнтɡɑοαεικνρτυχγωℓıłøđ",
    "aeopcyxijshdqwbkmhtgaoaeikvptuxywlilod",
)
_SIGNS = str.maketrans("0345789@$€+", "oeastbgaset")
_SIGN = re.compile(r"[0-9@$€!|+]")


def normalised(text: str) -> str:
    """Words in one form, single blanks between them; empty when there are none. Its own normal form."""
    if text.isascii():
        return _NOT_A_WORD.sub(" ", text.lower()).strip()
    return _NOT_A_WORD.sub(" ", _folded(text)).strip()


def undisguised(text: str) -> tuple[str, ...]:
    """Further readings of a text whose words are disguised, in the form of `normalised`; none when none is.

    `s3x`, `p0rn`, `ѕех` (Cyrillic), `p.o.r.n`. A digit one may stand for `i` or `l`, so there can be two readings.
    A word of digits alone is a number, and stays one.
    """
    folded = text.lower() if text.isascii() else _folded(text).translate(_LOOK_ALIKES)
    plain = normalised(text)
    readings: list[str] = []
    signed = _SIGN.search(folded) is not None
    for one in "il" if signed else "i":
        words = " ".join(_unsigned(word, one) for word in _BLANKS.split(folded)) if signed else folded
        joined = _NOT_A_WORD.sub(" ", words).strip()
        readings += [joined, _SPELLED_OUT.sub(lambda run: run.group().replace(" ", ""), joined)]
    return tuple(dict.fromkeys(reading for reading in readings if reading and reading != plain))


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
