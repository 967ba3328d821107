"""What only a gateway can do, as the console sees it: its engine, its workers, its health. `proxy` hands it in.

The rule: the console knows these signatures and nothing behind them, so that it runs in a process of its own, and a
test may hand in a gateway's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from categories.taxonomy import Category
from console.listdoors import ListDoors
from console.policydoors import PolicyDoors
from console.registerdoors import RegisterDoors
from identity.directory import Directory
from policy.explain import Explanation
from policy.overrides import Override
from policy.rows import Policy
from registry.change import By
from registry.outlook import Outlook
from registry.overrides import Decision


class Misasked(ValueError):
    """A question that cannot be answered as asked; the message says what would have been right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What would happen: to whom, where and when. Words as people type them; empty means not said."""

    url: str
    """URL or host."""
    user: str = ""
    """Account."""
    band: str = ""
    """Age band."""
    groups: tuple[str, ...] = ()
    """Groups."""
    address: str = ""
    """Address of the machine."""
    site: str = ""
    """Site."""
    at: str = ""
    """`10:20`, `tue 10:20` or ISO; empty is now."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and what whoever asked should know besides."""

    explanation: Explanation
    """The verdict, told in full."""
    notes: tuple[str, ...] = ()
    """Remarks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """What."""
    level: str
    """`good`, `note` or `bad`."""
    found: str
    """What was found."""
    advice: str = ""
    """What to do."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the gateway is."""

    findings: Sequence[Finding]
    """Everything that was looked at."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """What the running gateway says of itself; empty when none runs."""


class Doors(RegisterDoors, ListDoors, PolicyDoors, Protocol):
    """What the console asks of a gateway. Slow calls are made off the event loop."""

    def explain(self, question: Question) -> Told:
        """What would happen, by the engine in force. Raises `Misasked`."""

    def policy(self) -> Policy:
        """The policy in force."""

    def categories(self) -> Mapping[str, Category]:
        """Every category a rule may name."""

    def directory(self) -> Directory:
        """The people in force."""

    def target(self, text: str) -> str:
        """What somebody means by `games.example`, a URL or `category:games`. Raises `Misasked`."""

    def outlook(self, wanted: Override, at: datetime) -> Outlook:
        """What a decision does, made or only wanted. Nothing is made."""

    def decide(self, wanted: Override, by: By) -> Decision:
        """Make it, and put it in force on every worker. Raises `RegistryError`, and then nothing was made."""

    def end(self, number: int, by: By) -> Decision:
        """End a decision on every worker. Raises `RegistryError`."""

    def in_force(self) -> str:
        """On how many workers what was decided is in force, in words; waits for them a moment."""

    def health(self) -> Health:
        """How the gateway is."""

    def recording(self) -> str:
        """Why rows may be missing from the record just now, in words; empty when none are."""
