"""Closed searches: the whole query, its words in any order."""

from __future__ import annotations

import pytest

from categories.searchwords import search_key


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("naughty girl", "girl+naughty"),
        ("  GIRL, naughty ", "girl+naughty"),
        ("girl naughty girl", "girl+naughty"),
        ("girl naughty book", "book+girl+naughty"),
        ("café", "cafe"),
        ("!?", ""),
    ],
)
def test_a_query_is_its_words_sorted(query: str, key: str) -> None:
    """One word more is another query, as in e2guardian."""
    assert search_key(query) == key
