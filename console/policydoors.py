"""What the console's pages of the policy ask of a gateway: its text, whether another would build, to put one in force.

The rule is that of `console.doors`, of which this is a part: signatures only, nothing behind them is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The policy in force, as it is written."""

    text: str
    """The file's text."""
    file: str
    """What the file is called."""


class PolicyDoors(Protocol):
    """What the pages of the policy need. Slow calls are made off the event loop."""

    def policy_text(self) -> PolicyText:
        """The text of the policy in force."""
