"""The values a policy is made of: bands by strictness, timetables by site, rules that are over."""

from __future__ import annotations

from itertools import pairwise

import pytest

from policy.client import Band, Client
from policy.rows import ALLOW_ONLY, BAND_TITLES, PUPILS, STRICTNESS, People
from tests.policy.school import at, school_policy


def test_every_band_has_its_place_and_its_title() -> None:
    """No band is forgotten where bands are ordered or named."""
    assert set(STRICTNESS) == set(BAND_TITLES) == set(Band)
    assert set(Band) - PUPILS == {Band.STAFF, Band.GUEST}
    assert STRICTNESS[:3] == (Band.EYFS, Band.KS1, Band.KS2)
    assert set(STRICTNESS[:3]) == ALLOW_ONLY


@pytest.mark.parametrize(
    ("groups", "band"),
    [
        ({"year-4"}, Band.KS2),
        ({"year-10", "year-4"}, Band.KS2),
        ({"teaching-staff", "year-10"}, Band.KS4),
        ({"esports"}, None),
        ({"nobody-knows-this"}, None),
        (set(), None),
    ],
)
def test_the_strictest_group_settles_the_band(groups: set[str], band: Band | None) -> None:
    """Nobody gets milder by joining one group more."""
    policy = school_policy()
    assert policy.band_of_groups(groups) is band
    assert policy.band_of(Client(groups=frozenset(groups))) is (band or Band.EYFS)


def test_joining_a_group_never_makes_milder() -> None:
    """Step by step from the mildest to the strictest."""
    policy = school_policy()
    ladder = [{"teaching-staff"}, {"teaching-staff", "year-10"}, {"teaching-staff", "year-10", "year-4"}]
    bands = [policy.band_of_groups(groups) for groups in ladder]
    places = [STRICTNESS.index(band) for band in bands if band is not None]
    assert all(later < earlier for earlier, later in pairwise(places))


def test_a_rule_is_over_at_its_end_and_not_before() -> None:
    """Half-open, as periods are."""
    policy = school_policy()
    assert policy.expired(at("2026-11-24 09:49")) == ()
    assert ["assembly" in problem.what for problem in policy.expired(at("2026-11-24 09:50"))] == [True]


def test_only_groups_users_and_devices_need_the_client_at_hand() -> None:
    """Band and site are settled when the table is compiled."""
    assert not People(everyone=True, bands=PUPILS, sites=frozenset({"oakwood"})).names_somebody
    assert People(groups=frozenset({"year-4"})).names_somebody
