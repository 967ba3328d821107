"""Asking for a review: who may, about what, how often; and that a made-up form files nothing.

Shows: `addons.reviewpage`
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.pageevidence import Surroundings
from addons.pagereaders import Audience
from addons.review import (
    LONGEST_REASON,
    PATH,
    TOKEN_LIFE,
    Blocked,
    Patience,
    fact,
    make_token,
    offer,
    opened,
    reason_in,
    token_in,
)
from addons.reviewpage import Filed, review_page
from categories.names import canonical_url
from policy.client import Band, Client
from policy.model import Action, Reason, Tier, Verdict

SECRET = b"s" * 32
NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
PUPIL = Client("oakwood", "lab2-14", "10.4.2.14", "pupil-0417", band=Band.KS3, band_known=True, verified=True)
PAGE = canonical_url("https://chess.example/play")
BLOCK = Verdict(Action.BLOCK, Reason.RULE, "Closed.", Tier.SITE, "no-games", "games", band=Band.KS3)
BLOCKED = Blocked(str(PAGE), "block", "no-games", "games", None, None, "123")


def test_a_form_comes_back_as_it_went_out() -> None:
    action = offer(SECRET, BLOCK, PUPIL, PAGE, "123", NOW)
    assert action is not None
    assert action.startswith(f"{PATH}?token=")
    assert opened(SECRET, token_in(urlsplit(action).query), PUPIL, NOW) == BLOCKED


@pytest.mark.parametrize(
    ("verdict", "client"),
    [
        (BLOCK._replace(action=Action.WARN), PUPIL),
        (BLOCK._replace(action=Action.ALLOW), PUPIL),
        (BLOCK._replace(tier=Tier.LOCKED, reason=Reason.STATUTORY), PUPIL),
        (BLOCK._replace(tier=Tier.LOCKED), PUPIL),
        (BLOCK._replace(tier=None, reason=Reason.GUARD), PUPIL),
        (BLOCK._replace(reason=Reason.CIRCUMVENTION), PUPIL),
        (BLOCK._replace(reason=Reason.FAILURE), PUPIL),
        (BLOCK._replace(band=Band.KS1), PUPIL),
    ],
)
def test_what_nobody_reviews_has_no_form(verdict: Verdict, client: Client) -> None:
    """Illegal content above all; and the youngest ask a grown-up."""
    assert offer(SECRET, verdict, client, PAGE, "123", NOW) is None


def test_an_address_without_end_has_no_form() -> None:
    assert offer(SECRET, BLOCK, PUPIL, canonical_url(f"https://a.example/{'x' * 3000}"), "1", NOW) is None


@pytest.mark.parametrize(
    ("client", "at"),
    [
        (replace(PUPIL, user="pupil-0001"), NOW),
        (replace(PUPIL, address="10.4.2.15"), NOW),
        (PUPIL, NOW + TOKEN_LIFE),
    ],
)
def test_a_form_is_for_one_client_and_a_while(client: Client, at: datetime) -> None:
    assert opened(SECRET, make_token(SECRET, BLOCKED, PUPIL, NOW + TOKEN_LIFE), client, at) is None


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_a_made_up_token_holds_nothing(token: str) -> None:
    assert opened(SECRET, token, PUPIL, NOW) is None


def test_a_token_that_was_changed_holds_nothing() -> None:
    token = make_token(SECRET, BLOCKED, PUPIL, NOW + TOKEN_LIFE)
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        assert opened(SECRET, token[:place] + other + token[place + 1 :], PUPIL, NOW) is None
    assert opened(b"t" * 32, token, PUPIL, NOW) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (urlencode({"why": "  I need it\r\nfor   maths "}).encode(), "I need it for maths"),
        (urlencode({"why": "a\x00b\u202ec"}).encode(), "abc"),
        (urlencode({"why": "x" * 900}).encode(), "x" * LONGEST_REASON),
        (b"why=%ff%fe", "\ufffd\ufffd"),
        (b"what=else", ""),
        (b"", ""),
        (b"\xff" * 100, ""),
    ],
)
def test_a_reason_is_one_printable_line(body: bytes, reason: str) -> None:
    assert reason_in(body) == reason


@given(st.binary(max_size=500))
def test_no_body_is_too_odd(body: bytes) -> None:
    assert len(reason_in(body)) <= LONGEST_REASON


def test_one_form_is_one_request() -> None:
    """Sent twice, it has one mark; another page's form has another."""
    token, other = (make_token(SECRET, BLOCKED, PUPIL, NOW + timedelta(minutes=n)) for n in (1, 2))
    said = fact(token, BLOCKED, PUPIL, "maths", NOW)
    assert said["mark"] == fact(token, BLOCKED, PUPIL, "again", NOW)["mark"]
    assert said["mark"] != fact(other, BLOCKED, PUPIL, "maths", NOW)["mark"]
    assert (said["user"], said["rule"], said["url"], said["verified"]) == ("pupil-0417", "no-games", str(PAGE), True)


def test_patience_ends_and_comes_back() -> None:
    """Five in ten minutes for each client; others are not held up; memory is bounded."""
    patience = Patience(clients=2)
    assert [patience.take(PUPIL, NOW + timedelta(seconds=n)) for n in range(6)] == [True] * 5 + [False]
    assert patience.take(replace(PUPIL, user="other"), NOW)
    assert patience.take(PUPIL, NOW + timedelta(minutes=10))
    for number in range(10):
        assert patience.take(replace(PUPIL, user=f"pupil-{number}"), NOW)
    assert patience.take(PUPIL, NOW + timedelta(minutes=10))


@pytest.mark.parametrize("filed", Filed)
@pytest.mark.parametrize("audience", Audience)
def test_the_page_after_it_needs_nothing_and_leaks_nothing(filed: Filed, audience: Audience) -> None:
    page = review_page(filed, audience, Surroundings(school="<Oakwood>"))
    headers = dict(page.headers)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "form-action 'none'" in headers["Content-Security-Policy"]
    assert b"&lt;Oakwood&gt;" in page.body
    assert b"<script" not in page.body
    assert (page.status == 200) is (filed is Filed.SENT)


def test_the_token_tells_a_website_nothing_of_who_asks() -> None:
    """The page stands on the blocked site's origin, whose scripts could read the form."""
    client = Client(address="10.4.2.17", user="pupil-0417")
    blocked = Blocked("https://a.example/", "block", "no-games", "games", "starter/games", "a.example", "1")
    token = make_token(b"s" * 32, blocked, client, datetime(2026, 11, 24, tzinfo=UTC))
    payload = base64.urlsafe_b64decode(token.partition(".")[0] + "===")
    assert b"pupil-0417" not in payload
    assert b"10.4.2.17" not in payload
