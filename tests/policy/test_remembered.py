"""Remembered verdicts: read once, told apart by all that could change them, and never without bound."""

from __future__ import annotations

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


def test_entries_of_one_category_are_read_once_and_each_is_told_as_itself() -> None:
    known, told = Remembered(), list[Match]()
    for match in (FIRST, SECOND, FIRST, OTHER):
        verdict = known.verdict(((match,), "here"), (match,), lambda match=match: reading(match, told))  # type: ignore[misc]
        assert (verdict.match, verdict.matches, verdict.category) == (match, (match,), match.category)
    assert told == [FIRST, OTHER]


def test_a_host_is_remembered_for_the_place_it_was_asked_from() -> None:
    known = Remembered()
    verdict = reading(FIRST, [])
    known.keep_host(("ks2",), "first.example", verdict)
    assert known.of_host(("ks2",), "first.example") is verdict
    assert known.of_host(("staff",), "first.example") is None
    assert known.of_host(("ks2",), "second.example") is None


def test_what_is_remembered_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """However many hosts a pupil's device makes up."""
    monkeypatch.setattr(remembered, "MOST", 100)
    known, verdict = Remembered(), reading(FIRST, [])
    for number in range(1000):
        known.keep_host((number % 3,), f"h{number}.example", verdict)
        known.verdict(((), number), (), lambda: verdict)
    assert sum(len(hosts) for hosts in known._hosts.values()) <= 100
    assert len(known._given) <= 100
    assert known.of_host((0,), "h999.example") is verdict
