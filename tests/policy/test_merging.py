"""Two changes of one text: both are in what comes out, or it is told where they collide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.merging import Collision, merge

BASE = "rules:\n- games\n- video\n- chess\n- news\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        (BASE, BASE, BASE),
        (BASE.replace("games", "gambling"), BASE, BASE.replace("games", "gambling")),
        (BASE, BASE.replace("news\n", "news\n- weather\n"), BASE + "- weather\n"),
        (BASE.replace("- games\n", ""), BASE + "- weather\n", "rules:\n- video\n- chess\n- news\n- weather\n"),
        (BASE.replace("games", "x"), BASE.replace("games", "x"), BASE.replace("games", "x")),
        ("", "", ""),
        ("a\n", "a\n", "a\n"),
        (BASE.removesuffix("\n"), BASE.replace("games", "x"), BASE.replace("games", "x").removesuffix("\n")),
    ],
)
def test_what_one_side_touched_is_as_that_side_has_it(mine: str, theirs: str, both: str) -> None:
    assert merge(BASE, mine, theirs).text == both
    assert merge(BASE, theirs, mine).text == both


@pytest.mark.parametrize(
    ("mine", "theirs", "line"),
    [
        (BASE.replace("video", "films"), BASE.replace("video", "music"), 3),
        (BASE.replace("- video\n", ""), BASE.replace("video", "music"), 3),
        (BASE.replace("- chess\n", "- a\n- chess\n"), BASE.replace("- chess\n", "- b\n- chess\n"), 4),
        (BASE + "- a\n", BASE + "- b\n", 6),
        (BASE.replace("video", "v"), BASE.replace("chess", "c"), 3),
    ],
    ids=["changed twice", "taken away here, changed there", "two new at one place", "two at the end", "neighbours"],
)
def test_what_both_touched_is_told_and_nothing_is_made(mine: str, theirs: str, line: int) -> None:
    found = merge(BASE, mine, theirs)
    assert found.text is None
    assert [one.line for one in found.collisions] == [line]
    assert merge(BASE, theirs, mine).collisions == tuple(
        Collision(one.line, one.theirs, one.mine) for one in found.collisions
    )


def test_a_collision_shows_both() -> None:
    found = merge(BASE, BASE.replace("video", "films"), BASE.replace("- video\n", ""))
    assert found.collisions == (Collision(3, ("- films",), ()),)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n"]), max_size=12).map("".join)


@given(LINES, LINES, LINES)
def test_no_change_is_dropped_without_a_word(base: str, mine: str, theirs: str) -> None:
    """A side that changed nothing changes nothing, and whichever way round it is asked, as much comes of it."""
    assert merge(base, mine, base).text == merge(base, base, mine).text == mine
    assert merge(base, mine, mine).text == mine
    both = merge(base, mine, theirs).text
    assert both == merge(base, theirs, mine).text
    if both is not None:
        new = {line for text in (mine, theirs) for line in text.splitlines() if line not in base.splitlines()}
        assert new <= set(both.splitlines())
