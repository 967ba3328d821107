"""Rows of the record for people: one line a row, as wide as the terminal.

In come rows, out go lines. Nothing a client sent reaches the terminal but printable characters.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from logstore.export import as_json, printable
from logstore.rows import Row
from logstore.stats import Basis, Place, Series, Totals

NARROWEST = 40
"""Characters a URL is given at least."""


def lines(rows: Iterable[Row], zone: tzinfo, now: datetime) -> Iterator[str]:
    """Time, who, verdict, category, status and URL of each row."""
    width = shutil.get_terminal_size((160, 24)).columns
    today = now.astimezone(zone).date()
    for row in rows:
        local = row.at.astimezone(zone)
        moment = f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"
        verdict = f"{row.action} ({row.reason})" if row.blocked or row.action != "allow" else row.action
        start = (
            f"{moment}  {_fit(_who(row), 18)}  {_fit(verdict, 18)}  {_fit(row.category or '-', 18)}  "
            f"{row.ending.status or '-':>3}  "
        )
        room = max(NARROWEST, width - len(start))
        more = f"  ×{row.ending.repeats + 1}" if row.ending.repeats else ""
        yield start + _cut(printable(row.record.url), room - len(more)).rstrip() + more + "\n"


def print_row(row: Row, zone: tzinfo) -> None:
    """Every field of one row that says something."""
    told = as_json(row, zone)
    for name, value in told.items():
        if value in (None, "", (), []):
            continue
        if name == "first":
            value = ", ".join(f"{key} {word}" for key, word in value.items())  # noqa: PLW2901
        elif isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value))  # noqa: PLW2901
        print(f"{name.replace('_', ' '):<16} {printable(str(value))}")


def print_stats(sums: Totals, rankings: Mapping[str, Sequence[Place]]) -> None:
    """Totals, then each ranking."""
    print(f"{sums.rows:,} requests, {sums.blocked:,} blocked ({sums.blocked_share:.1%})")
    print(f"{sums.users:,} users, {sums.hosts:,} hosts, {sums.bytes_down:,} bytes down, {sums.bytes_up:,} bytes up")
    for name, places in rankings.items():
        print(f"\n{name:<40} {'requests':>12} {'blocked':>10} {'bytes':>16}")
        for place in places:
            print(f"{_fit(place.name or '-', 40)} {place.rows:>12,} {place.blocked:>10,} {place.bytes:>16,}")


def print_series(series: Series, zone: tzinfo) -> None:
    """A line a step, with a bar as long as its rows are many."""
    most = max((span.rows for span in series.spans), default=1)
    print(f"{'from':<18}{'requests':>12} {'blocked':>10}")
    for span in series.spans:
        bar = "█" * round(span.rows / most * 40)
        print(f"{span.start.astimezone(zone):%Y-%m-%d %H:%M}  {span.rows:>12,} {span.blocked:>10,}  {bar}".rstrip())


def basis_words(basis: Basis, zone: tzinfo) -> str:
    """What numbers were told from, as a sentence."""
    if basis.computed is None:
        return "counted from the rows"
    made = f"{basis.computed.astimezone(zone):%Y-%m-%d %H:%M}"
    words = f"from roll-ups, the oldest of {made}"
    if basis.counted:
        words += f", and the rows of {basis.counted} hours"
    return words + (f"; {basis.behind} hours have changed since" if basis.behind else "")


def _who(row: Row) -> str:
    return row.record.user or row.record.device or row.record.client_address or "-"


def _fit(text: str, width: int) -> str:
    return _cut(printable(text), width).ljust(width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
