"""What one request claims to be besides its URL."""

from __future__ import annotations

import pytest

from categories.names import canonical_url
from policy.claims import mismatched, others
from policy.model import Request, Signal

PAGE = canonical_url("https://www.learn.example/unit/1")


@pytest.mark.parametrize(
    ("claimed", "told"),
    [
        ("https://www.learn.example/unit/1", False),  # the URL again
        ("https://www.learn.example/", False),  # its own host: CONNECT, SNI and Host say just that
        ("https://www.learn.example/other", True),  # another page of the host
        ("https://games.example/", True),  # another host
    ],
)
def test_only_claims_that_say_something_else_are_told(claimed: str, told: bool) -> None:
    """What the URL says already need not be decided again."""
    claim = canonical_url(claimed)
    assert others(Request(PAGE, claims=(claim, claim))) == ((claim,) if told else ())


@pytest.mark.parametrize(
    ("claimed", "mismatch"),
    [
        ("https://cdn.learn.example/", False),  # one owner, several names
        ("https://games.example/", True),
        ("https://10.1.2.3/", True),
    ],
)
def test_names_of_different_owners_are_a_mismatch(claimed: str, mismatch: bool) -> None:
    """A connection opened for one site must not ask for another one's page."""
    request = Request(PAGE, claims=(canonical_url(claimed),))
    assert mismatched(request, others(request)) is mismatch


def test_a_wrapped_page_is_no_mismatch_when_the_url_spells_it_out() -> None:
    """A translator's URL names another site by nature."""
    url = canonical_url("https://translate.learn.example/?u=https%3A%2F%2Fnews.example%2Fa")
    request = Request(url, claims=(canonical_url("https://news.example/a"),), signals=frozenset({Signal.WRAPPED_URL}))
    assert not mismatched(request, others(request))
