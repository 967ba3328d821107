"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.when import parse_when

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
"""A Tuesday in summer, 10:30 at the school."""


@pytest.mark.parametrize(
    ("text", "meant", "as_end"),
    [
        ("now", "2026-07-14T09:30+00:00", None),
        ("1h", "2026-07-14T08:30+00:00", None),
        ("90m", "2026-07-14T08:00+00:00", None),
        ("45 s", "2026-07-14T09:29:15+00:00", None),
        ("2d", "2026-07-12T09:30+00:00", None),
        ("1w", "2026-07-07T09:30+00:00", None),
        ("10:20", "2026-07-14T10:20+01:00", None),
        ("9:05", "2026-07-14T09:05+01:00", None),
        ("10:20:30", "2026-07-14T10:20:30+01:00", None),
        ("22:15", "2026-07-13T22:15+01:00", None),
        ("today", "2026-07-14T00:00+01:00", "2026-07-15T00:00+01:00"),
        ("Yesterday", "2026-07-13T00:00+01:00", "2026-07-14T00:00+01:00"),
        ("2026-01-20", "2026-01-20T00:00+00:00", "2026-01-21T00:00+00:00"),
        ("2026-03-28", "2026-03-28T00:00+00:00", "2026-03-29T00:00+00:00"),
        ("2026-03-29", "2026-03-29T00:00+00:00", "2026-03-30T00:00+01:00"),
        ("2026-07-01T10:20", "2026-07-01T10:20+01:00", None),
        ("2026-07-01 10:20:05", "2026-07-01T10:20:05+01:00", None),
        ("2026-07-01T10:20Z", "2026-07-01T10:20+00:00", None),
        ("2026-07-01T10:20+02:00", "2026-07-01T10:20+02:00", None),
    ],
)
def test_what_is_meant(text: str, meant: str, as_end: str | None) -> None:
    assert parse_when(text, NOW, LONDON) == datetime.fromisoformat(meant)
    assert parse_when(text, NOW, LONDON, end=True) == datetime.fromisoformat(as_end or meant)


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "10:60", "2026-13-01", "2026-02-30", "-1h", "1y", "999999w", "10.20"]
)
def test_what_cannot_be_read_says_what_can(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time; a time is like 1h, .*2026-11-20T10:20"):
        parse_when(text, NOW, LONDON)


@given(st.text(max_size=25), st.booleans())
def test_any_text_is_a_time_or_refused(text: str, end: bool) -> None:
    try:
        assert parse_when(text, NOW, LONDON, end=end).tzinfo is not None
    except ValueError as error:
        assert "is no time" in str(error)
