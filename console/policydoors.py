"""What the console's pages of the policy ask of a gateway: its text, whether another would build, to put one in force.

The rule is that of `console.doors`, of which this is a part: signatures only, nothing behind them is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from policy.engine import Engine
from policy.rows import Policy
from registry.change import By


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The policy in force, as it is written."""

    text: str
    """The file's text."""
    file: str
    """What the file is called."""
    digest: str
    """Checksum of the text."""
    elsewhere: str = ""
    """Why the console does not write it, in words; empty when it does."""


class PolicyDoors(Protocol):
    """What the pages of the policy need. Slow calls are made off the event loop."""

    def policy_text(self) -> PolicyText:
        """The text of the policy in force."""

    def read_policy(self, text: str) -> Policy:
        """A text, read and checked against the lists in force. Raises `PolicyErrors`."""

    def engines(self, text: str) -> tuple[Engine, Engine]:
        """The engine in force, and one with that policy instead. Raises `PolicyErrors` or `RegistryError`."""

    def publish_policy(self, number: int, by: By, *, seen: str, against: str) -> str:
        """Put a version in force on every worker; where it is, in words. `seen` is the checksum of the text that was
        read, `against` that of the policy it was compared with. Raises `RegistryError`, and then the old one stays."""
