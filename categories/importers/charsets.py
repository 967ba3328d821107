"""Charsets of lists from before UTF-8: which one a file is in, line by line where it must be.

In come the lines of a file and the words of its path (`phraselists/russian-koi8-r/…`); out comes each line as text,
or nothing where no charset fits. UTF-8 is tried first: what is valid in it by accident is rare. Decoding is strict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_BY_WORD: dict[str, tuple[str, ...]] = {
    "chinesebig5": ("big5hkscs",),
    "big5": ("big5hkscs",),
    "chinesegb2312": ("gb18030",),
    "gb2312": ("gb18030",),
    "chinese": ("gb18030", "big5hkscs"),
    "japanese": ("euc_jp", "cp932"),
    "polish": ("iso8859-2", "cp1250"),
    "czech": ("iso8859-2", "cp1250"),
    "hungarian": ("iso8859-2", "cp1250"),
    "turkish": ("iso8859-9",),
    "russian": ("cp1251", "koi8-r"),
    "1251": ("cp1251", "koi8-r"),
    "koi8": ("koi8-r", "cp1251"),
}
_WESTERN = ("cp1252",)
_NAMED = {
    "utf-8": "utf-8",
    "euc-jp": "euc_jp",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "gb2312": "gb18030",
    "koi8-r": "koi8-r",
    "windows-1251": "cp1251",
    "iso-8859-1": "cp1252",
    "iso-8859-2": "iso8859-2",
}
_EAST_ASIAN = frozenset({"gb18030", "big5hkscs", "euc_jp", "cp932"})
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]")
_SMALL_CYRILLIC = re.compile("[а-яё]")


def charsets_for(path: str) -> tuple[str, ...]:
    """The charsets a file may be in besides UTF-8, most likely first, by the words of its path."""
    words = re.split(r"[/_.-]", path.lower())
    return next((_BY_WORD[word] for word in ("koi8", *words) if word in words and word in _BY_WORD), _WESTERN)


def charset_named(text: str) -> str | None:
    """The charset a comment names that heads a part of a file: `#EUC-JP`."""
    return _NAMED.get(text.lstrip("# ").rstrip().lower())


def settled(charsets: Sequence[str], lines: Iterable[bytes]) -> tuple[str, ...]:
    """Of the two Cyrillic charsets the one in which the lines are lower case, as phrases are; others as they are."""
    if set(charsets) != {"cp1251", "koi8-r"}:
        return tuple(charsets)
    octets = b"".join(line for line in lines if not line.isascii() and decoded(line, ()) is None)
    return tuple(sorted(charsets, key=lambda charset: -_small_letters(octets, charset)))


def decoded(raw: bytes, charsets: Sequence[str]) -> str | None:
    """A line as text, in UTF-8 or the first of the charsets it is valid in; None when it is valid in none.

    Two octets of a Chinese or Japanese charset can be valid UTF-8 for a Greek or Cyrillic letter, so where such a
    charset is expected UTF-8 must give East Asian writing, too.
    """
    accident: str | None = None
    for charset in ("utf-8", *charsets):
        try:
            text = raw.decode(charset)
        except UnicodeDecodeError:
            continue
        if charset != "utf-8" or raw.isascii() or not _EAST_ASIAN.intersection(charsets) or _IDEOGRAPH.search(text):
            return text
        accident = text
    return accident


def _small_letters(octets: bytes, charset: str) -> int:
    return len(_SMALL_CYRILLIC.findall(octets.decode(charset, "replace")))
