"""What the engine carries through one decision: the case, and what each thing the request claims to be meets.

In come a request and what is known around it; it goes from step to step unchanged. Made fresh for each decision, so
plain classes: compiled, one costs a tenth of a named tuple.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

from policy.client import Client
from policy.explain import Asked
from policy.model import Request, Signal, Stage, Verdict
from policy.remembered import Place
from policy.tables import Table

_CONNECT: Final = Stage.CONNECT


@final
class Case:
    """What is the same for everything one request claims to be."""

    __slots__ = ("at", "client", "full", "holding", "place", "request", "signals", "table")

    def __init__(
        self,
        request: Request,
        client: Client,
        at: datetime,
        table: Table,
        holding: frozenset[str],
        signals: frozenset[Signal],
        place: Place,
    ) -> None:
        self.request = request
        """What is decided."""
        self.full = request.stage is not _CONNECT
        """True when more than the host is known."""
        self.client = client
        """Who asks."""
        self.at = at
        """The moment, aware."""
        self.table = table
        """The rows for that client's band and site."""
        self.holding = holding
        """Names of the schedules that hold."""
        self.signals = signals
        """What was seen of the request."""
        self.place = place
        """What was answered there before."""

    def with_signals(self, signals: frozenset[Signal]) -> Case:
        """The same, seen with these signals."""
        return Case(self.request, self.client, self.at, self.table, self.holding, signals, self.place)


@final
class Second:
    """What one more thing the request claims to be meets, and the rows that were asked."""

    __slots__ = ("heard", "verdict")

    def __init__(self, verdict: Verdict, heard: list[Asked] | None) -> None:
        self.verdict = verdict
        """What it meets."""
        self.heard = heard
        """The rows that were asked, in reading order; None when nobody wants to know."""
