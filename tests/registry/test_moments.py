"""Moments and lengths of time, as people type them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.moments import read_length, read_moment

NOW = datetime(2026, 11, 24, 10, 20, 30, tzinfo=ZoneInfo("Europe/London"))
"""A Tuesday."""


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("", "2026-11-24T10:20:30+00:00"),
        ("11:05", "2026-11-24T11:05:00+00:00"),
        ("Fri 15:15", "2026-11-27T15:15:00+00:00"),
        ("tuesday 9:00", "2026-11-24T09:00:00+00:00"),
        ("2026-12-01T15:00", "2026-12-01T15:00:00+00:00"),
        ("2026-12-01T15:00+02:00", "2026-12-01T15:00:00+02:00"),
    ],
)
def test_a_moment(text: str, means: str) -> None:
    assert read_moment(text, NOW).isoformat() == means


@given(st.text(max_size=30))
def test_what_is_no_time_says_what_is(text: str) -> None:
    for read in (lambda: read_moment(text, NOW), lambda: read_length(text)):
        try:
            assert isinstance(read(), datetime | timedelta)
        except ValueError as error:
            assert "write" in str(error)


def test_lengths_add_up() -> None:
    assert read_length("1h30m") == timedelta(minutes=90)
    assert read_length(" 2D ") == timedelta(days=2)
