"""What a look of `schoolgate doctor` found. Nothing comes in; `Finding` goes out, for whoever looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    """What was looked at."""
    level: Literal["good", "note", "bad"]
    """`good`, `note` (worth knowing) or `bad` (needs attention)."""
    found: str
    """What was found."""
    advice: str = ""
    """What to do."""

    @property
    def mark(self) -> str:
        """A word for the level."""
        return MARKS[self.level]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)
