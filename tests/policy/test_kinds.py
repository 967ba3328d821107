"""What the policy must know of categories: which are illegal, which help, which go round the filter."""

from __future__ import annotations

import pytest

from policy.kinds import Kinds, kinds_of, meant_by
from tests.policy.school import TAXONOMY


def test_the_kinds_come_from_the_taxonomy() -> None:
    """One source for what is LOCKED and what is help."""
    kinds = kinds_of(TAXONOMY)
    assert {"child-abuse", "terrorism"} <= kinds.statutory
    assert "help" in kinds.help
    assert {"vpn", "tor", "proxy-avoidance"} <= kinds.circumvention
    assert "pornography" in kinds.harmful
    assert not kinds.statutory & kinds.harmful
    assert kinds.title("games") == TAXONOMY["games"].title


def test_bare_names_have_no_kinds() -> None:
    """And titles made from the names."""
    assert kinds_of(["games"]) == Kinds()
    assert Kinds().title("social-media") == "Social media"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("porn", "pornography"),
        ("porm", "pornography"),
        ("gamse", "games"),
        ("Social_Media", "social-media"),
        ("xyzzy", None),
    ],
)
def test_what_somebody_meant(word: str, meant: str | None) -> None:
    """Also by the names other lists use, and misspelt."""
    assert meant_by(word, TAXONOMY) == meant


def test_bare_names_are_suggested_too() -> None:
    """Without a taxonomy there are no aliases, but still spelling."""
    assert meant_by("gamse", ["games"]) == "games"
