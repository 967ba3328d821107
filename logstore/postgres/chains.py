"""The chains of the record in PostgreSQL: one for each day and gateway, so that gateways never wait for each other.

In come rows as they were stored, and the names they use for the first time that day; out go batches of the same kind
as in files (`logstore.chain`), and later the batches and the rows again. The rules: rows and their batch are one
transaction; whoever writes holds the lock of its gateway's chains; a batch is added and read, never changed, and goes
when its day does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from psycopg import pq
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on

from logstore.batches import End, Values
from logstore.chain import FORMS, Batch, Hashing, Name, genesis, make_batch
from logstore.postgres import locks
from logstore.schema import BYTEWISE, day_file

NOBODY = -1
"""In place of a gateway's number: rows that none shipped."""
ADOPTED = -2
"""In place of a gateway's number: rows that were there before there were chains."""
AT_A_TIME = 20
"""Batches read from the database at a time: each is some bytes for every row of it."""
FETCHED = 10_000
"""Rows read from the database at a time."""

chain_metadata = MetaData()
"""The table of chains: PostgreSQL's alone."""
chain_batch = Table(
    "chain_batch",
    chain_metadata,
    Column("file", BYTEWISE, primary_key=True),
    Column("gateway", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    *(Column(name, LargeBinary, nullable=False) for name in ("ids", "hints", "names", "root", "names_root", "mark")),
)
"""One line a batch (`logstore.chain.Batch`); `file` is the day's partition."""
_BATCH = tuple(column.name for column in chain_batch.c if column.name not in ("file", "gateway"))


def name_of(file: str, gateway: int) -> str:
    """How a gateway's chain of a day is called, in its first mark and in the audit trail."""
    return f"{file}/{gateway}"


def take_turn(connection: Connection, gateway: int) -> None:
    """Wait until nobody else adds to this gateway's chains; until the end of the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({locks.CHAIN}, %s)", (gateway,))


def add_batch(
    connection: Connection,
    file: str,
    gateway: int,
    values: Values,
    names: Sequence[Name],
    at_us: int,
    hashed: Hashing | None = None,
) -> int:
    """Add the batch of rows that this transaction stores; how many batches that were: one, or none for nothing.

    `values` are in the order of the columns of `log`; with `hashed`, which is of them, sorted by their id. Within a
    transaction that has the turn.
    """
    if not values and not names:
        return 0
    end = _end_of(connection, file, gateway)
    rows = sorted(values, key=itemgetter(0)) if hashed is None else values
    batch = make_batch(end.mark, end.number + 1, rows, names, at_us, hashed=hashed)
    told = {name: getattr(batch, name) for name in _BATCH}
    connection.execute(chain_batch.insert().values(file=file, gateway=gateway, **told))
    return 1


def ends(catalog: Connection, file: str | None = None) -> dict[str, tuple[int, str]]:
    """Where the chains of every day that is there end, or those of one: number and mark of the last batch, by name.

    Days of which not all rows are under a chain yet are left out.
    """
    last = chain_batch.c
    found = (
        select(last.file, last.gateway, last.number, last.mark)
        .ext(distinct_on(last.file, last.gateway))
        .join(day_file, day_file.c.file == last.file)
        .where(day_file.c.batches.is_not(None), day_file.c.state.in_(("open", "dropping")))
        .order_by(last.file, last.gateway, last.number.desc())
    )
    if file is not None:
        found = found.where(last.file == file)
    rows = catalog.execute(found)
    return {name_of(row.file, row.gateway): (row.number, bytes(row.mark).hex()) for row in rows}


def batches_of(catalog: Connection, file: str) -> dict[str, list[Batch]]:
    """The batches of a day, by the name of their chain: all of them in memory, some bytes for each row."""
    return {name: list(of_one) for name, of_one in each_chain(catalog, file)}


def each_chain(catalog: Connection, file: str) -> Iterator[tuple[str, Iterator[Batch]]]:
    """The chains of a day by name, each with its batches, to be read in this order.

    Within a transaction no more than `AT_A_TIME` of them are in memory.
    """
    of_a_day = f"SELECT gateway, {', '.join(_BATCH)} FROM chain_batch WHERE file = %s ORDER BY gateway, number"
    raw: Any = catalog.connection.driver_connection
    if raw.info.transaction_status == pq.TransactionStatus.IDLE:
        rows: Any = iter(catalog.exec_driver_sql(of_a_day, (file,)).all())
        yield from _by_chain(file, rows)
        return
    with raw.cursor(name="schoolgate_batches", binary=True) as cursor:
        cursor.itersize = AT_A_TIME
        yield from _by_chain(file, cursor.execute(of_a_day, (file,)))


def _by_chain(file: str, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, Iterator[Batch]]]:
    for gateway, of_one in itertools.groupby(rows, key=itemgetter(0)):
        yield name_of(file, int(gateway)), (Batch(*row[1:]) for row in of_one)


def batch_of(catalog: Connection, name: str, number: int) -> Batch:
    """One batch of the chain called `name`."""
    file, _, gateway = name.partition("/")
    one = f"SELECT {', '.join(_BATCH)} FROM chain_batch WHERE file = %s AND gateway = %s AND number = %s"
    return Batch(*catalog.exec_driver_sql(one, (file, int(gateway), number)).one())


def rows_in(catalog: Connection, form: int, first: int, past: int) -> Iterator[tuple[Any, ...]]:
    """The rows with `first` <= id < `past`, by id, in the columns of `form`, as they are hashed.

    Within a transaction; no more than `FETCHED` of them are in memory.
    """
    return _fetched(catalog, ", ".join(map(_hashed, FORMS[form])), first, past)


def rows_with(catalog: Connection, form: int, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows of these ids, by id, in the columns of `form`, as they are hashed."""
    columns = ", ".join(map(_hashed, FORMS[form]))
    found = catalog.exec_driver_sql(f"SELECT {columns} FROM log WHERE id = ANY(%s) ORDER BY id", (list(ids),))
    return [tuple(row) for row in found]


def ids_in(catalog: Connection, first: int, past: int) -> Iterator[tuple[Any, ...]]:
    """The ids alone, for whoever may not read rows."""
    return _fetched(catalog, "id", first, past)


def _fetched(catalog: Connection, columns: str, first: int, past: int) -> Iterator[tuple[Any, ...]]:
    raw: Any = catalog.connection.driver_connection
    # The driver's own rows, sent as the database holds them: SQLAlchemy's would cost more than the hashing.
    with raw.cursor(name="schoolgate_rows", binary=True) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(f"SELECT {columns} FROM log WHERE id >= %s AND id < %s ORDER BY id", (first, past))
        yield from cursor


def _hashed(column: str) -> str:
    return f'"{column}"::int' if column == "blocked" else f'"{column}"'


def _end_of(connection: Connection, file: str, gateway: int) -> End:
    last = connection.execute(
        select(chain_batch.c.number, chain_batch.c.mark)
        .where(chain_batch.c.file == file, chain_batch.c.gateway == gateway)
        .order_by(chain_batch.c.number.desc())
        .limit(1)
    ).first()
    return End(0, genesis(name_of(file, gateway))) if last is None else End(last.number, bytes(last.mark))
