"""Rows and their batch into a day file, and batches out of it again.

In come rows as `log` takes them and the names they use for the first time that day; out goes where the file's chain
then ends. The rule: rows and their batch are one transaction, so that no kill leaves one without the other, and a batch
holds the rows that were new, so that one sent again, with other borders, adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from logstore.chain import FORM, FORMS, Batch, Name, genesis, make_batch
from logstore.dimensions import FOLDED, stored
from logstore.schema import log, log_batch

ADOPTED = 5_000
"""Rows of a batch made of rows that were stored before there was a chain."""

type Values = Sequence[tuple[Any, ...]]
_id = itemgetter(0)

type Insert = Callable[[Connection, Values], int]
"""Puts rows into `log`, those with an id that is there left out; says how many were new."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends."""

    number: int
    """Number of the last batch; 0 when there is none."""
    mark: bytes
    """Its mark, or the chain's first."""


def store_batch(
    connection: Connection, file: str, values: Values, names: Sequence[Name], at_us: int, insert: Insert
) -> tuple[int, End]:
    """Store `values`, those that are new, and their batch in the chain of `file`; how many were new, and its end.

    `values` are in the order of the columns of `log`. The connection is within a transaction of its own, in which
    nothing was done yet.
    """
    new = insert(connection, values)
    if new != len(values):
        # Once more, without the rows that are there. Begun anew, because a savepoint would make SQLite keep a second
        # journal of every page, which costs more than the hashing, for what happens after a kill only.
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        values = _absent(connection, values)
        new = insert(connection, values)
    end = end_of(connection, file)
    if not values and not names:
        return 0, end
    return new, _write(connection, end, sorted(values, key=_id), names, at_us)


def adopt(connection: Connection, catalog: Connection, file: str, at_us: int) -> int:
    """Bring rows that were stored before there was a chain under it; how many there were.

    Both connections are within their transactions.
    """
    if end_of(connection, file).number or connection.execute(select(log.c.id).limit(1)).first() is None:
        return 0
    end, rows = End(0, genesis(file)), 0
    names: Sequence[Name] = _names_used(connection, catalog)
    cursor = connection.exec_driver_sql(f"SELECT {_columns(FORM)} FROM log ORDER BY id")
    while values := [tuple(row) for row in cursor.fetchmany(ADOPTED)]:
        end = _write(connection, end, values, names, at_us)
        names, rows = (), rows + len(values)
    return rows


def end_of(connection: Connection, file: str, schema: str = "main") -> End:
    """Where the chain of the open day file ends."""
    last = connection.exec_driver_sql(
        f"SELECT number, mark FROM {schema}.log_batch ORDER BY number DESC LIMIT 1"
    ).first()
    return End(0, genesis(file)) if last is None else End(last[0], last[1])


def has_chain(connection: Connection) -> bool:
    """Whether the file is new enough to have a chain."""
    try:
        connection.exec_driver_sql("SELECT number FROM log_batch LIMIT 0")
    except OperationalError:
        return False
    return True


def batches_in(connection: Connection) -> Iterator[Batch]:
    """Every batch of the open day file, as it stands there."""
    for row in connection.execute(select(log_batch).order_by(log_batch.c.number)):
        yield Batch(**row._mapping)


def batch_of(connection: Connection, number: int) -> Batch:
    """The batch of this number, which was there a moment before."""
    return Batch(**connection.execute(select(log_batch).where(log_batch.c.number == number)).one()._mapping)


def rows_in(connection: Connection, form: int, first: int = 0, past: int = (1 << 63) - 1) -> Iterator[tuple[Any, ...]]:
    """The rows with `first` <= id < `past`, by id, in the columns of `form`, as they are hashed."""
    cursor: Any = connection.connection.cursor()
    # The driver's own rows: SQLAlchemy's would cost more than the hashing.
    yield from cursor.execute(
        f"SELECT {_columns(form)} FROM log NOT INDEXED WHERE id >= ? AND id < ? ORDER BY id", (first, past)
    )


def rows_with(connection: Connection, form: int, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows of these ids, by id, in the columns of `form`, as they are hashed."""
    found = connection.exec_driver_sql(
        f"SELECT {_columns(form)} FROM log WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(ids)),),
    )
    return [tuple(row) for row in found]


def _write(connection: Connection, end: End, values: Values, names: Sequence[Name], at_us: int) -> End:
    try:
        batch = make_batch(end.mark, end.number + 1, values, names, at_us)
    except UnicodeEncodeError:
        values = [tuple(map(stored, row)) for row in values]
        batch = make_batch(end.mark, end.number + 1, values, names, at_us)
    connection.execute(
        log_batch.insert().values(**{column.name: getattr(batch, column.name) for column in log_batch.c})
    )
    return End(batch.number, batch.mark)


def _absent(connection: Connection, values: Values) -> list[tuple[Any, ...]]:
    """The rows whose id is not in the file, each id once."""
    by_id = {row[0]: row for row in reversed(values)}
    there = connection.exec_driver_sql(
        "SELECT id FROM log WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(by_id)),)
    )
    for record_id in there.scalars():
        del by_id[record_id]
    return list(by_id.values())


def _names_used(connection: Connection, catalog: Connection) -> list[Name]:
    found: list[Name] = []
    for dimension in FOLDED:
        used = connection.exec_driver_sql(
            f"SELECT DISTINCT {dimension.column} FROM log WHERE {dimension.column} IS NOT NULL"
        ).scalars()
        texts = catalog.exec_driver_sql(
            f"SELECT id, key FROM {dimension.table.name} WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(used)),),
        )
        found += [(dimension.column, number, text) for number, text in texts]
    return found


def _columns(form: int) -> str:
    return ", ".join(f'"{name}"' for name in FORMS[form])
