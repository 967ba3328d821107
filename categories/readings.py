"""The ways a page's text is read when phrases are looked for in it.

In comes visible text (`categories.markup`), a piece at a time, cut between words; out come octets to look in, each
going on where the one before ended, so that no phrase is lost at a seam. Read four ways, and a phrase that any of them
has is found: as it is written (the form of `categories.scoring.scored_text`) and as bare words (the form of
`categories.normalise.normalised`), each with the tags within a line gone and with a blank for each. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from categories.markup import MARK
from categories.normalise import normalised
from categories.scoring import LONGEST_PHRASE

OVERLAP = 4 * (LONGEST_PHRASE + 2)
"""Octets of the piece before that are looked at again: the longest phrase, in the widest letters."""

_MARK = MARK.encode()
_WITHIN_LETTER = bytes(range(0x80, 0xC0))
"""What no letter begins with in UTF-8."""
_SIGNS = bytes((*range(ord("/")), *b":;=?@[\\]^_`")).replace(_MARK, b"")
_AS_WRITTEN = bytes.maketrans(_SIGNS, b" " * len(_SIGNS))
_ALL_SIGNS = bytes(octet for octet in range(128) if not chr(octet).isalnum()).replace(_MARK, b"")
_AS_WORDS = bytes.maketrans(_ALL_SIGNS, b" " * len(_ALL_SIGNS))
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]+"
)
_BLANKS = re.compile(rb"  +").sub
_OTHER = re.compile(r"[^\x00-\x7f]+")
_MANY = 8
"""One letter in so many is beyond ASCII: the text is folded letter by letter."""


class _Folds(dict[int, str]):
    """A letter to what `normalised` makes of it, remembered; a blank for what is no letter or digit."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        folded = letter if letter == MARK else normalised(letter)
        if not folded and unicodedata.category(letter) not in ("Mn", "Me", "Cf"):
            folded = " "
        self[code] = folded
        return folded


_folds = _Folds()


class Readings:
    """Reads one text, piece by piece."""

    def __init__(self) -> None:
        self._before: list[bytes] = [b"", b"", b"", b""]
        self._seam = b" "

    def of(self, piece: str, *, last: bool = False) -> Iterator[bytes]:
        """What to look in for phrases that end in this piece; the last piece ends the text."""
        whole = last or piece[-1:].isspace()
        seam = b" " if piece[:1].isspace() else self._seam
        known: list[bytes] = []
        for way, words in enumerate(_forms(piece)):
            octets = self._before[way] + (seam + words if words else b"")
            self._before[way] = octets[-OVERLAP:].lstrip(_WITHIN_LETTER)
            if whole:
                octets += b" "
            if octets not in known:  # compared, not hashed: they are long, and few
                known.append(octets)
                yield octets
        self._seam = b" " if whole else b""


def _forms(piece: str) -> tuple[bytes, bytes, bytes, bytes]:
    plain = piece.isascii()
    if not plain:
        piece = unicodedata.normalize("NFKC", _INVISIBLE.sub("", piece))
    octets = piece.lower().encode("utf-8", "surrogatepass")
    written = _single(octets.translate(_AS_WRITTEN))
    if plain:
        words = _single(written.translate(_AS_WORDS))
    else:
        folded = _folded(piece).encode("utf-8", "surrogatepass").lower()
        words = _single(folded.translate(_AS_WORDS))
    return *_both_ways(written), *_both_ways(words)


def _both_ways(octets: bytes) -> tuple[bytes, bytes]:
    """Without its marks, and with a blank for each; `octets` has single blanks."""
    texts = octets.split(_MARK)
    if len(texts) == 1:
        return octets, octets
    return _single(b"".join(texts)), b" ".join([text for part in texts if (text := part.strip(b" "))])


def _single(octets: bytes) -> bytes:
    """One blank where there are several, none at the ends."""
    return _BLANKS(b" ", octets).strip(b" ")


def _folded(text: str) -> str:
    """Accents and marks off, compatibility forms unified, signs a blank."""
    others = len(text.encode("utf-8", "surrogatepass")) - len(text)
    if others * _MANY > len(text):
        return text.translate(_folds)
    return _OTHER.sub(lambda run: run.group().translate(_folds), text)
