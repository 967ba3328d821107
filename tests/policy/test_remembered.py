"""Remembered verdicts: read once, told apart by all that could change them, and never without bound."""

from __future__ import annotations

import gc
import sys

import pytest

from categories.model import EntryKind, Match
from policy import remembered
from policy.model import Action, Reason, Verdict
from policy.remembered import Remembered

FIRST, SECOND, OTHER = (
    Match(category, "l", entry, 1, EntryKind.DOMAIN)
    for category, entry in (("games", "first.example"), ("games", "second.example"), ("video", "third.example"))
)


def reading(match: Match, told: list[Match]) -> Verdict:
    told.append(match)
    return Verdict(Action.BLOCK, Reason.RULE, "why", category=match.category, match=match, matches=(match,))


@pytest.mark.parametrize("way", ["verdict", "by_category"])
def test_entries_of_one_category_are_read_once_and_each_is_told_as_itself(way: str) -> None:
    place, told = Remembered().place(("ks2",)), list[Match]()
    for match in (FIRST, SECOND, FIRST, OTHER):
        verdict = getattr(place, way)(((match,), "x"), (match,), lambda match=match: reading(match, told))
        assert (verdict.match, verdict.matches, verdict.category) == (match, (match,), match.category)
    assert told == [FIRST, OTHER]


def test_what_is_in_no_list_is_read_once_too() -> None:
    place, read = Remembered().place(()), list[int]()
    verdict = Verdict(Action.ALLOW, Reason.DEFAULT, "open")
    for _ in range(2):
        assert place.by_category(((), "x"), (), lambda: read.append(1) or verdict) is verdict  # type: ignore[func-returns-value]
    assert read == [1]


def test_a_host_is_remembered_for_the_place_it_was_asked_from() -> None:
    known = Remembered()
    verdict = reading(FIRST, [])
    known.place(("ks2",)).keep_host("first.example", verdict)
    assert known.place(("ks2",)).hosts == {"first.example": verdict}
    assert known.place(("staff",)).hosts == {}


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hosts a pupil's device makes up, and however many people ask."""
    monkeypatch.setattr(remembered, "MOST", 100)
    known, verdict = Remembered(), reading(FIRST, [])
    for number in range(1000):
        known.place((number % 3,)).keep_host(f"h{number}.example", verdict)
        known.place((number % 3,)).verdict(((), number), (), lambda: verdict)
        known.place((number,))
        places = known._places.values()
        assert sum(1 + len(p.hosts) + len(p._given) + len(p._alike) for p in places) <= 100 + 3, (
            "one decision adds three at most"
        )


def test_an_engine_that_is_dropped_takes_what_it_remembers_along() -> None:
    """At once, by reference: no collection has to find it."""
    known = Remembered()
    kept = reading(FIRST, [])
    before = sys.getrefcount(kept)
    known.place(("ks2",)).keep_host("first.example", kept)
    gc.disable()
    try:
        del known
        assert sys.getrefcount(kept) == before
    finally:
        gc.enable()
