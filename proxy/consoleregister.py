"""What the console's pages about the register ask of a gateway (`console.registerdoors`), done as the commands do it.

Settings and the parts in force in; changes written, told to workers, and what came of them out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine as Database

from logstore.db import open_catalog
from policy.engine import Engine
from policy.explain import Explanation
from proxy.bypassing import suggested
from proxy.decided import Parts
from proxy.decisions import put_in_force
from proxy.holding import tell_holds
from proxy.oneclick import check_entry
from proxy.requestchanges import settle
from proxy.settings import Settings
from registry.caution import Caution
from registry.change import By
from registry.refusals import Suggestion
from registry.requests import ReviewRequest
from registry.settling import Settlement, asked_again


class RegisterWork(ABC):
    """The part of a gateway's doors that works on the register."""

    _settings: Settings

    def again(self, requests: Sequence[ReviewRequest], at: datetime) -> Sequence[Explanation | None]:
        """What would happen to each who asked, by one engine."""
        engine = self._now()
        asked = map(asked_again, requests)
        return [None if one is None else engine.explain(*one, at) for one in asked]

    def settle(self, number: int, wanted: Settlement, by: By) -> ReviewRequest:
        """Decide a request as `schoolgate requests decide` does."""
        with self._catalog() as catalog:
            return settle(self._settings, catalog, self._slow_parts(), number, wanted, by)

    def suggested(self, at: datetime, site: str | None) -> Sequence[tuple[Suggestion, Caution]]:
        """What `schoolgate bypass suggestions` shows."""
        with self._catalog() as catalog, catalog.connect() as connection:
            return suggested(connection, self._settings, self._slow_parts(), at, site)

    def check_entry(self, text: str) -> None:
        """Refuse what a statutory list decides."""
        check_entry(self._slow_parts(), text)

    def put_in_force(self) -> None:
        """Write the overlay of what is in the register now."""
        with self._catalog() as catalog:
            put_in_force(self._settings, catalog)

    def holds_changed(self) -> None:
        """Tell the metrics."""
        tell_holds(self._settings)

    @contextmanager
    def _catalog(self) -> Iterator[Database]:
        catalog = open_catalog(self._settings.store)
        try:
            yield catalog
        finally:
            catalog.dispose()

    @abstractmethod
    def _slow_parts(self) -> Parts:
        """Lists and policy in force."""

    @abstractmethod
    def _now(self) -> Engine:
        """The engine in force."""
