"""Whoever asked is told, on that page, for a while; nobody else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from addons.reviewanswers import TOLD_FOR, Answers, read_answers
from categories.names import Url, canonical_url
from policy.client import Client

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
US = int(NOW.timestamp() * 1e6)
PAGE = canonical_url("https://chess.example/play")
PUPIL = Client(address="10.4.2.14", user="Pupil-0417")
KIOSK = Client(address="10.4.2.99")
ROWS = [
    ["pupil-0417", "10.4.2.14", str(PAGE), US, "it stays closed."],
    ["pupil-0417", "10.4.2.14", str(PAGE), US - 5, "older"],
    [None, "10.4.2.99", str(PAGE), US, "it is open now."],
]


@pytest.mark.parametrize(
    ("client", "url", "at", "said"),
    [
        (PUPIL, PAGE, NOW, "it stays closed."),
        (replace(PUPIL, address="10.9.9.9"), PAGE, NOW, "it stays closed."),
        (KIOSK, PAGE, NOW, "it is open now."),
        (replace(KIOSK, user="pupil-0001"), PAGE, NOW, ""),
        (PUPIL, canonical_url("https://chess.example/"), NOW, ""),
        (PUPIL, PAGE, NOW + TOLD_FOR + timedelta(seconds=1), ""),
    ],
)
def test_who_is_told_what(client: Client, url: Url, at: datetime, said: str) -> None:
    told = read_answers(ROWS).told(client, url, at)
    assert (said in told) if said else (told == "")


def test_rows_that_cannot_be_read_tell_nobody() -> None:
    assert read_answers([[], ["x"], [None, 1, "u", US, "w"], [None, "a", "u", "soon", "w"]]) == Answers()
