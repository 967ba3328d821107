"""Charts: bars for every step, links, words; and nothing of others in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from console.charts import MOST_BARS, Bar, histogram, share, steps

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_steps_without_rows_are_drawn_as_nothing_and_none_is_left_out() -> None:
    bars = (Bar(NOON, 3, 1), Bar(NOON + 4 * MINUTE, 2, 0))
    shown = steps(bars, NOON - MINUTE, NOON + 10 * MINUTE, MINUTE)
    assert [bar.rows for bar in shown] == [0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0]
    assert steps((), None, None, MINUTE) == ()
    assert len(steps(bars, NOON - timedelta(days=30), NOON, MINUTE)) == MOST_BARS


def test_a_bar_says_its_numbers_and_leads_to_its_time() -> None:
    bars = steps((Bar(NOON, 3, 1),), NOON, NOON + 2 * MINUTE, MINUTE)
    drawn = histogram(bars, MINUTE, UTC, lambda since, until: f"/log?a={since:%H:%M}&b={until:%H:%M}", '"<x>"')
    root = ElementTree.fromstring(str(drawn))
    (link,) = root.iter("a")
    assert link.get("href") == "/log?a=12:00&b=12:01"
    assert link.findtext("title") == "Tue 24 Nov 12:00: 3 requests, 1 blocked"
    assert root.get("aria-label") == '"<x>"'
    assert root.get("data-bars") == "2"
    heights = {rect.get("class"): float(rect.get("height") or 0) for rect in link.iter("rect")}
    assert abs(heights["bar-rows"] - 3 * heights["bar-blocked"]) < 0.05
    assert histogram((), MINUTE, UTC, lambda *_: "", "") == ""


def test_a_share_is_as_long_as_its_number() -> None:
    assert 'width="50.0"' in share(5, 10)
    assert 'width="0.0"' in share(0, 0)
