"""Rows of one day into ClickHouse, each once.

In come rows as columns; out go those ids that are there already, and the rows into the table. ClickHouse has no unique
key, so that a row is stored once rests on three things: ids that may be there are looked up before they are sent; rows
of one day go in one block, which is stored whole or not at all; and the block carries a token made of its ids, so that
the same block, sent again while the first is still on its way, is dropped by the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy.exc
from sqlalchemy import Connection, select, text

from logstore.clickhouse.tables import COLUMNS, ID_COLUMNS, TEXT_COLUMNS, log
from logstore.dimensions import stored
from logstore.errorwords import without_rows

QUESTION = 5_000
"""Ids asked for in one statement; their digits stay below the server's limit of 256 KiB."""
_TYPES: dict[str, str] = {
    "site": "LowCardinality(String)",
    "blocked": "Bool",
    "status": "Nullable(Int64)",
    "repeats": "Nullable(Int64)",
    **dict.fromkeys(ID_COLUMNS, "UInt32"),
    **dict.fromkeys(TEXT_COLUMNS, "Nullable(String)"),
}
TYPE_NAMES = [_TYPES.get(name, "Int64") for name in COLUMNS]


class ClickHouseAway(ConnectionError):
    """The server did not take a block: away, overloaded, full, read-only. No row is to blame."""


@contextlib.contextmanager
def away() -> Iterator[None]:
    """The server's errors, whichever way they come, as `ClickHouseAway`; a value that cannot be sent stays what it is.

    Our statements and types are the same for every row: where the server refuses one, it is not for what is in it.
    """
    # Here, because whoever has no ClickHouse has not installed its driver.
    from clickhouse_connect.driver.exceptions import DataError, Error

    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        raise ClickHouseAway(without_rows(error)) from error
    except Error as error:
        if isinstance(error, DataError):
            raise
        raise ClickHouseAway(without_rows(error)) from error


def settle(connection: Connection, producer: str) -> None:
    """End what an earlier life of this shipper may still have on its way, so that a look shows all there will be."""
    connection.execute(text("KILL QUERY WHERE startsWith(query_id, :mine) SYNC"), {"mine": _query_name(producer)})


def already_there(connection: Connection, ids: Sequence[int], sites: Iterable[str]) -> set[int]:
    """Those of `ids` that are stored. `sites` are those of their rows: what bounds the look."""
    wanted = sorted(ids)
    found: set[int] = set()
    where = log.c.site.in_(sorted({stored(site) for site in sites}))
    for begin in range(0, len(wanted), QUESTION):
        some = wanted[begin : begin + QUESTION]
        # As text: five thousand parameters would cost more than the look.
        listed = text(f"id IN ({','.join(map(str, some))})")
        statement = select(log.c.id).where(where, log.c.id >= some[0], log.c.id <= some[-1], listed)
        found.update(connection.execute(statement).scalars())
    return found


def send(connection: Connection, producer: str, columns: Sequence[Sequence[Any]]) -> None:
    """One block of rows of one day, as columns in the order of `COLUMNS`. Raises what an unfit value raises."""
    client = connection.connection.driver_connection.client  # type: ignore[union-attr]
    data = [_ready(name, column) for name, column in zip(COLUMNS, columns, strict=True)]
    settings = {
        "insert_deduplication_token": token(columns[COLUMNS.index("id")]),
        "query_id": f"{_query_name(producer)}{uuid.uuid4()}",
        "async_insert": 0,
        "insert_deduplicate": 1,
        "max_insert_block_size": max(1_048_576, len(data[0])),
    }
    client.insert(
        "log", data, column_names=COLUMNS, column_type_names=TYPE_NAMES, column_oriented=True, settings=settings
    )


def token(ids: Sequence[int]) -> str:
    """What names a block: the same rows have the same token, whoever sends them, however often."""
    return f"{ids[0]}-{ids[-1]}-{len(ids)}-{hashlib.blake2b(array('q', ids), digest_size=16).hexdigest()}"


def _query_name(producer: str) -> str:
    return f"schoolgate-rows-{producer}-"


def _ready(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if name in ID_COLUMNS:
        return [value or 0 for value in values]
    if name in TEXT_COLUMNS or name == "site":
        return _texts(values)
    return values


def _texts(values: Sequence[str | None]) -> Sequence[str | bytes | None]:
    """As the driver takes them: a column is all text or all bytes, and text has to be Unicode."""
    try:
        "".join([value for value in values if value is not None]).encode()
    except UnicodeEncodeError:
        return [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    return values
