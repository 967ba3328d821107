"""What the console's pages about the register ask of a gateway: to settle a request, and to put changes in force.

The rule is that of `console.doors`, of which this is a part: signatures only, nothing behind them is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from policy.explain import Explanation
from registry.caution import Caution
from registry.change import By
from registry.refusals import Suggestion
from registry.requests import ReviewRequest
from registry.settling import Settlement


class RegisterDoors(Protocol):
    """What changes in the register need of a gateway. Slow calls are made off the event loop."""

    def again(self, requests: Sequence[ReviewRequest], at: datetime) -> Sequence[Explanation | None]:
        """What would happen to each who asked, if they asked then; None for an address that cannot be read."""

    def settle(self, number: int, wanted: Settlement, by: By) -> ReviewRequest:
        """Decide a request, and put what came of it in force. Raises `RegistryError`, and then nothing was done."""

    def suggested(self, at: datetime, site: str | None) -> Sequence[tuple[Suggestion, Caution]]:
        """Hosts that programs refuse to have read, at a site or anywhere, each with what to think of."""

    def check_entry(self, text: str) -> None:
        """Raise `RegistryError` for an own entry about what a statutory list decides whatever it says."""

    def put_in_force(self) -> None:
        """Tell every worker what is in the register now."""

    def holds_changed(self) -> None:
        """Tell the alarms about the holds there are now."""
