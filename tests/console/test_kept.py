"""Answers are kept as long as what they were told from holds, and not a look longer than the house wants."""

from __future__ import annotations

import threading

import pytest

from console import kept
from console.kept import Kept


def test_an_answer_holds_until_what_it_was_told_from_changes() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    answers = Kept()
    assert [answers.get("numbers", mark, make) for mark in (1, 1, 2, 2)] == [0, 0, 1, 1]
    assert answers.get("other numbers", 2, make) == 2


def test_what_fails_is_made_again() -> None:
    def fail() -> int:
        raise ValueError("too wide")

    answers = Kept()
    with pytest.raises(ValueError, match="too wide"):
        answers.get("numbers", 1, fail)
    assert answers.get("numbers", 1, lambda: 7) == 7


def test_a_costly_answer_is_made_anew_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile is given the one before; then the new one."""
    monkeypatch.setattr(kept, "COSTLY", -1.0)
    answers, go, done = Kept(aside=True), threading.Event(), threading.Event()

    def slow() -> str:
        go.wait(60)
        done.set()
        return "new"

    assert answers.get("numbers", 1, lambda: "old") == "old"
    assert [answers.get("numbers", 2, slow) for _ in range(3)] == ["old"] * 3
    go.set()
    assert done.wait(60)
    found = {answers.get("numbers", 2, lambda: "new")}
    while found != {"new"}:
        found = {answers.get("numbers", 2, lambda: "new")}


def test_only_so_many_are_kept() -> None:
    answers, made = Kept(), []
    for number in range(kept.MOST + 1):
        answers.get(number, 1, lambda number=number: made.append(number))  # type: ignore[misc]
    answers.get(kept.MOST, 1, lambda: made.append("kept"))
    answers.get(0, 1, lambda: made.append("gone"))
    assert made[-2:] == [kept.MOST, "gone"]
