"""The ends of the chains written into the audit trail: what `logstore.evidence` does for files.

In comes a database; out goes the head of the trail. The rules: what is read before the trail's lock is taken stays
true, because chains only grow; a chain that stands where it was last seen is not written down again, so that a night
costs a line on a few gateways, not on half a year of days.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from logstore import audit, evidence
from logstore.db import open_catalog, reading
from logstore.place import Database
from logstore.postgres import chains


def note_ends(database: Database, *, who: str, why: str, at: datetime) -> tuple[int, str]:
    """Write down where the chains stand that have moved since; the trail's head. `at` is aware."""
    with reading(database) as catalog:
        if not _may_note(catalog):
            return audit.head(catalog)
        seen = {name: places[-1][:2] for name, places in evidence.told(catalog).ends.items()}
        moved = {name: list(end) for name, end in chains.ends(catalog).items() if seen.get(name) != end}
        if not moved:
            return audit.head(catalog)
    engine = open_catalog(database)
    try:
        with engine.begin() as catalog:
            audit.record_change(
                catalog, who=who, what=evidence.ENDS, subject="record", after={"ends": moved}, why=why, at=at,
                kind=evidence.KIND,
            )  # fmt: skip
            return audit.head(catalog)
    finally:
        engine.dispose()


def _may_note(catalog: Connection) -> bool:
    asked = "SELECT has_table_privilege('audit', 'SELECT') AND has_table_privilege('audit', 'INSERT')"
    return bool(catalog.exec_driver_sql(f"{asked} AND has_table_privilege('chain_batch', 'SELECT')").scalar())
