"""Other people's names out of what is said about somebody.

In come texts and JSON of staff (reasons, answers, lines of the audit trail), the names to be taken out, and whose they
may stay; out go the same without them. Pure. A name is found as whole words, in either case, however its parts are
parted, surname first, too; a part alone (`Ben`) where it is written as a name. Two letters of an account are words of
every text, and a nickname is in no register: what is handed out is read first. Who did something becomes what they are:
staff or a program.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SOMEBODY = "[somebody else]"
"""Stands where another person's name stood."""
STAFF = "staff"
"""Stands for whoever did something, when it was a person."""
SHORTEST = 3
"""Characters of the shortest name that is looked for: shorter ones are words of every text."""
_TYPED = re.compile(r"\b(?:cli|console|api):[^\s,;\"'\])}]+")
_WORD = re.compile(r"[^\W\d_]+")
_DOERS = frozenset(
    {"who", "made_by", "ended_by", "decided_by", "granted_by", "placed_by", "signed_by", "released_by", "exported_by"}
)


class Redactor:
    """Takes names of others out."""

    def __init__(self, person: Iterable[str], others: Iterable[str], programs: Iterable[str] = ()) -> None:
        """`person`: every name of whom it is about; `others`: all other names; `programs`: doers that are nobody."""
        own = [_plain(name) for name in person]
        self._person = {name.casefold() for name in own}
        self._programs = frozenset(programs)
        names = {name for name in map(_plain, others) if len(name) >= SHORTEST and name.casefold() not in self._person}
        ordered = sorted(names, key=len, reverse=True)
        spelt = itertools.chain.from_iterable(map(_spellings, ordered))
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(spelt)})(?!\w)", re.IGNORECASE) if ordered else None
        self._parts = _parts(names) - _parts(own)

    def text(self, text: str) -> str:
        """A text without the names of others."""
        said = _TYPED.sub(STAFF, _plain(text))
        if self._pattern is None:
            return said
        return _WORD.sub(self._word, self._pattern.sub(SOMEBODY, said))

    def _word(self, word: re.Match[str]) -> str:
        return SOMEBODY if word[0] in self._parts else word[0]

    def doer(self, who: str | None) -> str | None:
        """Who did something, as what they are."""
        if who is None or who in self._programs or who.casefold() in self._person:
            return who
        return STAFF

    def value(self, value: Any) -> Any:
        """JSON without the names of others; who did something is `staff`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): self.doer(item) if name in _DOERS and isinstance(item, str) else self.value(item)
                for name, item in value.items()
            }
        return [self.value(item) for item in value] if isinstance(value, (list, tuple)) else value


def _plain(text: str) -> str:
    """One spelling of letters that can be composed of others, and of blanks that are no blanks (UAX 15)."""
    return unicodedata.normalize("NFKC", text)


def _spellings(name: str) -> Iterator[str]:
    """Patterns of a name: as it is, and surname first."""
    parts = name.split()
    yield r"\s*".join(map(re.escape, parts))
    if len(parts) > 1:
        yield r"\s*,?\s*".join(map(re.escape, (parts[-1], *parts[:-1])))


def _parts(names: Iterable[str]) -> set[str]:
    """Parts of names of several words that may stand alone: `Ben`, and `BEN` of whoever shouts."""
    found = {part for name in names if " " in name.strip() for part in _WORD.findall(name)}
    return {spelt for part in found if len(part) > 1 and part[0].isupper() for spelt in (part, part.upper())}


def mentions(value: Any, name: str) -> bool:
    """Whether JSON names somebody, as a whole word, in either case."""
    if isinstance(value, str):
        return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", value, re.IGNORECASE) is not None
    if isinstance(value, Mapping):
        return any(mentions(item, name) for pair in value.items() for item in pair)
    return any(mentions(item, name) for item in value) if isinstance(value, (list, tuple)) else False
