"""Charts, drawn on the server: numbers in, SVG out. No script, no style within: classes of our own style sheet.

The rules: every bar that has a filter is a link to it; every chart says what it shows in words, and its numbers stand
in a table or in the page's JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from markupsafe import Markup

WIDTH, HEIGHT = 960, 96
MOST_BARS = 480
"""Bars that are drawn at most; a longer time is drawn from its end."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of time."""

    start: datetime
    """Its begin; aware."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""


def steps(bars: Sequence[Bar], since: datetime | None, until: datetime | None, step: timedelta) -> tuple[Bar, ...]:
    """The bars of every step of the time shown, those without rows too: the newest `MOST_BARS`."""
    if not bars and (since is None or until is None):
        return ()
    first = bars[0].start if since is None else since
    last = (bars[-1].start + step) if until is None else until
    width = step.total_seconds()
    begin, end = int(first.timestamp() // width), int(-(-last.timestamp() // width))
    begin = max(begin, end - MOST_BARS)
    known = {int(bar.start.timestamp() // width): bar for bar in bars}
    zone = bars[0].start.tzinfo if bars else first.tzinfo
    return tuple(
        known.get(number) or Bar(datetime.fromtimestamp(number * width, zone), 0, 0) for number in range(begin, end)
    )


def histogram(
    bars: Sequence[Bar], step: timedelta, zone: tzinfo, address: Callable[[datetime, datetime], str], words: str
) -> Markup:
    """Requests over time, blocked ones in the stronger tone; each bar leads to its time, where
    `address` gives one."""
    if not bars:
        return Markup("")
    top = max(1, *(bar.rows for bar in bars))
    wide = WIDTH / len(bars)
    drawn, linked = [], False
    for place, bar in enumerate(bars):
        left, gap = place * wide, min(1.0, wide / 5)
        high, dark = bar.rows / top * (HEIGHT - 4), bar.blocked / top * (HEIGHT - 4)
        local, end = bar.start.astimezone(zone), bar.start + step
        clock = f"{local:%a %-d %b}" if step >= timedelta(days=1) else f"{local:%a %-d %b %H:%M}"
        said = f"{clock}: {bar.rows:,} requests, {bar.blocked:,} blocked"
        shapes = _rect("bar-hit", left, 0, wide, HEIGHT)
        if bar.rows:
            shapes += _rect("bar-rows", left, HEIGHT - high, wide - gap, high)
            shapes += _rect("bar-blocked", left, HEIGHT - dark, wide - gap, dark)
        if bar.rows:
            shapes = Markup("<title>{}</title>{}").format(said, shapes)
            link = address(bar.start, end)
            if link:
                linked = True
                shapes = Markup('<a href="{}" tabindex="-1">{}</a>').format(link, shapes)
            else:
                shapes = Markup("<g>{}</g>").format(shapes)
        drawn.append(shapes)
    # A drawing with links within is a group: as one picture its links would be hidden from who cannot see.
    role = "group" if linked else "img"
    head = Markup(
        '<svg class="histogram" viewBox="0 0 {} {}" preserveAspectRatio="none" role="{}" aria-label="{}" '
        'data-from="{}" data-step="{}" data-bars="{}">'
    ).format(WIDTH, HEIGHT, role, words, int(bars[0].start.timestamp()), int(step.total_seconds()), len(bars))
    return head + Markup("").join(drawn) + Markup("</svg>")


def share(value: int, most: int) -> Markup:
    """A bar beside a number, as long as it is great."""
    long = 0.0 if not most else value / most * 100
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="bar-rows" x="0" y="0" width="{:.1f}" height="8"/></svg>'
    ).format(long)


def _rect(kind: str, left: float, top: float, wide: float, high: float) -> Markup:
    return Markup('<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>').format(
        kind, left, top, max(0.2, wide), max(0.0, high)
    )
