"""Lists of whole searches: those words in any order and no others, in every spelling; and in no address."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.importers.searchlists import read_searches
from categories.index import CompiledIndex
from categories.model import Problem
from categories.names import canonical_url
from categories.parse import Entry
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from tests.categories.rig import OtherNames

TEXT = """\
# girl+commented
#listcategory: "Banned"
girl+naughty
zebra ape
Café  # a comment
+++
.Include</elsewhere/list>
#time: 9 0 17 0 01234
"""


def compiled(folder: Path, text: str, name: str = "closed") -> CompiledIndex:
    file = folder / f"{name}.txt"
    file.write_text(text, encoding="utf-8")
    source = ListSource(name, file, "searches", apply_to=("search", "url"))
    build_snapshot([source], folder / "lists", OtherNames())
    return open_snapshot(folder / "lists")


def test_every_line_is_a_search_or_told() -> None:
    """Sorted or not, with blanks or `+`; a comment is none, an include and a time are told."""
    items = list(read_searches(io.BytesIO(TEXT.encode()), "closed"))
    assert [(item.value, item.line) for item in items if isinstance(item, Entry)] == [
        ("girl+naughty", 3),
        ("ape+zebra", 4),
        ("cafe", 5),
    ]
    assert [(item.line, item.lines) for item in items if isinstance(item, Problem)] == [(6, 1), (7, 1), (8, 0)]


@pytest.mark.parametrize(
    ("search", "closed"),
    [
        ("girl naughty", True),
        ("Naughty GIRL", True),
        ("naughty, girl naughty!", True),
        ("n4ughty girl", True),
        ("cafe\u0301", True),
        ("naughty", False),
        ("naughty girl scouts", False),
        ("girl+naughtyish", False),
        ("", False),
    ],
)
def test_only_the_whole_search_fits(tmp_path: Path, search: str, closed: bool) -> None:
    """In any order and case, disguised or not; one word more or less is another search."""
    index = compiled(tmp_path, TEXT)
    found = index.match_text(search)
    assert bool(found) is closed
    assert {match.list for match in found} <= {"closed"}


def test_no_address_is_read_for_it(tmp_path: Path) -> None:
    """An address is no search, even where the list asks for addresses."""
    index = compiled(tmp_path, "maths\n")
    assert index.match_words(canonical_url("maths.example/")) == ()
    assert index.match_words(canonical_url("example.org/maths")) == ()
    assert [match.entry for match in index.match_text("Maths")] == ["maths"]


WORD = st.text(alphabet="abcdefghij", min_size=2, max_size=6)


def key(words: list[str]) -> str:
    """The entry a line of these words becomes."""
    items = read_searches(io.BytesIO(" ".join(words).encode()), "x")
    (entry,) = (item for item in items if isinstance(item, Entry))
    assert entry.whole
    return entry.value


@given(
    st.lists(WORD, min_size=1, max_size=5).flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))),
    WORD,
)
def test_order_never_matters_and_another_word_always_does(words: tuple[list[str], list[str]], other: str) -> None:
    """Said of the entry a line becomes."""
    one, two = words
    assert key(one) == key(two)
    assert (key([*one, other]) == key(one)) is (other in one)
