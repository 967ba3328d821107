"""What can be wrong with a policy file, as values.

In comes a place and a sentence; out comes a `PolicyProblem`. The room's rule: every mistake is found in one go, names
its line, and says what would have been right.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One mistake in a policy file."""

    file: str
    """The file, as it was named to us."""
    line: int
    """Line from 1; 0 for the whole file."""
    what: str
    """What is wrong."""
    instead: str = ""
    """What would have been right; may be empty."""

    def __str__(self) -> str:
        advice = f" ({self.instead})" if self.instead else ""
        return f"{self.file}:{self.line}: {self.what}{advice}"


class PolicyErrors(Exception):
    """The policy cannot be used. Carries every problem, not the first one."""

    def __init__(self, problems: tuple[PolicyProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Problems:
    """Collects what is wrong with one file while it is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        """The file being read."""
        self.errors: list[PolicyProblem] = []
        """Mistakes: the policy is refused."""
        self.warnings: list[PolicyProblem] = []
        """Oddities: the policy works, but surely not as meant."""

    def error(self, line: int, what: str, instead: str = "") -> None:
        """Note a mistake."""
        self.errors.append(PolicyProblem(self.file, line, what, instead))

    def warn(self, line: int, what: str, instead: str = "") -> None:
        """Note an oddity."""
        self.warnings.append(PolicyProblem(self.file, line, what, instead))

    def unknown(self, line: int, kind: str, word: str, known: Collection[str]) -> None:
        """Note a word that names nothing, with the nearest one that does."""
        self.error(line, f"unknown {kind} {clip(word)!r}", did_you_mean(word, known))


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The nearest known word as a question, or a short list of all of them when none is near."""
    names = sorted(known)
    if close := difflib.get_close_matches(word[:200].lower(), names, n=1, cutoff=0.6):
        return f"did you mean {close[0]!r}?"
    if not names:
        return "none is defined"
    shown = ", ".join(names[:12])
    return f"one of: {shown}{', …' if len(names) > 12 else ''}"


def clip(word: str, size: int = 80) -> str:
    """The word, cut so that a hostile file cannot fill the screen."""
    return word if len(word) <= size else word[: size - 1] + "…"
