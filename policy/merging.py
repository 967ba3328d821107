"""Two changes of one text, taken together.

In come the text both began from and the two texts it became; out comes the text with both changes, or where they
collide. The rule here: nobody's change is dropped without a word. Lines that only one side touched are taken as that
side has them; what both touched differently is a collision, and then there is no text. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collision:
    """Lines that both sides changed, each in its own way."""

    line: int
    """Where in the text both began from, counted from 1."""
    mine: tuple[str, ...]
    """What one side made of them."""
    theirs: tuple[str, ...]
    """What the other made of them."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of it."""

    text: str | None
    """Both changes in one text; None when they collide."""
    collisions: tuple[Collision, ...] = ()
    """Where, in the order of the text."""


def merge(base: str, mine: str, theirs: str) -> Merged:
    """Both changes of `base` in one text (a three-way merge, line by line)."""
    old, one, other = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    made: list[str] = []
    collisions: list[Collision] = []
    at = at_one = at_other = 0
    for start, end, in_one, in_other in _untouched(old, one, other):
        was, mine_now, theirs_now = old[at:start], one[at_one:in_one], other[at_other:in_other]
        if theirs_now in (was, mine_now):
            made += mine_now
        elif mine_now == was:
            made += theirs_now
        else:
            collisions.append(Collision(at + 1, _shown(mine_now), _shown(theirs_now)))
        made += old[start:end]
        at, at_one, at_other = end, in_one + end - start, in_other + end - start
    return Merged(None, tuple(collisions)) if collisions else Merged("".join(made))


def _untouched(old: Sequence[str], one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of the old text that both sides left: from, to, and where they begin on each side; at last the end."""
    mine, theirs = (
        difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks() for new in (one, other)
    )
    first = second = 0
    while first < len(mine) and second < len(theirs):
        here, there = mine[first], theirs[second]
        start, end = max(here.a, there.a), min(here.a + here.size, there.a + there.size)
        if start < end:
            yield start, end, here.b + start - here.a, there.b + start - there.a
        if here.a + here.size < there.a + there.size:
            first += 1
        else:
            second += 1
    yield len(old), len(old), len(one), len(other)


def _shown(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.rstrip("\r\n") for line in lines)
