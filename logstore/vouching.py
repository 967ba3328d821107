"""Names that no batch vouches for: which may be so, and which were put there behind the record's back.

In come the names of the catalog, and what a day's batches vouch for; out go problems. The rule: a name is vouched for
on its last day, because whoever learns it for a day tells the batch that goes in with it. In files the name is there a
moment before the batch, and a kill, or a row that cannot be stored, may come between: so the day's line in the catalog
says which names wait for their batch, in the transaction that learns them. Days from before that are not judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, select

from logstore.chaincheck import Problem
from logstore.dimensions import FOLDED
from logstore.schema import day_file

type Names = frozenset[tuple[str, int]]
"""Column of `log` and number of each."""

CATALOG = "catalog.db"
"""Where a problem is that is of names."""
BEFORE = "*"
"""In place of names that wait: any name of the day may be in no batch, it is older than this account."""
_FETCHED = 10_000
_TABLES: Mapping[str, str] = {dimension.column: dimension.table.name for dimension in FOLDED}


def waiting_of(catalog: Connection, file: str) -> Names | None:
    """The names that wait for a batch of `file`; None when nobody kept account of them."""
    told = catalog.execute(select(day_file.c.unvouched).where(day_file.c.file == file)).scalar()
    return None if told == BEFORE else _read(told)


def note_waiting(catalog: Connection, file: str, names: Iterable[tuple[str, int]]) -> None:
    """Say that `names`, and no others, wait for a batch of `file`; within the transaction that learns them."""
    catalog.execute(day_file.update().where(day_file.c.file == file).values(unvouched=spelt(names)))


def spelt(names: Iterable[tuple[str, int]]) -> str | None:
    """Names as the catalog keeps them: None for none."""
    by_column = groupby(sorted(names), key=itemgetter(0))
    told = {column: [number for _, number in of_one] for column, of_one in by_column}
    return json.dumps(told, separators=(",", ":")) if told else None


def _read(told: str | None) -> Names:
    return frozenset((column, number) for column, of_one in json.loads(told or "{}").items() for number in of_one)


@dataclass(slots=True)
class Vouching:
    """The names whose last day is one day, less those that its batches were seen to vouch for."""

    day: str
    """The UTC day."""
    unmet: dict[str, set[int]]
    """What no batch so far vouched for, by column of `log`."""
    sound: bool = True
    """Whether every batch of the day was seen: what a missing one vouched for is not what is wrong."""

    def met(self, named: Mapping[str, set[int]]) -> None:
        """Batches vouch for these."""
        for column, numbers in named.items():
            if column in self.unmet:
                self.unmet[column] -= numbers

    def problems(self) -> Iterator[Problem]:
        """What is left when all were seen."""
        if not self.sound:
            return
        for column, numbers in self.unmet.items():
            for number in sorted(numbers):
                what = f"no batch of {self.day} vouches for it, the last day it is used on"
                yield Problem(CATALOG, f"{_of(column, number)}: {what}: it was put there behind the record's back")


@dataclass(slots=True)
class Learned:
    """Every name of the catalog that a batch must vouch for, as they are at one moment."""

    _by_day: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    strange: list[Problem] = field(default_factory=list)
    """Names of days that there never were."""

    def on(self, day: str) -> Vouching:
        """Those whose last day is `day`; asked once for a day."""
        return Vouching(day, self._by_day.pop(day, {}))


def learned(catalog: Connection, days: Iterable[str], *, gone: Iterable[str], every: bool) -> Learned:
    """The names whose last day is among `days`; `every`: look at the others too. `gone`: days the audit trail knows.

    Within a transaction: a name and what is said of its batch are of one moment. Batches are read after it.
    """
    found = Learned({day: {} for day in days})
    known = set(gone)
    excused: dict[str, Names] = {}
    for day, told in catalog.execute(select(day_file.c.day, day_file.c.unvouched)):
        known.add(day)
        if told == BEFORE:
            found._by_day.pop(day, None)
        elif told is not None:
            excused[day] = excused.get(day, frozenset()) | _read(told)
    for dimension in FOLDED:
        names = dimension.table.c
        rows = catalog.execute(select(names.id, names.last_day).execution_options(yield_per=_FETCHED))
        for number, day in rows:
            if (wanted := found._by_day.get(day)) is not None:
                wanted.setdefault(dimension.column, set()).add(number)
            elif every and day not in known:
                what = f"is said to be used on {day} last, a day the record never had: searches by it mislead"
                found.strange.append(Problem(CATALOG, f"{_of(dimension.column, number)}: {what}"))
    for day, names_there in excused.items():
        for column, number in names_there:
            found._by_day.get(day, {}).get(column, set()).discard(number)
    return found


def _of(column: str, number: int) -> str:
    return f"{column} {number} ({_TABLES[column]})"
