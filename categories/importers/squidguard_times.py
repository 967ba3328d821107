"""squidGuard's times as schedules: `weekly mtwhf 08:00-16:30`.

In comes a `time` block; out come schedules whose union it is, and every line that is no weekly time. A weekday is a
letter (s m t w h f a, from Sunday), a name (`fridays`) or `*`. Dates have no schedule here: a school's calendar holds
them (`calendar.closed`), so they are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from categories.importers.proposal import ProposedSchedule, kebab
from categories.importers.squidguard_grammar import Block, Statement
from categories.model import Problem
from categories.parse import problem

_LETTERS = dict(zip("smtwhfa", ("sun", "mon", "tue", "wed", "thu", "fri", "sat"), strict=True))
_DAYS = tuple(_LETTERS.values())
_NAME = re.compile(r"(?:sun|mon|tue|wed|thu|fri|sat)(?:(?:s|nes|rs|ur)?days?)?")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DATE = "is a date; schools write closed days and holidays into `calendar`, and rules ask for `holiday` or `closed`"
_NO_TIME = "is no `weekly days 08:00-16:30`"


def schedules_of(block: Block, name: str) -> Iterator[ProposedSchedule | Problem]:
    """The schedules of a time block, one for each of its weekly lines."""
    lines = [statement for part in block.parts for statement in part.statements]
    weekly = [line for line in lines if line.words[0].lower() == "weekly"]
    for line in lines:
        if line not in weekly:
            why = _DATE if line.words[0].lower() == "date" else _NO_TIME
            yield problem(name, line.line, line.text, why)
    for place, line in enumerate(weekly, 1):
        found = _weekly(line)
        if found is None:
            yield problem(name, line.line, line.text, _NO_TIME)
            continue
        own = kebab(block.name) if len(weekly) == 1 else f"{kebab(block.name)}-{place}"
        yield ProposedSchedule(own, *found)


def _weekly(line: Statement) -> tuple[str, tuple[str, ...]] | None:
    text = " ".join(line.words[1:])
    spans = _SPAN.findall(text)
    rest = _SPAN.sub("", text).split()
    days = sorted({day for word in rest for day in _days(word)}, key=_DAYS.index)
    if not rest or any(not _days(word) for word in rest) or not all(map(_is_time, spans)):
        return None
    times = tuple(f"{int(a):02}:{b}-{int(c):02}:{d}" for a, b, c, d in spans) or ("00:00-24:00",)
    return (", ".join(days) if len(days) < 7 else "daily"), times


def _days(word: str) -> tuple[str, ...]:
    low = word.lower()
    if low == "*":
        return _DAYS
    if _NAME.fullmatch(low):
        return (low[:3],)
    return tuple(_LETTERS[letter] for letter in low) if set(low) <= set(_LETTERS) else ()


def _is_time(span: tuple[str, str, str, str]) -> bool:
    hours, minutes = (int(span[0]), int(span[2])), (int(span[1]), int(span[3]))
    return max(minutes) < 60 and (hours[0] < 24 and (hours[1] < 24 or (hours[1] == 24 and minutes[1] == 0)))
