"""Other people's names out of what is said about somebody.

In come texts and JSON of staff (reasons, answers, lines of the audit trail), the names to be taken out, and whose they
may stay; out go the same without them. Pure. Names are found as whole words, in either case. Who did something becomes
what they are: staff or a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SOMEBODY = "[somebody else]"
"""Stands where another person's name stood."""
STAFF = "staff"
"""Stands for whoever did something, when it was a person."""
SHORTEST = 3
"""Characters of the shortest name that is looked for: shorter ones are words of every text."""
_TYPED = re.compile(r"\b(?:cli|console|api):[^\s,;\"'\])}]+")
_DOERS = frozenset(
    {"who", "made_by", "ended_by", "decided_by", "granted_by", "placed_by", "signed_by", "released_by", "exported_by"}
)


class Redactor:
    """Takes names of others out."""

    def __init__(self, person: Iterable[str], others: Iterable[str], programs: Iterable[str] = ()) -> None:
        """`person`: every name of whom it is about; `others`: all other names; `programs`: doers that are nobody."""
        self._person = {name.casefold() for name in person}
        self._programs = frozenset(programs)
        names = {name for name in others if len(name) >= SHORTEST and name.casefold() not in self._person}
        ordered = sorted(names, key=len, reverse=True)
        self._pattern = (
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)", re.IGNORECASE) if ordered else None
        )

    def text(self, text: str) -> str:
        """A text without the names of others."""
        said = _TYPED.sub(STAFF, text)
        return said if self._pattern is None else self._pattern.sub(SOMEBODY, said)

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


def mentions(value: Any, name: str) -> bool:
    """Whether JSON names somebody, as a whole word, in either case."""
    if isinstance(value, str):
        return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", value, re.IGNORECASE) is not None
    if isinstance(value, Mapping):
        return any(mentions(item, name) for pair in value.items() for item in pair)
    return any(mentions(item, name) for item in value) if isinstance(value, (list, tuple)) else False
