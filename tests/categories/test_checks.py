"""Checks before a swap: what a list maker's bad day looks like, and that a good day passes."""

from __future__ import annotations

import pytest

from categories.checks import Bounds, Refusal, blamed_sources, check_classified, check_open, check_sizes
from categories.model import ListStatus
from categories.names import Url
from tests.policy.lists import PlainIndex


def status(entries: int, name: str = "ut1/adult") -> ListStatus:
    return ListStatus(name, "pornography", entries, 0, 0.0, "x")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (1000, 1000, ""),
        (1000, 700, ""),
        (1000, 699, "would shrink from 1,000 to 699 entries (70%; the limit is 70%)"),
        (1000, 3000, ""),
        (1000, 3001, "would grow from 1,000 to 3,001"),
        (1000, None, "would shrink from 1,000 to 0"),
        (99, 49, "would shrink from 99 to 49 entries (49%; the limit is 50%)"),
        (99, 50, ""),
        (99, 1, "would shrink from 99 to 1 "),
        (99, 5000, ""),
        (20, 10, ""),
        (20, 9, "would shrink from 20 to 9 "),
        (12, 2, "would shrink from 12 to 2 "),
        (12, None, "would shrink from 12 to 0 "),
        (12, 3, ""),
        (9, 0, ""),
        (0, 5000, ""),
    ],
)
def test_how_much_a_list_may_change(before: int, after: int | None, says: str) -> None:
    found = list(check_sizes([status(before)], [] if after is None else [status(after)], Bounds()))
    assert bool(found) is bool(says)
    assert says in "".join(map(str, found))


def test_what_everybody_knows_stays_known() -> None:
    """A well-known host that loses its category; one that never had it is no reason."""
    before, after = PlainIndex({"gambling": ["bet365.com"]}), PlainIndex({"gambling": ["other.example"]})
    (refusal,) = check_classified(before, after, {})
    assert (refusal.list, "bet365.com" in refusal.what) == ("test/gambling", True)
    assert not list(check_classified(PlainIndex({}), after, {}))
    assert not list(check_classified(None, after, {}))


def test_what_the_school_names_must_be_known() -> None:
    """Whether it was before or not."""
    index = PlainIndex({"games": ["a.example"]})
    assert not list(check_classified(None, index, {"a.example": "games"}))
    assert [str(one) for one in check_classified(None, index, {"b.example": "games"})] == [
        "b.example would no longer be known as games"
    ]


def test_what_was_open_stays_open() -> None:
    """Only what an update itself would close counts: what the policy closes is the policy's."""

    def before(url: Url) -> frozenset[str]:
        return frozenset({"Key Stage 2"})

    def after(url: Url) -> frozenset[str]:
        return frozenset({"Key Stage 2", "Staff"} if url.host == "www.gov.uk" else {"Key Stage 2"})

    hosts = ("www.gov.uk", "www.nhs.uk")
    (refusal,) = check_open(hosts, before, after, lambda url: "ut1/adult", "the site")
    assert str(refusal) == "ut1/adult: the site www.gov.uk would be blocked for Staff"
    assert not list(check_open(hosts, None, after, lambda url: "", "the site"))


def test_the_source_to_blame() -> None:
    """By its own name, or by the tree's."""
    refusals = [Refusal("ut1/adult", "x"), Refusal("games", "y"), Refusal("", "z")]
    assert blamed_sources(refusals, ["ut1", "games", "ut", "news"]) == {"ut1", "games"}
    assert blamed_sources([Refusal("", "z")], ["ut1"]) == frozenset()
