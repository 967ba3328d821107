"""The ways a page's text is read when phrases are looked for in it.

In comes visible text (`categories.markup`), a piece at a time, cut between words; out come octets to look in, each
going on where the one before ended, so that no phrase is lost at a seam. Read four ways, and a phrase that any of them
has is found: as it is written (the form of `categories.scoring.scored_text`) and as bare words (the form of
`categories.normalise.normalised`), each with the tags within a line gone and with a blank for each. Pure.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

from categories.markup import MARK
from categories.normalise import normalised
from categories.scoring import LONGEST_PHRASE

OVERLAP = 4 * (LONGEST_PHRASE + 2)
"""Octets of the piece before that are looked at again: the longest phrase, in the widest letters."""

_MARK, _BLANK = MARK.encode(), ord(" ")
_WITHIN_LETTER = bytes(range(0x80, 0xC0))
"""What no letter begins with in UTF-8."""
_UPPER = bytes(range(ord("A"), ord("Z") + 1))
_SIGNS = bytes((*range(ord("/")), *b":;=?@[\\]^_`")).replace(_MARK, b"")
_AS_WRITTEN = bytes.maketrans(_UPPER + _SIGNS, _UPPER.lower() + b" " * len(_SIGNS))
_ALL_SIGNS = bytes(octet for octet in range(128) if not chr(octet).isalnum()).replace(_MARK, b"")
_MORE_SIGNS = tuple(sorted(set(_ALL_SIGNS) - set(_SIGNS), reverse=True))
"""What is a blank between bare words and itself as written: `/ < > { | } ~` and a control; the usual ones first."""
_AS_WORDS = bytes.maketrans(_UPPER + _ALL_SIGNS, _UPPER.lower() + b" " * len(_ALL_SIGNS))
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0000-\U000e0fff]+"
)
_BLANKS = re.compile(rb"   *+").sub
"""Two blanks and more: two that are spelled out are found twice as fast as one and a repetition."""
_OTHER = re.compile(r"[^\x00-\x7f]+")
_MANY = 8
"""One letter in so many is beyond ASCII: the text is folded letter by letter."""
_MOST_RUNS = 512
"""Runs of letters beyond ASCII that are looked up in a piece; where there are more it is folded as a whole."""
_NEW = 16
"""As so many counts one that is not known yet."""
_KNOWN_RUNS, _LONGEST_RUN = 2048, 24
"""Runs that are remembered, and their characters."""
_SIGMA = "\u03a3"
"""Its small form depends on the letters around it; no other letter's does."""


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
        if last and not any(self._before):  # all of the text: most pages are small
            yield from whole_text(piece)
            return
        known: list[bytes] = []
        whole = last or piece[-1:].isspace()
        seam = b" " if piece[:1].isspace() else self._seam
        for way, words in enumerate(_forms(piece)):
            before = self._before[way]
            octets = b"".join((before, seam if words else b"", words, b" " if whole else b""))
            tail = octets[-OVERLAP - 1 : -1] if whole else octets[-OVERLAP:]
            self._before[way] = tail.lstrip(_WITHIN_LETTER)
            if octets not in known:  # compared, not hashed: they are long, and few
                known.append(octets)
                yield octets
        self._seam = b" " if whole else b""


def whole_text(text: str) -> list[bytes]:
    """What to look in for all phrases of a text that is there whole."""
    joined, apart, bare, bare_apart = _forms(text)
    known = [joined]
    if apart is not joined and apart != joined:
        known.append(apart)
    if bare is not joined and bare not in known:
        known.append(bare)
    if bare_apart is not bare and bare_apart not in known:
        known.append(bare_apart)
    return [b" %b " % words if words else b" " for words in known]


def _forms(piece: str) -> tuple[bytes, bytes, bytes, bytes]:
    if piece.isascii():
        written = words = piece.encode()
    else:
        written, words = _run_by_run(piece) or _as_a_whole(piece)
    joined, apart = _both_ways(written, _AS_WRITTEN)
    if written != words:
        return joined, apart, *_both_ways(words, _AS_WORDS)
    bare = _bare(joined)
    return joined, apart, bare, bare if apart is joined else _bare(apart)


