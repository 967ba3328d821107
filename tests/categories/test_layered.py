"""Own entries over the lists: they only add, they say who put them there, and every spelling meets them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.layered import LayeredIndex, OwnEntry, pack, read_entry, unpack
from categories.model import EntryKind
from categories.names import NameProblem, canonical_url
from tests.policy.lists import PlainIndex

LISTS = {"games": ["games.example", "maths.example/arcade"], "news": ["example.org"]}


def layered(*written: tuple[str, str]) -> LayeredIndex:
    """Lists with own entries (category, text) on top."""
    own = [OwnEntry(number, category, *read_entry(text)) for number, (category, text) in enumerate(written, 1)]
    return LayeredIndex(PlainIndex(LISTS), own)


def found(index: Any, url: str) -> list[tuple[str, str]]:
    return [(match.category, match.entry) for match in index.match(canonical_url(url))]


def test_an_own_entry_is_found_with_its_evidence() -> None:
    index = layered(("ks2-chosen", "Chess.Example"))
    (match,) = index.match(canonical_url("https://www.chess.example./play"))
    assert (match.category, match.list, match.entry, match.line) == ("ks2-chosen", "own/ks2-chosen", "chess.example", 1)
    assert index.lists[-1].entries == 1
    assert "ks2-chosen" in index.categories


def test_the_most_specific_entry_comes_first() -> None:
    index = layered(("class-chosen", "maths.example/arcade/fractions"), ("always-blocked", "maths.example"))
    assert found(index, "http://maths.example/arcade/fractions/1") == [
        ("class-chosen", "maths.example/arcade/fractions"),
        ("games", "maths.example/arcade"),
        ("always-blocked", "maths.example"),
    ]
    assert index.has_entries_below("maths.example") == {"class-chosen", "games"}
    assert index.has_entries_below("chess.example") == frozenset()


@pytest.mark.parametrize(
    "url", ["http://a.example/x", "http://A.EXAMPLE.:80/x/y", "https://www.a.example/%78?q", "a.example/X"]
)
def test_every_spelling_of_a_page_meets_its_entry(url: str) -> None:
    assert found(layered(("always-blocked", "https://a.example/x")), url)


@pytest.mark.parametrize(
    "url", ["http://a.example/xy", "http://a.example/", "http://b.example/x", "http://ba.example/x"]
)
def test_what_is_elsewhere_does_not(url: str) -> None:
    assert not found(layered(("always-blocked", "a.example/x")), url)


def test_parameters_are_compared_one_by_one() -> None:
    """An entry names some; their order, others between them and a value that goes on behind a border are no matter."""
    index = layered(("always-blocked", "a.example/p?cat=1&id=2"), ("young-chosen", "a.example/q?list="))
    for query in ("cat=1&id=2", "id=2&cat=1", "x&id=2;y&CAT=1", "id=2/x&cat=1"):
        assert found(index, f"a.example/p?{query}"), query
    for query in ("cat=1", "id=2&cat=11", "xid=2&cat=1", "x=id=2&cat=1", ""):
        assert not found(index, f"a.example/p?{query}"), query
    assert not found(index, "a.example/p/x?cat=1&id=2")
    assert found(index, "a.example/q?list=7")


def test_many_parameters_and_many_entries_take_no_longer_than_both_need() -> None:
    """Twelve thousand parameters by two hundred entries: each compared with each took most of a second."""
    index = layered(*(("always-blocked", f"a.example/p?id={number}") for number in range(200)))
    url = canonical_url("a.example/p?" + "&".join(f"x{number:x}" for number in range(12_000)))
    begin = time.process_time()
    assert not index.match(url)
    assert time.process_time() - begin < 0.2


def test_an_address_fits_itself_alone() -> None:
    index = layered(("always-blocked", "http://198.51.100.7/"))
    assert found(index, "http://0xc6336407/") == [("always-blocked", "198.51.100.7")]
    assert not found(index, "http://7.example/")


def test_without_entries_nothing_changes() -> None:
    under = PlainIndex(LISTS)
    index = LayeredIndex(under, ())
    assert index.revision == under.revision
    assert list(index.classify([canonical_url("games.example")])) == [under.match(canonical_url("games.example"))]
    assert index.match_text("games") == under.match_text("games")


def test_the_revision_follows_the_entries() -> None:
    one, two = layered(("games", "a.example")), layered(("games", "b.example"))
    assert len({one.revision, two.revision, PlainIndex(LISTS).revision}) == 3


@pytest.mark.parametrize("text", ["uk", "zip", "no..host", "", "mailto:a@b.example", "forum.example/#one-thread"])
def test_what_is_no_host_or_page_is_refused(text: str) -> None:
    """A whole top level among them, which would close half the internet, and what only a browser could tell apart."""
    with pytest.raises(NameProblem):
        read_entry(text)


HOSTS = st.sampled_from(["games.example", "www.games.example", "maths.example", "example.org", "a.b.example.org"])


@given(HOSTS, st.sampled_from(["/", "/arcade", "/arcade/1"]), st.lists(st.tuples(st.just("sport"), HOSTS), max_size=4))
def test_an_entry_never_removes_a_match(host: str, path: str, own: list[tuple[str, str]]) -> None:
    url = canonical_url(f"http://{host}{path}")
    assert set(PlainIndex(LISTS).match(url)) <= set(layered(*own).match(url))


def test_the_overlay_keeps_every_word() -> None:
    entry = OwnEntry(3, "games", EntryKind.URL, "a.example/x?y", datetime(2026, 12, 1, tzinfo=UTC))
    assert unpack([[*pack(entry), "a later column"]]) == (entry,)
    with pytest.raises(ValueError, match="shout"):
        unpack([[1, "games", "shout", "a.example", None]])


@pytest.mark.parametrize(
    ("page", "settled"),
    [
        ("chess.example/any", ["chess.example"]),
        ("www.chess.example/any", ["chess.example"]),
        ("deep.news.example.org/any", ["news.example.org", "example.org"]),
        ("www.class.example/any", None),
        ("maths.example/arcade/1", None),
        ("maths.example/any", []),
        ("plain.example/any", []),
    ],
)
def test_a_host_settles_its_pages_unless_one_is_listed_below_that_might_fit(
    page: str, settled: list[str] | None
) -> None:
    index = layered(("chosen", "chess.example"), ("chosen", "class.example/page"), ("chosen", "news.example.org"))
    found = index.pageless(canonical_url(f"https://{page}"))
    assert (None if found is None else [match.entry for match in found]) == settled
    if found is not None:
        assert index.match(canonical_url(f"https://{page}/page?x=1")) == found
