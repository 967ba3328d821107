"""Moments and lengths of time as people type them for what is to come: text and the time it is in, a time out. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(?:(?P<day>[A-Za-z]{3,9})\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})")
_LENGTH = re.compile(r"(\d{1,5})\s*(m|min|h|d|w)")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_moment(text: str, now: datetime) -> datetime:
    """`10:20` today, `tue 10:20` next Tuesday (today included), ISO 8601; empty is `now`. Raises `ValueError`."""
    if not text.strip():
        return now
    found = _CLOCK.fullmatch(text.strip())
    try:
        if found is None:
            moment = datetime.fromisoformat(text.strip())
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=now.tzinfo)
        moment = now.replace(hour=int(found["hour"]), minute=int(found["minute"]), second=0, microsecond=0, fold=0)
        if found["day"] is None:
            return moment
        return moment + timedelta(days=(_DAYS.index(found["day"][:3].lower()) - moment.weekday()) % 7)
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is not a time; write 10:20, 'tue 10:20' or 2026-11-24T10:20") from error


def read_length(text: str) -> timedelta:
    """`40m`, `1h30m`, `2d`. Raises `ValueError`."""
    words = text.strip().lower()
    found = _LENGTH.findall(words)
    if not found or _LENGTH.sub("", words).strip():
        raise ValueError(f"{text[:80]!r} is no length of time; write 40m, 1h30m, 2d or 1w")
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in found), timedelta())
