"""One search, carried into one day file after another, or one span of days after another in PostgreSQL.

In come a `Selection` and a connection with a day file attached; out go rows and counts. It chooses the index: a column
with one value keeps the order of the ids; a set of values is gathered by its index when it is rare that day, and met on
the way through the ids when it is not. Columns an older file lacks read as NULL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    null,
    select,
)

from logstore.dialects import holds, one_of
from logstore.dimensions import FOLDED
from logstore.filter import Selection
from logstore.rows import Row, row_from
from logstore.schema import attached_log, time_us

RARE = 20_000
"""Rows of a day below which a set of values is gathered and sorted instead of met on the way."""
_FIRST, _PAST, _LIMIT = (bindparam(name, type_=attached_log.c.id.type) for name in ("first", "past", "most"))

_ALL = frozenset(column.name for column in attached_log.columns)

type Columns = dict[str, ColumnElement[Any]]


class DaySearch:
    """A selection, with the statements made for it; they serve every day file of the same shape."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._statements: dict[tuple[Any, ...], Select[Any]] = {}

    def rows(self, connection: Connection, first: int, past: int, most: int, *, rising: bool) -> list[Row]:
        """The newest (oldest when `rising`) `most` rows with `first` <= id < `past` of the attached file."""
        return [row_from({**columns}) for columns in self._found(connection, first, past, most, rising=rising)]

    def _found(
        self, connection: Connection, first: int, past: int, most: int, *, rising: bool
    ) -> Sequence[Mapping[Any, Any]]:
        have, index = self._shape(connection, first, past)
        key = ("rows", have, index, rising)
        if key not in self._statements:
            self._statements[key] = self._rows_statement(_columns(have), index, rising)
        found = connection.execute(self._statements[key], {"first": first, "past": past, "most": most})
        return found.mappings().all()

    def count(self, connection: Connection, first: int, past: int, most: int) -> int:
        """How many rows there are with `first` <= id < `past` in the attached file; counting stops at `most`."""
        have, index = self._shape(connection, first, past)
        key = ("count", have, index)
        if key not in self._statements:
            inner = self._chosen(_columns(have), index, [attached_log.c.id]).limit(_LIMIT).subquery()
            self._statements[key] = select(func.count()).select_from(inner)
        found = connection.execute(self._statements[key], {"first": first, "past": past, "most": most})
        return int(found.scalar_one())

    def grouped(
        self, connection: Connection, first: int, past: int, by: tuple[str, ...], sums: tuple[str, ...]
    ) -> list[Any]:
        """For each group: the values of `by`, its requests, blocked ones, and the sum of each of `sums`.

        `by` names columns; `step:1000` stands for the row's time in steps of 1,000 milliseconds.
        """
        have, index = self._shape(connection, first, past)
        key = ("grouped", have, index, by, sums)
        if key not in self._statements:
            columns = _columns(have)
            groups = [_step(name) if name.startswith("step:") else columns[name] for name in by]
            totals = [
                requests(columns["repeats"]),
                func.count().filter(holds(columns["blocked"])),  # one each: what is blocked is never folded
                *(func.sum(columns[name]) for name in sums),
            ]
            self._statements[key] = self._chosen(columns, index, [*groups, *totals]).group_by(*groups)
        return list(connection.execute(self._statements[key], {"first": first, "past": past}).all())

    def counts(
        self, connection: Connection, spans: Sequence[tuple[int, int]], whole: tuple[int, int]
    ) -> list[tuple[int, int]] | None:
        """Requests and blocked ones of each span of ids, all of them in `whole`; None where an index that does not go
        by the ids finds the few rows there are."""
        have, index = self._shape(connection, *whole)
        if self._selection.points or index not in {None, "log_blocked"}:
            return None
        key = ("counts", have, index)
        if key not in self._statements:
            columns = _columns(have)
            sums = [requests(columns["repeats"]), func.count().filter(holds(columns["blocked"]))]
            self._statements[key] = self._chosen(columns, index, sums)
        found = (connection.execute(self._statements[key], {"first": a, "past": b}).one() for a, b in spans)
        return [(int(row[0]), int(row[1])) for row in found]

    def added_up(
        self, connection: Connection, first: int, past: int, distinct: tuple[str, ...], sums: tuple[str, ...]
    ) -> tuple[int, ...]:
        """Requests, blocked ones, the sum of each of `sums`, and how many values each of `distinct` has."""
        have, index = self._shape(connection, first, past)
        key = ("added up", have, index, distinct, sums)
        if key not in self._statements:
            columns = _columns(have)
            totals = [
                requests(columns["repeats"]),
                func.count().filter(holds(columns["blocked"])),
                *(func.sum(columns[name]) for name in sums),
                *(func.count(func.nullif(columns[name], 0).distinct()) for name in distinct),
            ]
            self._statements[key] = self._chosen(columns, index, totals)
        found = connection.execute(self._statements[key], {"first": first, "past": past}).one()
        return tuple(int(value or 0) for value in found)

    def _newest(self, columns: Columns, index: str | None, rising: bool) -> Select[Any]:
        wanted = [column.label(name) for name, column in columns.items()]
        order = attached_log.c.id.asc() if rising else attached_log.c.id.desc()
        return self._chosen(columns, index, wanted).order_by(order).limit(_LIMIT)

    def _rows_statement(self, columns: Columns, index: str | None, rising: bool) -> Select[Any]:
        inner = self._newest(columns, index, rising).subquery()
        folded = {dimension.column: dimension.table.c.key for dimension in FOLDED}
        source: Any = inner
        for dimension in FOLDED:
            source = source.outerjoin(dimension.table, dimension.table.c.id == inner.c[dimension.column])
        outer = [folded.get(name, inner.c[name]).label(name) for name in columns]
        return select(*outer).select_from(source).order_by(inner.c.id.asc() if rising else inner.c.id.desc())

    def _chosen(self, columns: Columns, index: str | None, wanted: list[Any]) -> Select[Any]:
        statement = select(*wanted).select_from(attached_log)
        if hint := self._hint(index):
            statement = statement.with_hint(attached_log, hint, "sqlite")
        ids = attached_log.c.id
        return statement.where(ids >= _FIRST, ids < _PAST, *self._selection.conditions(columns, index))

    def _hint(self, index: str | None) -> str | None:
        if index is not None:
            return f"INDEXED BY {index}"
        return None if self._selection.points else "NOT INDEXED"

    def _shape(self, connection: Connection, first: int, past: int) -> tuple[frozenset[str], str | None]:
        """The columns of the attached file, and the index to use; None leaves it to SQLite or to the order of ids.

        PostgreSQL has statistics, and migrations that reach every day: there is nothing to choose or to miss.
        """
        if connection.dialect.name != "sqlite":
            return _ALL, None
        have = names_in(connection, "table_info")
        if self._selection.points:
            return have, None
        indexes = names_in(connection, "index_list")
        return have, self._index(connection, indexes, first, past)

    def _index(self, connection: Connection, indexes: frozenset[str], first: int, past: int) -> str | None:
        wanted = self._selection.wanted
        for index, fits in (
            ("log_terms", wanted.terms is not None),
            ("log_title", wanted.title is not None),
            ("log_blocked", wanted.blocked is True),
        ):
            if fits and index in indexes:
                return index
        for name in self._selection.sets:
            if f"log_{name}" in indexes and self._rare(connection, name, first, past):
                return f"log_{name}"
        return None

    def _rare(self, connection: Connection, name: str, first: int, past: int) -> bool:
        key = ("rare", name)
        if key not in self._statements:
            ids = attached_log.c.id
            some = (
                select(ids)
                .with_hint(attached_log, f"INDEXED BY log_{name}", "sqlite")
                .where(one_of(attached_log.c[name], self._selection.sets[name]), ids >= _FIRST, ids < _PAST)
                .limit(RARE)
            )
            self._statements[key] = select(func.count()).select_from(some.subquery())
        found = connection.execute(self._statements[key], {"first": first, "past": past})
        return int(found.scalar_one()) < RARE


def requests(repeats: ColumnElement[Any]) -> ColumnElement[int]:
    """How many requests rows stand for, when `repeats` is their column; NULL in a file older than that."""
    return func.count() + func.coalesce(func.sum(repeats), 0)


def columns_of(connection: Connection) -> Columns:
    """The columns of the attached file; NULL for those an older file lacks."""
    return _columns(_ALL if connection.dialect.name != "sqlite" else names_in(connection, "table_info"))


def names_in(connection: Connection, pragma: str) -> frozenset[str]:
    """Names of the columns (`table_info`) or the indexes (`index_list`) of the attached `log`."""
    driver: Any = connection.connection.driver_connection  # itself, for each of a hundred files a page may need
    return frozenset(name for (name,) in driver.execute(f"SELECT name FROM pragma_{pragma}('log', 'day')"))


def _columns(have: frozenset[str]) -> Columns:
    return {column.name: column if column.name in have else null() for column in attached_log.columns}


def _step(name: str) -> ColumnElement[Any]:
    milliseconds = int(name.partition(":")[2])
    return time_us(attached_log) // literal_column(str(milliseconds * 1000), Integer)
