"""Problems as values: file, line, what, and what would have been right."""

from __future__ import annotations

import pytest

from policy.problems import PolicyProblem, Problems, clip, did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "advice"),
    [
        ("gamse", ["games", "gambling"], "did you mean 'games'?"),
        ("GAMES", ["games"], "did you mean 'games'?"),
        ("zzz", ["b", "a"], "one of: a, b"),
        ("zzz", [], "none is defined"),
        ("zzz", [f"name-{n:02}" for n in range(20)], "one of: " + ", ".join(f"name-{n:02}" for n in range(12)) + ", …"),
    ],
)
def test_a_suggestion_names_the_nearest_or_what_there_is(word: str, known: list[str], advice: str) -> None:
    """The person can correct the file without opening the manual."""
    assert did_you_mean(word, known) == advice


def test_a_problem_reads_like_a_compiler_message() -> None:
    """Editors can jump to it."""
    assert str(PolicyProblem("p.yaml", 7, "unknown band 'x'", "did you mean 'y'?")) == (
        "p.yaml:7: unknown band 'x' (did you mean 'y'?)"
    )
    assert str(PolicyProblem("p.yaml", 0, "the file is empty")) == "p.yaml:0: the file is empty"


def test_a_hostile_word_is_cut() -> None:
    """A megabyte of nonsense does not fill the screen."""
    problems = Problems("p")
    problems.unknown(1, "band", "x" * 1_000_000, ["ks1"])
    assert len(str(problems.errors[0])) < 200
    assert clip("short") == "short"
