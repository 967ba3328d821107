"""What the tests of importers share: a text read as a list, and what becomes of each line."""

from __future__ import annotations

import io

from categories.model import Problem
from categories.parse import Entry, FileFormat, parse


def read(
    format: FileFormat, text: str | bytes, *, top_levels: bool = False, only: str = ""
) -> tuple[list[Entry], list[Problem]]:
    """Entries and problems of a text."""
    raw = text.encode() if isinstance(text, str) else text
    items = list(parse(format, io.BytesIO(raw), "a list", top_levels=top_levels, only=only))
    return [i for i in items if isinstance(i, Entry)], [i for i in items if isinstance(i, Problem)]


def values(entries: list[Entry]) -> list[str]:
    """`kind value` of each entry."""
    return [f"{entry.kind} {entry.value}" for entry in entries]


def lines_accounted_for(entries: list[Entry], problems: list[Problem]) -> int:
    """Lines that are an entry or told as not taken; what is told as taken in another meaning is an entry already."""
    return len({entry.line for entry in entries}) + sum(problem.lines for problem in problems if not problem.taken)
