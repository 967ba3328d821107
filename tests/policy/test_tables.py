"""A policy compiled for one band at one site: which rows are left, and in which order.

Shows: `policy.builtinrows`.
"""

from __future__ import annotations

import pytest

from categories.names import canonical_url
from policy.client import Band, Client
from policy.model import Tier
from policy.rows import People
from policy.tables import FEW_HOSTS, LivePeople, Table
from tests.policy.school import SCHOOL, school_policy


def names(band: Band, site: str | None) -> list[str]:
    """Rows in reading order."""
    return [row.name for row in Table(school_policy(), band, site).rows]


def test_tiers_stand_in_their_order_whatever_the_file_says() -> None:
    """The school wrote DEFAULT first and TRUST last."""
    tiers = [row.tier for row in Table(school_policy(), Band.KS2, "oakwood").rows]
    assert tiers == sorted(tiers, key=list(Tier).index)


def test_the_first_two_rows_and_the_last_are_built_in() -> None:
    """For every band at every site."""
    for band in Band:
        for site in (None, "oakwood", "riverside"):
            rows = names(band, site)
            last = "allow-only" if band in {Band.EYFS, Band.KS1, Band.KS2} else "allow-the-rest"
            assert (rows[:2], rows[-1]) == (["locked-statutory", "help-always"], last)


def test_rows_of_other_bands_and_sites_are_left_out() -> None:
    """What could never fit is not asked."""
    assert "oakwood-chess" in names(Band.KS2, "oakwood")
    assert "oakwood-chess" not in names(Band.KS2, "riverside")
    assert "oakwood-chess" not in names(Band.KS2, None)
    assert "oakwood-chess" not in names(Band.KS4, "oakwood")
    assert "games-in-lessons" not in names(Band.STAFF, "oakwood")
    assert "assembly" in names(Band.STAFF, "oakwood")  # a group: only the client knows


def test_rows_are_found_by_what_they_ask_for() -> None:
    """A category, a host, or everything."""
    table = Table(school_policy(), Band.KS2, "oakwood")
    assert [table.rows[position].name for position in table.by_category["games"]] == ["games-in-lessons"]
    assert [table.rows[position].name for position in table.by_host["chess.example"]] == ["oakwood-chess"]
    assert [table.rows[position].name for position in table.general] == ["allow-only"]
    assert table.url_hosts == {"tube.example"}
    assert {"chess.example", "tube.example"} <= table.named_hosts


def test_names_are_compared_without_case() -> None:
    """Directories disagree about capitals."""
    people = LivePeople(People(users=frozenset({"pupil-0417"}), devices=frozenset({"lab2-14"})))
    assert people.has(Client(user="PUPIL-0417"))
    assert people.has(Client(device="Lab2-14"))
    assert not people.has(Client(user="pupil-041"))
    assert not people.has(Client())


@pytest.mark.parametrize("more", [0, FEW_HOSTS + 1])
def test_few_named_hosts_and_many_are_found_alike(more: int) -> None:
    """The host, its parents, never a neighbour whose name ends alike, never an address."""
    rules = "".join(f"      - {{rule: m{n}, what: ['host:m{n}.example'], action: allow}}\n" for n in range(more))
    rules += "      - {rule: one, what: ['host:news.example', 'host:a.news.example', 'host:10.0.0.1'], action: allow}\n"
    text = SCHOOL.partition("policies:")[0] + f"policies:\n  - tier: trust\n    rules:\n{rules}"
    table = Table(school_policy(text), Band.KS4, "oakwood")
    for url, hosts in (
        ("https://news.example/", {"news.example"}),
        ("https://b.a.news.example/x", {"news.example", "a.news.example"}),
        ("https://badnews.example/", set()),
        ("https://example/", set()),
        ("http://10.0.0.1/", {"10.0.0.1"}),
        ("http://110.0.0.1/", set()),
        ("http://[::1]/", set()),
    ):
        assert table.hosts(canonical_url(url)) == hosts, url
