"""How long rows live, counted in calendar months.

In come a moment, a zone and a number of months; out goes the moment before which rows may not be kept. Pure. Six
calendar months are 181 to 184 days, so days are never counted: 1 March to 1 September is 184, and "183 days" would
delete one too early.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta, tzinfo


def months_before(day: date, months: int) -> date:
    """The same day of the month `months` earlier, or that month's last: 31 August, 28 February."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def cutoff(now: datetime, zone: tzinfo, months: int) -> datetime:
    """The last local midnight, `months` calendar months earlier, in UTC. `now` is aware."""
    if now.tzinfo is None:
        raise ValueError(f"now has no time zone: {now.isoformat()}; give an aware datetime")
    local = months_before(now.astimezone(zone).date(), months)
    return datetime.combine(local, time(), zone).astimezone(UTC)


def kept_from(limit: datetime) -> date:
    """The first UTC day of which something is kept: a day goes when it ended at `limit` or before."""
    return limit.astimezone(UTC).date()


def is_due(day: date, limit: datetime) -> bool:
    """Whether a whole UTC day is older than `limit` allows. Never early, at most a day late."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) <= limit
