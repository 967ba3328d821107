"""Weighted phrases: e2guardian's semantics as tables, and that the order of lines never matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.scoring import PhraseKind, PhraseScorer, ScoredPhrase, scored_text

WEIGHTED, BANNED, EXCEPTION = PhraseKind.WEIGHTED, PhraseKind.BANNED, PhraseKind.EXCEPTION


def phrase(
    *parts: str,
    weight: int = 0,
    kind: PhraseKind | None = None,
    percent: bool = False,
    category: str = "",
    line: int = 0,
) -> ScoredPhrase:
    """A phrase as a list line would give it."""
    settled = kind or (WEIGHTED if weight else BANNED)
    return ScoredPhrase(tuple(scored_text(part) for part in parts), settled, weight, percent, category, "a list", line)


@pytest.mark.parametrize(
    ("written", "looked_for"),
    [
        ("Poker", "poker"),
        ("< not me >".strip("<>"), " not me "),
        ("a.b-c,d", "a b c d"),
        ("100% sure!", "100 sure "),
        ("rock'n'roll", "rock n roll"),
        ("/path/<tag>{x}|~", "/path/<tag>{x}|~"),
        ("semi;colon: [at]@home_x^y`z\\", "semi colon at home x y z "),
        ("  many   blanks ", " many blanks "),
        ("ÉCOLE", "école"),
        ("ＷＩＤＥ", "wide"),
        ("лес ЛЕС", "лес лес"),
    ],
)
def test_text_and_phrases_are_folded_alike(written: str, looked_for: str) -> None:
    """Punctuation is a blank, runs of blanks are one, case does not matter; `/ < > { | } ~` stay."""
    assert scored_text(written) == looked_for


@pytest.mark.parametrize(
    ("part", "text", "found"),
    [
        ("bet", "alphabet soup", True),
        (" bet ", "alphabet soup", False),
        (" bet ", "place your bet", True),
        (" bet ", "Bet, now!", True),
        (" bet ", "bet", True),
        (" bet", "betting shop", True),
        (" bet", "alphabet", False),
        ("bet ", "alphabet soup", True),
        ("green card lottery", "Green-card lottery", True),
        ("green card lottery", "green lottery card", False),
    ],
)
def test_blanks_at_the_ends_are_the_borders_of_words(part: str, text: str, found: bool) -> None:
    """Without them a phrase fits inside a word, the beginning and end of the text are borders."""
    assert (PhraseScorer([phrase(part, weight=1)], limit=0).score(text).total == 1) is found


@pytest.mark.parametrize(
    ("phrases", "text", "total", "over"),
    [
        ([phrase("poker", weight=60)], "poker", 60, False),
        ([phrase("poker", weight=61)], "poker", 61, True),
        ([phrase("poker", weight=40), phrase("casino", weight=40)], "poker casino", 80, True),
        ([phrase("poker", weight=80), phrase("lesson", weight=-30)], "a lesson on poker", 50, False),
        ([phrase("poker", weight=40)], "poker poker poker", 40, False),
        ([phrase("poker", "chips", weight=70)], "chips, then poker", 70, True),
        ([phrase("poker", "chips", weight=70)], "fish and chips", 0, False),
        ([phrase("poker", weight=101, percent=True)], "poker", 60, False),
        ([phrase("poker", weight=102, percent=True)], "poker", 61, True),
        ([phrase("poker", weight=-25, percent=True)], "poker", -15, False),
        ([phrase("poker")], "poker", 0, True),
        ([phrase("poker", "chips")], "chips and poker", 0, True),
        ([phrase("poker"), phrase("homework", kind=EXCEPTION)], "poker homework", 0, False),
        ([phrase("poker", weight=500), phrase("maths", "odds", kind=EXCEPTION)], "poker odds in maths", 500, False),
        ([], "poker", 0, False),
    ],
)
def test_weights_add_up_and_only_more_than_the_limit_is_over(
    phrases: list[ScoredPhrase], text: str, total: int, over: bool
) -> None:
    """Limit 60: combinations need all their parts, banned phrases need no score, exceptions end it."""
    score = PhraseScorer(phrases, limit=60).score(text)
    assert (score.total, score.over) == (total, over)


def test_a_phrase_may_count_as_often_as_it_stands_there() -> None:
    """Then a combination counts as often as its rarest part (`weightedphrasemode` 1)."""
    phrases = [phrase("poker", weight=2), phrase("poker", "chips", weight=5)]
    assert PhraseScorer(phrases, limit=0, mode="each").score("poker chips poker chips poker").total == 3 * 2 + 2 * 5


@pytest.mark.parametrize(
    ("phrases", "kind", "total"),
    [
        ([phrase("poker", weight=10), phrase("Poker", weight=30)], WEIGHTED, 30),
        ([phrase("poker", weight=900), phrase("poker")], BANNED, 0),
        ([phrase("poker"), phrase("poker", kind=EXCEPTION)], EXCEPTION, 0),
        ([phrase("a b", "c d", weight=1), phrase("c d", "a b", weight=7)], WEIGHTED, 7),
    ],
)
def test_of_lines_that_look_for_the_same_the_strongest_counts(
    phrases: list[ScoredPhrase], kind: PhraseKind, total: int
) -> None:
    """Exception before banned before the highest weight."""
    score = PhraseScorer(phrases, limit=60).score("poker a b c d")
    assert [hit.phrase.kind for hit in score.hits] == [kind]
    assert score.total == total


def test_the_evidence_names_every_phrase_and_the_category_with_most_points() -> None:
    """Combinations first, then by points; a banned phrase settles the category."""
    phrases = [
        phrase("poker", weight=10, category="gambling", line=1),
        phrase("casino", weight=40, category="gambling", line=2),
        phrase("lesson", weight=-60, category="education", line=3),
        phrase("knife", "school", weight=20, category="weapons", line=4),
    ]
    score = PhraseScorer(phrases, limit=60).score("a knife in school, a casino, poker and a lesson")
    assert [hit.phrase.line for hit in score.hits] == [4, 2, 1, 3]
    assert dict(score.by_category) == {"gambling": 50, "weapons": 20, "education": -60}
    assert score.category == "gambling"
    banned = PhraseScorer([*phrases, phrase("nerve agent", category="weapons")], limit=60)
    assert banned.score("casino nerve agent").category == "weapons"


PARTS = st.lists(st.sampled_from(["a", "ab", " b ", "ba", "c"]), min_size=1, max_size=3, unique=True)
PHRASES = st.builds(
    lambda parts, weight, kind, line: phrase(*parts, weight=weight if kind is WEIGHTED else 0, kind=kind, line=line),
    PARTS,
    st.integers(-50, 50).filter(bool),
    st.sampled_from([WEIGHTED, WEIGHTED, BANNED, EXCEPTION]),
    st.integers(1, 9),
)


@given(st.lists(PHRASES, max_size=12), st.randoms(use_true_random=False), st.text("abc -", max_size=30))
def test_the_order_of_lines_never_matters(phrases: list[ScoredPhrase], shuffle: object, text: str) -> None:
    """Lists are put together from many files; their order is nobody's decision."""
    other = list(phrases)
    shuffle.shuffle(other)  # type: ignore[attr-defined]
    assert PhraseScorer(phrases, limit=20).score(text) == PhraseScorer(other, limit=20).score(text)


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(text: str) -> None:
    """So a phrase may be folded wherever it comes from."""
    once = scored_text(text)
    assert scored_text(once) == once
