"""Weighted phrases of all lists: points by category, exceptions for all, disguises read, order of no account.

Shows: `categories.words`.
"""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.scoring import PhraseKind, ScoredPhrase
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from categories.weighted import SHOWN, WeightedTable, evidence, in_points
from tests.categories.test_starter import BENIGN

WEIGHTED, BANNED, EXCEPTION = PhraseKind.WEIGHTED, PhraseKind.BANNED, PhraseKind.EXCEPTION
LIMITS = {"gambling": 60, "weapons": 30, "calm": 60}


def phrase(*parts: str, weight: int = 0, kind: PhraseKind | None = None, category: str = "gambling") -> ScoredPhrase:
    """A phrase of the list of its category."""
    return ScoredPhrase(parts, kind or (WEIGHTED if weight else BANNED), weight, False, category, category, 1)


def over(text: str, *phrases: ScoredPhrase) -> dict[str, int]:
    """Categories the text is over the limit of, with its score."""
    return {one.category: one.score for one in WeightedTable(phrases, LIMITS).over(text)}


@pytest.mark.parametrize(
    ("phrases", "text", "expected"),
    [
        ([phrase("poker", weight=60)], "poker", {}),
        ([phrase("poker", weight=61)], "poker", {"gambling": 61}),
        ([phrase("poker", weight=40), phrase("knife", weight=40, category="weapons")], "poker knife", {"weapons": 40}),
        (
            [phrase("poker", weight=70), phrase("poker", weight=40, category="weapons")],
            "poker",
            {"gambling": 70, "weapons": 40},
        ),
        ([phrase("poker", weight=80), phrase("maths", weight=-30, category="calm")], "poker in maths", {}),
        ([phrase("poker", weight=80), phrase("poker", weight=-70, category="calm")], "poker", {"gambling": 80}),
        ([phrase("poker"), phrase("maths", kind=EXCEPTION, category="calm")], "poker in maths", {}),
        ([phrase("poker"), phrase("poker", kind=EXCEPTION, category="calm")], "poker", {}),
        ([phrase("poker"), phrase("maths", weight=-500, category="calm")], "poker in maths", {"gambling": -500}),
        ([phrase("poker", "chips", weight=70)], "chips, and poker", {"gambling": 70}),
        ([phrase("poker", "chips", weight=70)], "fish and chips", {}),
    ],
)
def test_points_are_counted_by_category(phrases: list[ScoredPhrase], text: str, expected: dict[str, int]) -> None:
    """Each category has its limit; what speaks for the text speaks for all of it."""
    assert over(text, *phrases) == expected


@pytest.mark.parametrize("text", ["p0ker", "P.O.K.E.R", "p\u043eker", "po\u200bker", "ＰＯＫＥＲ", "p o k e r"])
def test_disguised_words_count_as_plain_ones(text: str) -> None:
    """Signs, look-alikes, invisible characters, letters spelled out."""
    assert over(text, phrase(" poker ", weight=61)) == {"gambling": 61}
    assert over(f"{text} poker", phrase(" poker ", weight=40)) == {}, "a phrase counts once, however it is written"


@pytest.mark.parametrize(
    ("exception", "text"),
    [("ks3 maths", "ks3 maths p0ker"), ("année 10", "année 10 p0ker"), ("c++", "c p0ker"), ("maths", "m4ths p0ker")],
)
def test_reading_disguises_turns_no_exception_off(exception: str, text: str) -> None:
    """What the plain reading has holds for the other readings, where it may no longer stand."""
    spared = phrase(exception.replace("+", " ").strip(), kind=EXCEPTION, category="calm")
    assert over(text, phrase("poker")) == {"gambling": 0}
    assert over(text, phrase("poker"), spared) == {}
    assert over("ks3 maths p0ker", phrase("poker", weight=80), phrase("ks3 maths", weight=-30, category="calm")) == {}


def test_evidence_names_what_made_it() -> None:
    """Banned first, then by points; a long row is cut and counted."""
    table = WeightedTable([phrase("poker", weight=50), phrase("casino", " chips ", weight=20), phrase("dice")], LIMITS)
    (found,) = table.over("casino poker dice chips")
    assert evidence(found.phrases) == "<dice> <poker><50> <casino>,< chips ><20>"
    assert evidence(tuple(phrase(str(n), weight=9) for n in range(SHOWN + 2))).endswith(" and 2 more")


def test_a_share_of_the_limit_is_cut_towards_zero() -> None:
    """`<10%>` of a limit of 65 is 6."""
    share = ScoredPhrase(("poker",), WEIGHTED, 10, True, "gambling", "list", 1)
    assert (in_points(share, 65).weight, in_points(share, 65).percent) == (6, False)
    assert in_points(phrase("poker", weight=9), 65).weight == 9


PHRASES = st.builds(
    lambda parts, weight, kind, category: phrase(
        *parts, weight=weight if kind is WEIGHTED else 0, kind=kind, category=category
    ),
    st.lists(st.sampled_from(["a", "ab", " b ", "ba", "c"]), min_size=1, max_size=3, unique=True),
    st.integers(-50, 90).filter(bool),
    st.sampled_from([WEIGHTED, WEIGHTED, WEIGHTED, BANNED, EXCEPTION]),
    st.sampled_from(sorted(LIMITS)),
)
TEXTS = st.text("abc4 -", max_size=30)


@given(st.lists(PHRASES, max_size=12), st.integers(), TEXTS)
def test_the_order_of_phrases_never_matters(phrases: list[ScoredPhrase], seed: int, text: str) -> None:
    """Lists are put together from many files; their order is nobody's decision."""
    other = random.Random(seed).sample(phrases, len(phrases))
    assert WeightedTable(phrases, LIMITS).over(text) == WeightedTable(other, LIMITS).over(text)


@given(st.lists(PHRASES, max_size=12), PHRASES, TEXTS)
def test_a_phrase_that_speaks_against_a_text_never_removes_a_category(
    phrases: list[ScoredPhrase], more: ScoredPhrase, text: str
) -> None:
    """Adding an entry only ever adds, unless it is one that speaks for a text."""
    if more.kind is not EXCEPTION and more.weight >= 0:
        assert set(over(text, *phrases)) <= set(over(text, *phrases, more))


@pytest.mark.realdata
def test_the_real_lists_compile_and_let_lessons_be_searched_for(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """e2guardian's 9,846 lines in 17 languages: every one in force or told; no lesson search over a limit of 160."""
    with tarfile.open(real_data / "phrases" / "e2guardian-lists-5.6-20240327.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(tmp_path.rglob("phraselists"))
    report = build_snapshot((ListSource("e2g", folder, "phrases", limit=160),), tmp_path / "out", load_taxonomy())
    index = open_snapshot(tmp_path / "out")
    searches = [text.strip() for line in BENIGN.splitlines() for text in line.split("|") if text.strip()]
    blocked = {text: index.match_text(text) for text in searches if index.match_text(text)}
    left = sum(item.lines for item in report.problems if not item.taken and "/weighted" in item.list)
    with capsys.disabled():
        print(f"\n{report.entries:,} phrases in {report.seconds:.2f} s, {left} lines told, ", end="")
        print(f"{len(blocked)} of {len(searches)} lesson searches over 160")
    assert report.entries == 9_826
    assert blocked == {}
    assert {match.category for match in index.match_text("free porn videos xxx hardcore")} == {"pornography"}
