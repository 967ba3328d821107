"""Closed searches: a whole query against a list of word sets.

In come a query and a list of `girl+naughty` keys; out comes the key the query is. As in e2guardian the words are
compared as a set of the whole query: in any order, but no word more and none less.
"""

from __future__ import annotations

from categories.normalise import normalised


def search_key(text: str) -> str:
    """The words of a query or of a list's line, each once, sorted, joined by `+`; empty when there are none."""
    return "+".join(sorted(set(normalised(text).split())))
