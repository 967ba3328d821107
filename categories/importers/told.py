"""Lines told by kind: in come lines that share a reason, out comes one `Problem` a kind with its number.

A filter list has thousands of lines of one kind that mean something else here. Telling each would hide the rest, so a
kind is told once, with its first line as the example and the number of lines it speaks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from categories.model import Problem
from categories.parse import Line, problem


@dataclass(slots=True)
class _Kind:
    first: Line
    taken: bool
    lines: int = 0


class Told:
    """Counts lines by reason."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kinds: dict[str, _Kind] = {}

    def see(self, line: Line, why: str, *, taken: bool) -> None:
        """Note a line; `taken` says whether it is in force all the same."""
        kind = self._kinds.setdefault(why, _Kind(line, taken))
        kind.lines += 1

    def told(self) -> Iterator[Problem]:
        """One problem a kind, in the order the kinds were first seen."""
        for why, kind in self._kinds.items():
            like = f" ({kind.lines:,} lines like it)" if kind.lines > 1 else ""
            yield problem(
                self._name, kind.first.number, kind.first.text, why + like, lines=kind.lines, taken=kind.taken
            )
