"""Remembered verdicts: read once, told apart by all that could change them, and never without bound."""

from __future__ import annotations

import gc
import sys

import pytest

from categories.model import EntryKind, Match
from policy import remembered
from policy.model import Action, Reason, Verdict
from policy.remembered import Remembered, categories_of

FIRST, SECOND, OTHER = (
    Match(category, "l", entry, 1, EntryKind.DOMAIN)
    for category, entry in (("games", "first.example"), ("games", "second.example"), ("video", "third.example"))
)


def reading(match: Match, told: list[Match]) -> Verdict:
    told.append(match)
    return Verdict(Action.BLOCK, Reason.RULE, "why", category=match.category, match=match, matches=(match,))


def test_entries_of_one_category_are_read_once_and_each_is_told_as_itself() -> None:
    place, told = Remembered().place(("ks2",)), list[Match]()
    for match in (FIRST, SECOND, FIRST, OTHER):
        key = (categories_of((match,)), "x")
        verdict = place.alike(key, (match,))
        if verdict is None:
            verdict = reading(match, told)
            place.keep(key, verdict)
        assert (verdict.match, verdict.matches, verdict.category) == (match, (match,), match.category)
    assert told == [FIRST, OTHER]


def test_what_besides_entries_made_a_row_fit_stays_the_evidence() -> None:
    """A signal is the same for every host; the entries are each host's own."""
    place, key = Remembered().place(()), (("games",), "x")
    place.keep(key, Verdict(Action.BLOCK, Reason.RULE, "why", category="video", match=OTHER, matches=(FIRST, OTHER)))
    verdict = place.alike(key, (SECOND,))
    assert verdict is not None
    assert (verdict.match, verdict.matches) == (OTHER, (SECOND, OTHER))


def test_what_is_in_no_list_is_told_as_it_was() -> None:
    place = Remembered().place(())
    verdict = Verdict(Action.ALLOW, Reason.DEFAULT, "open")
    assert place.alike(((), "x"), ()) is None
    place.keep(((), "x"), verdict)
    assert place.alike(((), "x"), ()) is verdict


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
        known.place((number % 3,)).keep(((), number), verdict)
        known.place((number,))
        places = known._places.values()
        assert sum(1 + len(p.hosts) + len(p._alike) for p in places) <= 100 + 3, "one decision adds three at most"


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
