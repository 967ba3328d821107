"""What else a server may take a URL for: found, few, and none of an ordinary URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import canonical_url
from categories.urlreadings import other_readings


def read(url: str) -> list[str]:
    return [str(other) for other in other_readings(canonical_url(url))]


@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("https://a.example/", []),
        ("https://a.example/page?x=1&y=2", []),
        ("https://a.example/watch%2F..%2Flessons", ["https://a.example/watch/../lessons", "https://a.example/lessons"]),
        ("https://a.example/x%5Cy", ["https://a.example/x/y"]),
        ("https://a.example/page;session=77", ["https://a.example/page"]),
        ("https://a.example/a;x/b?q", ["https://a.example/a/b?q"]),
        (
            "https://a.example/a;x%2Fb",
            ["https://a.example/a;x/b", "https://a.example/a", "https://a.example/a/b"],
        ),
        ("https://a.example/watch?v=BAD&v=GOOD", ["https://a.example/watch?v=BAD", "https://a.example/watch?v=GOOD"]),
        ("https://a.example/w?v=B&t=1&%76=G", ["https://a.example/w?v=B&t=1", "https://a.example/w?%76=G&t=1"]),
        ("https://a.example/watch/?v=BAD", ["https://a.example/watch?v=BAD"]),
        ("https://a.example/watch/;x?v=BAD", ["https://a.example/watch?v=BAD"]),
        ("https://a.example/lessons/", []),
        ("https://a.example/?s=maths", []),
        ("https://[64:ff9b::c000:242]/x", ["https://192.0.2.66/x"]),
        ("https://[2002:c000:242::1]/x", ["https://192.0.2.66/x"]),
        ("https://[::c000:242]/x", ["https://192.0.2.66/x"]),
        ("https://[2001:db8::1]/x", []),
    ],
)
def test_the_other_readings_of_a_url(url: str, others: list[str]) -> None:
    assert read(url) == others


@given(st.text("ab;%2F5C/.&=v?", max_size=60))
def test_they_are_few_and_none_is_the_plain_one(rest: str) -> None:
    """Whatever a device writes: no more than seven paths by three queries, and each a canonical path."""
    url = canonical_url(f"https://a.example/{rest}")
    others = other_readings(url)
    assert len(others) < 7 * 3
    assert len(set(others)) == len(others)
    assert url not in others
    assert all(other.path.startswith("/") and other.host == url.host for other in others)
