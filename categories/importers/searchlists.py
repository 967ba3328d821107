"""Lists of format `searches`: whole queries that are closed, `girl+naughty` a line.

In comes a file in the grammar of e2guardian's search lists; out come entries that fit a query of these words and no
others, in any order. e2guardian compares with sorted words, so a line that is not sorted never fits there: here it
does, and is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from categories.importers.e2guardian_items import About, items
from categories.model import EntryKind, Problem
from categories.parse import Entry, problem
from categories.searchwords import search_key

UNSORTED = "its words are not sorted, so it never fits in e2guardian; taken as "
_TOLD = {
    "include": "names another file, which is not read: name it as a list of its own",
    "time": "says at which times it holds; here a list always holds: write the times into the policy",
}


def read_searches(
    stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = ""
) -> Iterator[Entry | Problem]:
    """Read a file: the words of a line are parted by `+` or blanks."""
    for item in items(stream, name):
        if isinstance(item, Problem):
            yield item
        elif isinstance(item, About):
            if item.what in _TOLD:
                lines = 0 if item.what == "time" else 1  # `#time:` is a comment, and no line of the list
                yield problem(name, item.line.number, item.line.text, _TOLD[item.what], lines=lines)
        elif not (key := search_key(item.text.replace("+", " "))):
            yield problem(name, item.number, item.text, "has no word to look for")
        else:
            yield Entry(EntryKind.PHRASE, key, item.number, whole=True)
            if "+" in item.text and key != item.text.lower():
                yield problem(name, item.number, item.text, f"{UNSORTED}{key}", taken=True)
