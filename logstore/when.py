"""Times as people type them.

In come a text, the moment it is and the zone; out goes an aware time. Pure. A clock time is the last one that was, a
day is the school's day, and what cannot be read says what can.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

EXAMPLES = "1h, 90m, 2d, 10:20, today, yesterday, 2026-11-20, 2026-11-20T10:20, 2026-11-20T10:20:00+00:00"
"""Every way to say a time."""
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def parse_when(text: str, now: datetime, zone: tzinfo, *, end: bool = False) -> datetime:
    """The time `text` means at `now`, in UTC. With `end`, a whole day means the end of it.

    Raises ValueError, saying every way to say a time.
    """
    words = text.strip().lower()
    try:
        return (_ago(words, now) or _clock(words, now, zone) or _day(words, now, zone, end)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no time; a time is like {EXAMPLES}") from error


def _ago(words: str, now: datetime) -> datetime | None:
    if words == "now":
        return now
    found = _AGO.fullmatch(words)
    return None if found is None else now - timedelta(**{_UNITS[found[2]]: int(found[1])})


def _clock(words: str, now: datetime, zone: tzinfo) -> datetime | None:
    if not _CLOCK.fullmatch(words):
        return None
    local = now.astimezone(zone)
    moment = datetime.combine(local.date(), time.fromisoformat(words.zfill(5)), zone)
    return moment if moment <= now else datetime.combine(local.date() - timedelta(days=1), moment.timetz())


def _day(words: str, now: datetime, zone: tzinfo, end: bool) -> datetime:
    today = now.astimezone(zone).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    day = named.get(words)
    if day is None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
        day = date.fromisoformat(words)
    if day is not None:
        return datetime.combine(day + timedelta(days=int(end)), time(), zone)
    moment = datetime.fromisoformat(words.upper().replace(" ", "T", 1))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
