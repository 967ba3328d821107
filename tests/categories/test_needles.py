"""Two engines, equal answers; what one machine compiled is never wrongly used by another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories import needles
from categories.needles import AhoCorasick, Hyperscan, loads, opened, precompiled

LETTERS = "ab é我."
PARTS = st.lists(st.text(LETTERS, min_size=1, max_size=9), min_size=1, max_size=20, unique=True)


@settings(deadline=None)
@given(PARTS, st.text(LETTERS, max_size=80))
def test_both_engines_find_what_a_plain_search_finds(parts: list[str], text: str) -> None:
    """Overlapping, nested, at the ends, in any script."""
    octets = text.encode()
    plain = {number for number, part in enumerate(parts) if part in text}
    fast = opened(precompiled(parts), parts)
    assert isinstance(fast, Hyperscan)
    assert fast.found(octets) == AhoCorasick(parts).found(octets) == plain


def test_without_hyperscan_the_other_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra; a snapshot made with it can still be opened."""
    raw = precompiled(["ab"])
    assert raw is not None
    assert loads(raw)
    before = needles.installed()
    monkeypatch.setattr(needles, "hyperscan", None)
    assert needles.installed() != before
    assert precompiled(["ab"]) is None
    assert not loads(raw)
    assert opened(raw, ["ab"]).engine == "aho-corasick"
    assert opened(raw, ["ab"]).found(b"cabd") == {0}


def _half(raw: bytes) -> bytes:
    """The first of the two tables, and nothing of the second."""
    begin = len(needles._FORM) + 9
    return raw[: begin + int.from_bytes(raw[begin - 8 : begin], "little")]


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: b"", lambda raw: raw[:-1], lambda raw: raw[:99] + b"\xff" + raw[100:], lambda raw: raw[:15], _half],
)
def test_what_does_not_load_is_found_by_the_other_engine(spoil: object, caplog: pytest.LogCaptureFixture) -> None:
    """Another processor or version, said once in the log."""
    texts = ["a", "b", "a long text"]
    raw = precompiled(texts)
    assert raw is not None
    assert callable(spoil)
    found = opened(spoil(raw), texts)
    assert (found.engine, found.found(b"xb")) == ("aho-corasick", {1})
    assert "more slowly" in caplog.text


def test_what_an_earlier_release_compiled_is_used() -> None:
    """It had one table for all; the lists are compiled anew at the next start."""
    texts = ["ab", "a long text"]
    database = needles.hyperscan.Database(mode=needles.hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[text.encode() for text in texts], ids=[0, 1], literal=True)
    found = opened(needles.hyperscan.dumpb(database), texts)
    assert (found.engine, found.found(b"ab and a long text")) == ("hyperscan", {0, 1})


def test_nothing_to_look_for() -> None:
    """No list asks for pages."""
    assert precompiled([]) is None
    assert opened(None, []).found(b"anything") == set()
