"""Places to listen on, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listeners import Listener, parse_listener


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (":8090", Listener("", 8090)),
        ("10.0.0.1:8090", Listener("10.0.0.1", 8090)),
        ("[::]:8090", Listener("::", 8090)),
        ("[2001:DB8:0::1]:0", Listener("2001:db8::1", 0)),
    ],
)
def test_what_can_be_written(text: str, place: Listener) -> None:
    assert parse_listener(text) == place
    assert parse_listener(str(place)) == place


@pytest.mark.parametrize(
    "text",
    ["", "8090", ":", "10.0.0.1", "gateway:8090", "::1:8090", "[10.0.0.1]:80", "[::1]", ":65536", ":-1", ":²", "[:80"],
)
def test_a_mistake_is_told_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match=r"one is ':8090', '10\.0\.0\.1:8090' or '\[::\]:8090'"):
        parse_listener(text)


@given(st.text(max_size=40))
def test_anything_is_a_place_or_a_mistake(text: str) -> None:
    try:
        place = parse_listener(text)
    except ValueError:
        return
    assert parse_listener(str(place)) == place
