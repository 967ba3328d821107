"""The alarm and the memory of statutory lists: how they stand goes in; the log and the audit trail come out.

Says every change at once and, while something is wrong, again every hour: *not compliant* is never said once and
forgotten (design §5.3). Nothing depends on this: what blocks, blocks whether or not it could be written down.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from categories.statutory_bundle import Header
from logstore.audit import record_change
from logstore.db import Where, open_catalog
from proxy.statutory_state import Standing

logger = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)
"""How often what is still wrong is said again."""
WHO = "schoolgate"
"""Who puts lists in force: nobody does it by hand."""


class StatutoryAlarm:
    """Tells how statutory lists stand."""

    def __init__(self, where: Where) -> None:
        """`where` the audit trail is."""
        self._where = where
        self._said: tuple[str, ...] | None = None
        self._said_at = datetime(1970, 1, 1, tzinfo=UTC)
        self._written = Standing()
        self._written_problems: tuple[str, ...] | None = None

    def say(self, standing: Standing, at: datetime) -> tuple[str, ...]:
        """Log what changed, or what is still wrong an hour later. Returns what is wrong."""
        problems = standing.problems(at)
        if problems and (problems != self._said or at - self._said_at >= AGAIN):
            closed = standing.closes_at is not None and at >= standing.closes_at
            rest = "; everything is closed, as the settings say (statutory.when_missing: stop)" if closed else ""
            logger.critical("statutory lists: NOT COMPLIANT: %s%s", "; ".join(problems), rest)
            self._said_at = at
        elif not problems and self._said:
            logger.warning("statutory lists: compliant again")
        self._said = problems
        return problems

    def write(self, standing: Standing, at: datetime) -> int:
        """Add what changed to the audit trail; how many lines. Raises `SQLAlchemyError`, `StoreError` or `OSError`."""
        problems = standing.problems(at)
        lines = list(_changes(self._written, standing))
        if problems != self._written_problems:
            before = None if self._written_problems is None else _compliance(self._written_problems)
            lines.append(("statutory compliance", "gateway", before, _compliance(problems)))
        if lines:
            engine = open_catalog(self._where)
            try:
                with engine.begin() as connection:
                    for what, subject, before, after in lines:
                        record_change(
                            connection, who=WHO, what=what, subject=subject, before=before, after=after, at=at
                        )
            finally:
                engine.dispose()
        self._written, self._written_problems = standing, problems
        return len(lines)


def _changes(before: Standing, after: Standing) -> Iterator[tuple[str, str, Any, Any]]:
    for name in sorted({*before.bundles, *after.bundles}):
        old, new = before.bundles.get(name), after.bundles.get(name)
        told = [None if bundle is None else _facts(bundle.header, bundle.digest) for bundle in (old, new)]
        if told[0] != told[1]:
            yield ("statutory list in force", f"statutory/{name}", told[0], told[1])


def _facts(header: Header, digest: str) -> dict[str, Any]:
    """What may be told of a bundle: never a word of its entries."""
    return {
        "list": header.list,
        "category": header.category,
        "number": header.sequence,
        "entries": header.entries,
        "issued": header.created.isoformat(),
        "key": header.key_id,
        "sha256": digest,
    }


def _compliance(problems: tuple[str, ...]) -> dict[str, Any]:
    return {"compliant": not problems, "problems": list(problems)}
