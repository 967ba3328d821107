"""Roll-ups in PostgreSQL: sums of rows by hour and by day, in tables beside the record.

Nothing comes in but a connection; tables and what they say go out. They are those of the files (`logstore.rollups`),
each line with the UTC day of its rows' ids, so that a day's lines go when the day does. The rule is the same: nothing
is in them that the rows do not say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, MetaData, Table, Text, select

from logstore import rollups
from logstore.filter import Selection
from logstore.rolled import Group, Have, Named, Plan, read_sums
from logstore.rollups import Rollup
from logstore.schema import NAMING

rollup_metadata = MetaData(naming_convention=NAMING)
"""Tables of roll-ups: the migration of the rows makes them."""


def _table(grain: str, of: Rollup) -> Table:
    """One roll-up by hour or by day: looked for by its day, or by what is asked for most."""
    columns = [*of.columns, "file_day", grain]
    made = Table(
        f"rollup_{grain}_{of.name}",
        rollup_metadata,
        *(Column(name, Integer, nullable=False) for name in columns),
        Column("blocked", Boolean, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in ("rows", "bytes_up", "bytes_down")),
    )
    Index(None, made.c.file_day, made.c[grain])
    if (often := {"host": "host_id", "person": "user_id"}.get(of.name)) is not None:
        Index(None, made.c[often], made.c.file_day)
    return made


ROLLUPS: Mapping[str, Rollup] = {
    of.name: Rollup(of.name, of.columns, _table("hour", of), _table("day", of), of.names_people)
    for of in rollups.ROLLUPS
}
"""Every roll-up, by the name it has beside files."""

scope = Table(
    "rollup_scope",
    rollup_metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text),
    Column("band", Text),
)
"""Sites with bands, as `scope_id` means them."""

bucket = Table(
    "rollup_bucket",
    rollup_metadata,
    Column("file_day", Integer, primary_key=True, autoincrement=False),
    Column("grain", Text, primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("marks", BigInteger, nullable=False),
    Column("computed_us", BigInteger, nullable=False),
)
"""What is summed, as beside files: hours with the mark they had, days with the sum of the marks."""

TABLES = (*(table for one in ROLLUPS.values() for table in (one.hours, one.days)), bucket)
"""Every table whose lines go with their day."""


def number_of(day: str) -> int:
    """A UTC day (`2026-11-21`) as lines have it: days since the Unix epoch."""
    return (date.fromisoformat(day) - date(1970, 1, 1)).days


def summed(catalog: Connection, days: Sequence[str] | None = None) -> dict[str, Have]:
    """What is summed of each day, or of `days` alone: marks and time of making, by grain and start."""
    wanted = select(bucket)
    if days is not None:
        numbers = [number_of(day) for day in days]
        wanted = wanted.where(bucket.c.file_day.between(min(numbers), max(numbers)))
    found: dict[str, dict[tuple[str, int], tuple[int, int]]] = {}
    for row in catalog.execute(wanted):
        day = date.fromordinal(date(1970, 1, 1).toordinal() + row.file_day).isoformat()
        found.setdefault(day, {})[row.grain, row.start] = row.marks, row.computed_us
    return {**found}


class RollupTables:
    """The sums of a database, for `logstore.stats`."""

    def __init__(self, catalog: Connection) -> None:
        """`catalog`: a reading connection."""
        self._catalog = catalog

    def have(self, days: Sequence[str]) -> Mapping[str, Have]:
        """What is summed of each of some days."""
        return summed(self._catalog, days)

    def grouped(
        self, rollup: Rollup, selection: Selection, by: tuple[str, ...], plan: Plan, named: Named | None = None
    ) -> Iterator[Group]:
        """The sums of a day's hours that are told from roll-ups."""
        here = ROLLUPS[rollup.name]
        yield from read_sums(self._catalog, here, scope, selection, by, plan, number_of(plan.day), named)
