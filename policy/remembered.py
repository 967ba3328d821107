"""Verdicts already given: what is asked again is not read again.

In come keys that hold whatever a row may ask of a request; out come verdicts. The rule here: a verdict is kept only
under all that could change it, so remembering changes no answer, only its price. Bounded; forgotten as a whole.
Thread-safe: whoever computes an answer, it comes out the same.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import final

from categories.model import Match
from policy.model import Verdict

MOST = 32_768
"""Verdicts kept in all, some 10 MB; then all are forgotten."""

type Key = tuple[Hashable, ...]
"""What places and verdicts are remembered by."""


@final
class _Room:
    """How much is kept; apart from what is kept, so that an engine that is dropped takes all of it along at once."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = 0


@final
class Place:
    """What was answered from one place: one table, one stage, the same schedules, the same asker to every row."""

    __slots__ = ("_alike", "_room", "hosts")

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._alike: dict[Key, Verdict] = {}
        self.hosts: dict[str, Verdict] = {}
        """What hosts met whose requests ask for nothing else; `keep_host` adds to it."""

    def keep_host(self, host: str, verdict: Verdict) -> None:
        """Remember what a host met that settles all there is to its requests."""
        self._room.kept += 1
        self.hosts[host] = verdict

    def alike(self, key: Key, sited: tuple[Match, ...]) -> Verdict | None:
        """The verdict kept under a key that begins with `categories_of(sited)`, with `sited` as its evidence.

        Rows ask for categories, never for a list or a line: two listed hosts alike in all else meet the same row.
        """
        known = self._alike.get(key)
        if known is None or not sited:
            return known
        before = known.matches
        matches = sited + before[len(sited) :] if len(before) > len(sited) else sited
        match = known.match
        if match is not None:
            match = matches[before.index(match)]
        return known.with_evidence(match, matches)

    def keep(self, key: Key, verdict: Verdict) -> None:
        """Remember what was read for a key that begins with the categories of its evidence."""
        self._room.kept += 1
        self._alike[key] = verdict


def categories_of(sited: tuple[Match, ...]) -> tuple[str, ...]:
    """What entries classify as, in their order."""
    return tuple([match.category for match in sited]) if sited else ()


@final
class Remembered:
    """What one engine remembers."""

    def __init__(self) -> None:
        self._places: dict[Key, Place] = {}
        self._room = _Room()

    def place(self, key: Key) -> Place:
        """What is remembered of a place; all is forgotten first when it has become too much."""
        if self._room.kept >= MOST:
            self._places, self._room = {}, _Room()
        found = self._places.get(key)
        if found is None:
            self._room.kept += 1
            found = self._places[key] = Place(self._room)
        return found
