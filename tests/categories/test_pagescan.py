"""A page looked through as it comes: the same findings however it is cut, and by either engine.

Shows: `categories.pagetable`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from categories.model import ListStatus
from categories.needles import AhoCorasick, Hyperscan, precompiled
from categories.pagescan import PIECE, PageScan
from categories.pagetable import Finding, PageTable
from categories.phrases import PhraseEntry
from categories.scoring import PhraseKind, ScoredPhrase
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from categories.weighted import WeightedTable

LISTS = [ListStatus("arms", "weapons", 1, 0, 0.0, ""), ListStatus("bets", "gambling", 1, 0, 0.0, "")]


def phrase(*parts: str, weight: int = 0, kind: PhraseKind | None = None, category: str = "weapons") -> ScoredPhrase:
    """One line of a list."""
    settled = kind or (PhraseKind.WEIGHTED if weight else PhraseKind.BANNED)
    name = "arms" if category == "weapons" else "bets"
    return ScoredPhrase(parts, settled, weight, category=category, list=name, line=1)


PHRASES = [
    phrase(" sword ", weight=60),
    phrase("dagger", weight=50),
    phrase("bow", " string ", weight=80),
    phrase(" peace ", weight=-40),
    phrase(" forbidden blade "),
    phrase(" museum ", kind=PhraseKind.EXCEPTION),
    phrase(" odds ", weight=70, category="gambling"),
]
PLAIN = [PhraseEntry(0, "war hammer", 9, 0), PhraseEntry(0, "closed+search", 9, 0, whole=True)]
LIMITS = {"weapons": 60, "gambling": 60}
TABLE = PageTable(LISTS, PLAIN, PHRASES, LIMITS, precompiled(PageTable(LISTS, PLAIN, PHRASES, LIMITS).parts))
SLOW = PageTable(LISTS, PLAIN, PHRASES, LIMITS)


def scan(table: PageTable, pieces: Iterable[bytes], *, markup: bool = True) -> tuple[Finding, ...]:
    """What a page in these pieces comes to."""
    one = PageScan(table, markup=markup)
    for piece in pieces:
        one.feed(piece)
        one.findings()
    return one.findings(last=True)


def told(findings: Iterable[Finding]) -> list[tuple[str, int, bool]]:
    return [(one.match.category, one.match.weight, one.settled) for one in findings]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("a sword", [("weapons", 60, False)]),
        ("a sword, a sword", [("weapons", 60, False)]),
        ("a sword in peace", [("weapons", 20, False)]),
        ("a string for a crossbow", [("weapons", 80, False)]),
        ("a bow", []),
        ("a forbidden blade", [("weapons", 0, True)]),
        ("a forbidden blade in a museum", []),
        ("odds and daggers", [("gambling", 70, False), ("weapons", 50, False)]),
        ("a war hammer in a museum", [("weapons", 0, True)]),
        ("closed search", []),
        ("swordfish", []),
    ],
)
def test_weights_combinations_bans_and_exceptions(page: str, found: list[tuple[str, int, bool]]) -> None:
    """e2guardian's rules, counted for each category; a plain word stands by itself."""
    assert told(scan(TABLE, [page.encode()])) == found


def test_the_engine_is_the_fast_one_where_it_is_compiled() -> None:
    """And the other one where it is not."""
    assert isinstance(TABLE.needles, Hyperscan)
    assert isinstance(SLOW.needles, AhoCorasick)


WORDS = st.sampled_from(["sword", "dagger", "bow", "string", "peace", "forbidden", "blade", "museum", "odds", "war"])
GLUE = st.sampled_from([" ", "<b>", "</b>", "<p>", ", ", "<script>", "</script>", "&nbsp;", "hammer ", "é", "\n"])


@settings(deadline=None)
@given(st.lists(WORDS | GLUE, max_size=40), st.integers(1, 50))
def test_cuts_and_engines_change_nothing(words: list[str], step: int) -> None:
    """The same page in one piece, in many, by Hyperscan and by Aho-Corasick."""
    page = "".join(words).encode()
    pieces = [page[start : start + step] for start in range(0, len(page), step)]
    whole = scan(TABLE, [page])
    assert scan(SLOW, [page]) == whole
    assert scan(TABLE, pieces) == whole


@settings(deadline=None)
@given(st.lists(st.sampled_from(["sword", "dagger", "bow", "string", "peace", "museum", "odds", "x"]), max_size=20))
def test_a_page_of_words_comes_to_what_a_search_of_them_does(words: list[str]) -> None:
    """The same phrases, the same points, the same exceptions."""
    text = " ".join(words)
    searched = {over.category: over.score for over in WeightedTable(PHRASES, LIMITS).over(text)}
    paged = [one for one in scan(TABLE, [text.encode()], markup=False) if one.over(None)]
    assert {one.match.category: one.match.weight for one in paged} == searched


@pytest.mark.parametrize("cut", [1, 2, 3, 40])
def test_a_charset_told_late_is_heeded(cut: int) -> None:
    """A byte order mark, or a declaration, of which only the beginning was there when somebody asked."""
    marked = "\ufeffa forbidden blade".encode("utf-16-le")
    assert told(scan(TABLE, [marked[:cut], marked[cut:]])) == [("weapons", 0, True)]
    told_late = b" " * 100 + b"<p>\xf3</p><meta charset=utf-16le><meta charset=ibm866>a forbidden blade"
    assert told(scan(TABLE, [told_late[:cut], told_late[cut:]])) == [("weapons", 0, True)]


