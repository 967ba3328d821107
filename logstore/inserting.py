"""Rows into a table of SQLite, many a statement.

In come rows as a table takes them, nothing goes out. The rules: what is stored is what one statement a row would have
stored, in the order given; after an error the transaction holds some of the rows, and whoever began it decides what
becomes of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

TOGETHER = 25
"""Rows a statement. More bring nothing, and the values of so many fit every SQLite, which may take but 999."""
_NULL = float("nan")
"""What SQLite stores as NULL. For a None the driver asks first whether somebody has told it what to make of one, which
takes it several times as long as to bind a number."""


def insert_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], conflict: str = ""
) -> None:
    """Insert `rows`, each with a value for each of `columns`; `conflict` says what becomes of one that is there
    (`ON CONFLICT …`).

    Raises UnicodeEncodeError for a text that is no Unicode, and what the driver raises.
    """
    whole = len(rows) - len(rows) % TOGETHER
    for begin, end, together in ((0, whole, TOGETHER), (whole, len(rows), 1)):
        if begin < end:
            bound = [_bound(rows[at : at + together]) for at in range(begin, end, together)]
            connection.exec_driver_sql(_statement(table, tuple(columns), together, conflict), bound)


def _bound(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The values of a statement."""
    return tuple([_NULL if value is None else value for row in rows for value in row])


@functools.cache
def _statement(table: str, columns: tuple[str, ...], rows: int, conflict: str) -> str:
    # OR FAIL: a statement of several rows that may have to be taken back alone keeps a copy of each page it changes,
    # which costs more than several rows at a time save.
    names = ", ".join(f'"{column}"' for column in columns)
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT OR FAIL INTO {table} ({names}) VALUES {', '.join([row] * rows)} {conflict}".rstrip()
