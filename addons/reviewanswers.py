"""What was decided on requests for a review, for whoever asked.

Rows of the overlay in, a sentence for a page out. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from categories.names import Url
from policy.client import Client

TOLD_FOR = timedelta(days=14)
"""How long a page tells of a decision."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answers:
    """Decisions by who asked and for which address."""

    known: Mapping[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """Who and address, to when (microseconds since the Unix epoch, UTC) and what was answered."""

    def told(self, client: Client, url: Url, at: datetime) -> str:
        """What this client is told on this page; empty when there is nothing to tell."""
        if not self.known:
            return ""
        found = self.known.get((asker(client.user, client.address), str(url)))
        if found is None or at - (_EPOCH + timedelta(microseconds=found[0])) > TOLD_FOR:
            return ""
        return f"You asked for a review. The answer: {found[1]}"


def asker(user: str | None, address: str) -> str:
    """Who asked: the account, or the machine where nobody had signed in."""
    return f"user {user.casefold()}" if user is not None else f"address {address}"


def read_answers(rows: Sequence[Sequence[Any]]) -> Answers:
    """The answers of the overlay; rows that cannot be read are left out: nothing is decided by them."""
    known: dict[tuple[str, str], tuple[int, str]] = {}
    for row in rows:
        if len(row) >= 5 and isinstance(row[3], int) and all(isinstance(row[place], str) for place in (1, 2, 4)):
            user, address, url, decided_us, words = row[:5]
            key = (asker(user if isinstance(user, str) else None, address), url)
            if key not in known or known[key][0] < decided_us:
                known[key] = (decided_us, words)
    return Answers(known)
