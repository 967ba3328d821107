"""Verdicts already given: what is asked again is not read again.

In come keys that hold whatever a row may ask of a request; out come verdicts. The rule here: a verdict is kept only
under all that could change it, so remembering changes no answer, only its price. Bounded; forgotten as a whole.
Thread-safe: whoever computes an answer, it comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from categories.model import Match
from policy.model import Verdict

MOST = 16_384
"""Verdicts kept of each kind, some 10 MB in all; then those start anew."""

type Key = tuple[Hashable, ...]
"""What verdicts are remembered by."""


class Remembered:
    """What one engine remembers."""

    def __init__(self) -> None:
        self._given: dict[Key, Verdict] = {}
        self._alike: dict[Key, Verdict] = {}
        self._hosts: dict[Key, dict[str, Verdict]] = {}
        self._kept = 0

    def of_host(self, place: Key, host: str) -> Verdict | None:
        """What a host met that settles all there is to its requests, asked from this place."""
        known = self._hosts.get(place)
        return None if known is None else known.get(host)

    def keep_host(self, place: Key, host: str, verdict: Verdict) -> None:
        """Remember that."""
        self._kept += 1
        if self._kept > MOST:
            self._hosts.clear()
            self._kept = 1
        self._hosts.setdefault(place, {})[host] = verdict

    def verdict(self, key: Key, sited: tuple[Match, ...], read: Callable[[], Verdict]) -> Verdict:
        """The verdict under a key that begins with `sited`, read once."""
        found = self._given.get(key)
        if found is None:
            if len(self._given) >= MOST:
                self._given.clear()
                self._alike.clear()
            found = self._given[key] = self._by_category(key, sited, read) if sited else read()
        return found

    def _by_category(self, key: Key, sited: tuple[Match, ...], read: Callable[[], Verdict]) -> Verdict:
        """The verdict that entries of the same categories met, with this request's own entries as its evidence.

        Rows ask for categories, never for a list or a line: two listed hosts alike in all else meet the same row.
        """
        alike = (tuple([match.category for match in sited]), *key[1:])
        known = self._alike.get(alike)
        if known is None:
            known = self._alike[alike] = read()
            return known
        matches = sited + known.matches[len(sited) :]
        match = None if known.match is None else matches[known.matches.index(known.match)]
        return known.with_evidence(match, matches)
