"""The dimensions in PostgreSQL: ids of what repeats, made when they are new.

In come the keys of a batch and its day, out go their ids; the same as `logstore.dimensions.learn`, within the batch's
own transaction. Keys go in sorted, so that two writers who bring the same new names wait for each other instead of
locking each other out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Connection, Integer, Table

from logstore.chain import Name
from logstore.cleaning import spelt
from logstore.dimensions import Dimension

type Found = dict[str, tuple[int, str, str]]


def learn(
    connection: Connection, dimension: Dimension, texts: Mapping[Any, str], day: str, names: list[Name] | None = None
) -> dict[Any, int]:
    """The ids of the keys of `texts`: made when they are new, and marked as used on `day`.

    `texts` has the text of each; `names` is told it with the id.
    """
    table = dimension.table
    plain = _is_plain("".join(texts.values()))  # as it is nearly always: asked once, for all of them
    if not plain and any(_is_odd(key) for key, text in texts.items() if not _is_plain(text)):
        raise ValueError("a text holds what no PostgreSQL text can: a NUL or half a character")
    known = _look_up(connection, table, list(texts.values()))
    rows = [{"key": text, **dimension.searched(key)} for key, text in texts.items() if text not in known]
    if rows:
        rows.sort(key=itemgetter("key"))
        known |= _insert(connection, table, rows, day)
        # Somebody else's may have come first: then theirs count.
        if theirs := [row["key"] for row in rows if row["key"] not in known]:
            known |= _look_up(connection, table, theirs)
    if outside := [found[0] for found in known.values() if not found[1] <= day <= found[2]]:
        connection.exec_driver_sql(
            f"UPDATE {table.name} SET first_day = least(first_day, %s), last_day = greatest(last_day, %s) FROM "
            f"(SELECT id FROM {table.name} WHERE id = ANY(%s) ORDER BY id FOR UPDATE) AS wanted "
            f"WHERE {table.name}.id = wanted.id",
            (day, day, outside),
        )
    if names is not None:
        names += [(dimension.column, known[text][0], text) for text in texts.values()]
    return {key: known[text][0] for key, text in texts.items()}


def _look_up(connection: Connection, table: Table, texts: list[str]) -> Found:
    """Id, first and last day of each key that is there."""
    wanted = f"SELECT key, id, first_day, last_day FROM {table.name} WHERE key = ANY(%s::text[])"
    found: Any = connection.exec_driver_sql(wanted, (array(texts),))
    # The driver's own rows: SQLAlchemy's cost as much again.
    return {text: (number, first, last) for text, number, first, last in found.cursor.fetchall()}


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]], day: str) -> Found:
    """One statement, whatever their number; which were not there."""
    columns = [table.c[name] for name in rows[0]]
    names = ", ".join(f'"{column.name}"' for column in columns)
    arrays = ", ".join(f"%s::{_array(column.type)}" for column in columns)
    made: Any = connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}, first_day, last_day) SELECT *, %s, %s FROM unnest({arrays}) "
        "ON CONFLICT DO NOTHING RETURNING key, id",
        (day, day, *(array([row[column.name] for row in rows]) for column in columns)),
    )
    return {text: (number, day, day) for text, number in made.cursor.fetchall()}


def array(values: Sequence[Any]) -> str | Sequence[Any]:
    """Texts as PostgreSQL writes an array of them, at a fifth of what the driver takes; other values as they are.

    Raises ValueError for a NUL.
    """
    try:
        together = "\0".join(values)
    except TypeError:  # a NULL among them, or no texts at all
        return values
    if together.count("\0") != len(values) - 1:
        if values:
            raise ValueError("a text holds a NUL, which no PostgreSQL text can")
        return "{}"
    quoted = together.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{quoted}"}}'


def _is_plain(text: str) -> bool:
    """Whether stored keys can hold nothing odd: ASCII, and nothing in them that was spelt out."""
    return text.isascii() and "\0" not in text and "\\u" not in text


def _is_odd(key: Any) -> bool:
    if isinstance(key, tuple):
        return any(map(_is_odd, key))
    return isinstance(key, str) and spelt(key) != key


def _array(kind: object) -> str:
    if isinstance(kind, Boolean):
        return "bool[]"
    return "int[]" if isinstance(kind, Integer) else "text[]"