@pytest.mark.parametrize("filler", ["\u3164", "\u115f", "\u1160", "\uffa0", "\0", "<!---->", "<x-y>", "&#8203;"])
def test_what_nobody_sees_parts_no_word(filler: str) -> None:
    """Fillers and tags within a line."""
    page = f"a for{filler}bidden bla{filler}de".encode()
    assert told(scan(TABLE, [page])) == [("weapons", 0, True)]


class Counting(PageTable):
    """Says how often it was asked."""

    asked = 0

    def findings(self, found: Iterable[int]) -> tuple[Finding, ...]:
        """As ever."""
        self.asked += 1
        return super().findings(found)


def test_points_are_added_up_only_when_there_is_more_to_add() -> None:
    """A page that dribbles keeps nobody busy."""
    table = Counting(LISTS, PLAIN, PHRASES, LIMITS)
    assert told(scan(table, [b"a sword ", *([b"x "] * 500)])) == [("weapons", 60, False)]
    assert table.asked < 5


def test_phrases_far_apart_meet() -> None:
    """A combination anywhere on a large page."""
    filler = b"<p>towers and moats</p>\n" * (3 * PIECE // 24)
    assert told(scan(TABLE, [b"a bow ", filler, b" a string"])) == [("weapons", 80, False)]


@settings(deadline=None)
@example(["<![CDATA[", "a war-hammer", "]]>"], "utf-8", None, True, True)
@given(
    st.lists(WORDS | GLUE | st.sampled_from(["\ufeff", "a war-hammer", "<svg>", "&#119;"]), max_size=40),
    st.sampled_from(["utf-8", "cp1252", "utf-16-le", "utf-16"]),
    st.sampled_from([None, "utf-8", "iso-8859-1", "utf-16", "nonsense"]),
    st.booleans(),
    st.booleans(),
)
def test_a_page_at_once_is_read_as_in_pieces(
    words: list[str], written: str, charset: str | None, markup: bool, xml: bool
) -> None:
    """Whatever charset it is in, and says it is in."""
    page = "".join(words).encode(written, "replace")
    pieces = PageScan(TABLE, markup=markup, charset=charset, xml=xml)
    for start in range(0, len(page), 7):
        pieces.feed(page[start : start + 7])
    assert PageScan.at_once(TABLE, page, markup=markup, charset=charset, xml=xml) == pieces.findings(last=True)


@given(st.lists(st.binary(max_size=60), max_size=8), st.none() | st.sampled_from(["utf-16", "big5", "nonsense"]))
def test_any_octets_are_survived(pieces: list[bytes], charset: str | None) -> None:
    """A scan never raises for what an origin sends."""
    one = PageScan(TABLE, charset=charset)
    for piece in pieces:
        one.feed(piece)
        one.findings()
    one.findings(last=True)


def test_a_snapshot_holds_it_compiled_when_a_list_asks_for_pages(tmp_path: Path) -> None:
    """Once for the machine; a snapshot that nobody asks pages of has nothing of it."""
    file = tmp_path / "arms.txt"
    file.write_text('< sword ><70>\n"war hammer"\n')
    for use, there in (("search", False), ("page", True)):
        folder = tmp_path / use
        source = ListSource("arms", file, "phrases", category="weapons", apply_to=(use,))  # type: ignore[arg-type]
        report = build_snapshot([source], folder, load_taxonomy())
        assert (report.path / "pages.hs").exists() is there
        pages = open_snapshot(folder).pages
        assert (pages is not None) is there
        if pages is not None:
            assert pages.needles.engine == "hyperscan"
            found = told(scan(pages, [b"a sword and a war-hammer"]))
            assert found == [("weapons", 0, True), ("weapons", 70, False)]
            assert {match.entry for match in open_snapshot(folder).search("sword")} == {"< sword ><70>"}


def test_real_pages_and_lists_meet_the_same_in_both_engines(real_data: Path, tmp_path: Path) -> None:
    """All of e2guardian's phrases on real pages, cut as they come from a wire."""
    with tarfile.open(next((real_data / "phrases").glob("*.tar.xz"))) as packed:
        packed.extractall(tmp_path / "e2g", filter="data")
    folder = tmp_path / "e2g" / "e2guardian-lists" / "phraselists"
    source = ListSource("e2g", folder, "phrases", limit=160, apply_to=("page",))
    build_snapshot([source], tmp_path / "lists", load_taxonomy())
    fast = open_snapshot(tmp_path / "lists").pages
    assert fast is not None
    slow = PageTable(open_snapshot(tmp_path / "lists").lists, fast.entries(), fast.phrases(), fast._limits)
    assert isinstance(fast.needles, Hyperscan)
    assert slow.parts == fast.parts
    seen = 0
    with tarfile.open(next((real_data / "pages").glob("*.tar.xz"))) as packed:
        for member in packed:
            stream = packed.extractfile(member) if member.isfile() else None
            if stream is not None:
                raw = stream.read(200_000)
                whole = scan(fast, [raw])
                assert scan(slow, (raw[start : start + 16_384] for start in range(0, len(raw), 16_384))) == whole
                seen += bool(whole)
    assert seen
