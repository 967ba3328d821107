"""Rows that were stored before there were chains, brought under one.

In comes a database; out goes how many rows there were. The rules: a day is taken in once, in one transaction, and a
line of the audit trail says so; a day whose chains the trail knows is never taken in again, because rows that are in no
batch there were slipped in. Writers of that day wait meanwhile, others do not.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, select

from logstore import audit, evidence
from logstore.chain import FORM, FORMS, Name
from logstore.chain import ids_of as ids_in_batch
from logstore.db import open_catalog, reading
from logstore.dimensions import FOLDED
from logstore.filecheck import names_with
from logstore.place import Database
from logstore.postgres import chains
from logstore.postgres.db import open_engine
from logstore.schema import day_file
from logstore.source import ids_of

ROWS = 5_000
"""Rows of one batch."""
HELD = 20
"""Batches that are already there and whose ids are kept at a time."""
ADOPTED = "took rows in under the chain"
"""How the audit trail calls it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = tuple((FORMS[FORM].index(dimension.column), dimension.column) for dimension in FOLDED)


def adopt(database: Database, *, who: str, at: datetime, seconds: float = float("inf")) -> int:
    """Bring rows of days that are older than their chains under one, newest days first; how many rows.

    No further day is begun after `seconds`. `at` is aware.
    """
    until = time.monotonic() + seconds
    with reading(database) as catalog:
        wanted = select(day_file.c.file, day_file.c.day).where(
            day_file.c.state == "open", day_file.c.rows > 0, day_file.c.batches.is_(None)
        )
        days = [tuple(row) for row in catalog.execute(wanted.order_by(day_file.c.day.desc()))]
        known = {name.rpartition("/")[0] for name in evidence.told(catalog).ends} if days else set()
    total = 0
    for file, day in days:
        if file in known or time.monotonic() > until:
            continue
        rows = _adopt_day(database, file, day, at)
        total += rows
        engine = open_catalog(database)
        try:
            with engine.begin() as catalog:
                audit.record_change(
                    catalog, who=who, what=ADOPTED, subject=file, after={"rows": rows}, at=at, kind=evidence.KIND
                )
        finally:
            engine.dispose()
    return total


def _adopt_day(database: Database, file: str, day: str, at: datetime) -> int:
    engine = open_engine(database, role="schoolgate evidence")
    try:
        with engine.begin() as connection:
            # Whoever has rows of that day on the way waits here: each of them is in a batch, or older than all.
            book = connection.exec_driver_sql("SELECT batches FROM day_file WHERE file = %s FOR UPDATE", (file,)).one()
            if book.batches is not None:
                return 0
            chains.take_turn(connection, chains.ADOPTED)
            rows, names, at_us = 0, set[tuple[str, int]](), (at - _EPOCH) // timedelta(microseconds=1)
            for values in itertools.batched(_unchained(connection, file, day), ROWS, strict=False):
                for place, column in _PLACES:
                    names |= {(column, row[place]) for row in values if row[place] is not None}
                chains.add_batch(connection, file, chains.ADOPTED, values, (), at_us)
                rows += len(values)
            texts: list[Name] = [(*name, text) for name, text in names_with(connection, names).items()]
            chains.add_batch(connection, file, chains.ADOPTED, (), texts, at_us)
            there = select(func.count()).where(chains.chain_batch.c.file == file)
            batches = connection.execute(there).scalar_one()
            connection.execute(day_file.update().where(day_file.c.file == file).values(batches=batches))
            return rows
    finally:
        engine.dispose()


def _unchained(connection: Connection, file: str, day: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a day that are in none of its batches. Of those no more than `HELD` are in memory."""
    spans = [
        (ids[0], ids[-1], name, batch.number)
        for name, batches in chains.each_chain(connection, file)
        for batch in batches
        if (ids := ids_in_batch(batch))
    ]

    @lru_cache(HELD)
    def chained(name: str, number: int) -> frozenset[int]:
        return frozenset(ids_in_batch(chains.batch_of(connection, name, number)))

    for some in itertools.batched(chains.rows_in(connection, FORM, *ids_of(day)), ROWS, strict=False):
        low, high = some[0][0], some[-1][0]
        # Batches lie together in time, so few have ids of any stretch.
        among = [(name, number) for first, last, name, number in spans if first <= high and last >= low]
        known = {record for one in among for record in chained(*one) if low <= record <= high}
        yield from (row for row in some if row[0] not in known)