def _both_ways(octets: bytes, table: bytes) -> tuple[bytes, bytes]:
    """Without its marks, and with a blank for each; the same twice where that makes no difference."""
    octets = _single(octets.translate(table))
    if _MARK not in octets:
        return octets, octets
    texts = octets.split(_MARK)
    joined, ended = [], True
    for text in texts:
        more = text.lstrip(b" ") if ended else text
        if more:
            joined.append(more)
            ended = more[-1] == _BLANK
    apart = [words for text in texts if (words := text.strip(b" "))]
    return b"".join(joined).rstrip(b" "), b" ".join(apart)


def _bare(octets: bytes) -> bytes:
    """As bare words, of what has single blanks and no signs beyond ASCII; the same where it has no signs."""
    return _single(octets.translate(_AS_WORDS)) if any(sign in octets for sign in _MORE_SIGNS) else octets


def _single(octets: bytes) -> bytes:
    """One blank where there are several, none at the ends."""
    return _BLANKS(b" ", octets).strip(b" ")


def _run_by_run(piece: str) -> tuple[bytes, bytes] | None:
    """As written and as words, what is beyond ASCII looked up; None where that is much, or letters meet what is not.

    The encoder finds the runs several times as fast as an expression does, and asks for each.
    """
    if _beyond(piece) * _MANY > len(piece):
        return None
    _known.left = 2 * _MOST_RUNS
    try:
        return piece.encode("ascii", _WRITTEN), piece.encode("ascii", _WORDS)
    except UnicodeEncodeError:
        return None


class _Runs(dict[str, tuple[bytes, bytes] | None]):
    """A run of letters beyond ASCII: as written and as words; None where that depends on what is beside it."""

    left = 0
    """How many more are looked up."""

    def of(self, error: UnicodeError) -> tuple[bytes, bytes, int]:
        """Both forms of the run an encoder met, and where it ends; raises the encoder's error where there are none."""
        if not isinstance(error, UnicodeEncodeError):
            raise error
        self.left -= 1
        both = self[error.object[error.start : error.end]] if self.left >= 0 else None
        if both is None:
            raise error
        return *both, error.end

    def __missing__(self, run: str) -> tuple[bytes, bytes] | None:
        self.left -= _NEW
        text = _INVISIBLE.sub("", run)
        composed = unicodedata.normalize("NFKC", text)
        first = unicodedata.normalize("NFKD", text[:1])[:1]
        found = None
        if _SIGMA not in composed and not (first and unicodedata.combining(first)):
            found = _lowered(composed), composed.translate(_folds).encode("utf-8", "surrogatepass")
        if len(run) <= _LONGEST_RUN:
            if len(self) >= _KNOWN_RUNS:
                self.clear()
            self[run] = found
        return found


_known = _Runs()
_WRITTEN, _WORDS = "schoolgate-as-written", "schoolgate-as-words"
codecs.register_error(_WRITTEN, lambda error: _known.of(error)[::2])
codecs.register_error(_WORDS, lambda error: _known.of(error)[1:])


def _as_a_whole(piece: str) -> tuple[bytes, bytes]:
    """As written and as words."""
    composed = unicodedata.normalize("NFKC", _INVISIBLE.sub("", piece))
    return _lowered(composed), _folded(composed).encode("utf-8", "surrogatepass")


def _lowered(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogatepass")


def _folded(text: str) -> str:
    """Accents and marks off, compatibility forms unified, signs a blank."""
    if _beyond(text) * _MANY > len(text):
        return text.translate(_folds)
    return _OTHER.sub(lambda run: run.group().translate(_folds), text)


def _beyond(text: str) -> int:
    """About how many letters are beyond ASCII: octets of UTF-8 beside one for each."""
    return len(text.encode("utf-8", "surrogatepass")) - len(text)
