"""Character references: what a browser shows for them, at a bounded cost."""

from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.entities import begun, characters, shortened


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("&amp;b &#x73;word &#115word", "&b sword sword"),
        ("&#" + "0" * 5000 + "115;word", "sword"),
        ("&#x" + "0" * 5000 + "73;word", "sword"),
        ("&#" + "1" * 40_000 + ";sword", "\ufffdsword"),
        ("&#x" + "f" * 40_000 + ";", "\ufffd"),
        ("&#00000115bad", "sbad"),
        ("&#00000115;bad", "sbad"),
    ],
)
def test_as_a_browser_shows_it(text: str, seen: str) -> None:
    """Numbers of any length are characters or none."""
    assert characters(text) == seen


@given(st.text(st.sampled_from("&#xX0123abg; "), max_size=40))
def test_short_references_read_as_python_reads_them(text: str) -> None:
    """Only what is too long is ours, and that is the sign of no character."""
    ours = characters(text).replace("\ufffd", "")
    assert ours == html.unescape(text).replace("\ufffd", "")


def test_a_cut_reference_does_not_grow() -> None:
    """What is kept of it means the same with the rest behind it."""
    text = "word&#" + "0" * 9000
    assert begun(text) == 4
    assert characters(shortened(text[4:]) + "115;") == "s"
    assert characters(shortened("&#" + "1" * 9000) + "15;") == "\ufffd"
    assert begun("word") == 4


@pytest.mark.parametrize("piece", ["&", "&#", "&#0", "&#x", "&#1;", "&#00000000", "0"])
def test_references_made_to_be_slow_are_not(piece: str) -> None:
    """Half a megabyte of them is looked at once."""
    text = "&#" + piece * (512 * 1024 // len(piece))
    began = time.process_time()
    characters(text)
    begun(text)
    assert time.process_time() - began < 8.0
