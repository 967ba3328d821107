"""One search, carried into one day file after another, or one span of days after another in PostgreSQL.

In come a `Selection` and a connection with a day file attached; out go rows and counts. It chooses the index: a column
with one value keeps the order of the ids; a set of values is gathered by its index when it is rare that day, and met on
the way through the ids when it is not. Columns an older file lacks read as NULL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    text,
)

from logstore.dialects import holds, one_of
from logstore.dimensions import FOLDED
from logstore.filter import Selection
from logstore.packing import BY_ADDRESS, BY_VERDICT, SPARED, device_of, is_met
from logstore.rows import Row, row_from
from logstore.schema import attached_log, time_us

RARE = 20_000
"""Rows of a day below which a set of values is gathered and sorted instead of met on the way."""
_FIRST, _PAST, _LIMIT = (bindparam(name, type_=attached_log.c.id.type) for name in ("first", "past", "most"))

_ALL = frozenset(column.name for column in attached_log.columns)

_COLUMNS: dict[Any, frozenset[str]] = {}
"""Columns of a day's `log` by the statement that made it: as many as there are releases."""
_SEAT = bindparam("seat", type_=Integer)
_SEATED = "device_id"
"""What is asked besides for an address whose rows are those of its device."""
_BY_VERDICT = "log_verdict_id"

type Columns = dict[str, ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an attached file has, and how a search goes through it."""

    have: frozenset[str]
    """Its columns."""
    index: str | None
    """The index to use; None leaves it to SQLite or to the order of ids."""
    also: str = ""
    """What is asked besides, for a packed day's indexes: the words of a condition, or `_SEATED`."""


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
        shape, given = self._shape(connection, first, past)
        key = ("rows", shape, rising)
        if key not in self._statements:
            self._statements[key] = self._rows_statement(shape, rising)
        found = connection.execute(self._statements[key], {**given, "most": most})
        return found.mappings().all()

    def count(self, connection: Connection, first: int, past: int, most: int) -> int:
        """How many rows there are with `first` <= id < `past` in the attached file; counting stops at `most`."""
        shape, given = self._shape(connection, first, past)
        key = ("count", shape)
        if key not in self._statements:
            inner = self._chosen(columns_with(shape.have), shape, [attached_log.c.id]).limit(_LIMIT).subquery()
            self._statements[key] = select(func.count()).select_from(inner)
        found = connection.execute(self._statements[key], {**given, "most": most})
        return int(found.scalar_one())

    def grouped(
        self, connection: Connection, first: int, past: int, by: tuple[str, ...], sums: tuple[str, ...]
    ) -> list[Any]:
        """For each group: the values of `by`, its requests, blocked ones, and the sum of each of `sums`.

        `by` names columns; `step:1000` stands for the row's time in steps of 1,000 milliseconds.
        """
        shape, given = self._shape(connection, first, past)
        key = ("grouped", shape, by, sums)
        if key not in self._statements:
            columns = columns_with(shape.have)
            groups = [_step(name) if name.startswith("step:") else columns[name] for name in by]
            totals = [
                requests(columns["repeats"]),
                func.count().filter(holds(columns["blocked"])),  # one each: what is blocked is never folded
                *(func.sum(columns[name]) for name in sums),
            ]
            self._statements[key] = self._chosen(columns, shape, [*groups, *totals]).group_by(*groups)
        return list(connection.execute(self._statements[key], given).all())

    def counts(
        self, connection: Connection, spans: Sequence[tuple[int, int]], whole: tuple[int, int]
    ) -> list[tuple[int, int]] | None:
        """Requests and blocked ones of each span of ids, all of them in `whole`; None where an index that does not go
        by the ids finds the few rows there are."""
        shape, _ = self._shape(connection, *whole)
        if self._selection.points or shape.index not in {None, "log_blocked"}:
            return None
        key = ("counts", shape)
        if key not in self._statements:
            columns = columns_with(shape.have)
            sums = [requests(columns["repeats"]), func.count().filter(holds(columns["blocked"]))]
            self._statements[key] = self._chosen(columns, shape, sums)
        found = (connection.execute(self._statements[key], {"first": a, "past": b}).one() for a, b in spans)
        return [(int(row[0]), int(row[1])) for row in found]

    def added_up(
        self, connection: Connection, first: int, past: int, distinct: tuple[str, ...], sums: tuple[str, ...]
    ) -> tuple[int, ...]:
        """Requests, blocked ones, the sum of each of `sums`, and how many values each of `distinct` has."""
        shape, given = self._shape(connection, first, past)
        key = ("added up", shape, distinct, sums)
        if key not in self._statements:
            columns = columns_with(shape.have)
            totals = [
                requests(columns["repeats"]),
                func.count().filter(holds(columns["blocked"])),
                *(func.sum(columns[name]) for name in sums),
                *(func.count(func.nullif(columns[name], 0).distinct()) for name in distinct),
            ]
            self._statements[key] = self._chosen(columns, shape, totals)
        found = connection.execute(self._statements[key], given).one()
        return tuple(int(value or 0) for value in found)

    def _newest(self, columns: Columns, shape: Shape, rising: bool) -> Select[Any]:
        wanted = [column.label(name) for name, column in columns.items()]
        order = attached_log.c.id.asc() if rising else attached_log.c.id.desc()
        return self._chosen(columns, shape, wanted).order_by(order).limit(_LIMIT)

    def _rows_statement(self, shape: Shape, rising: bool) -> Select[Any]:
        columns = columns_with(shape.have)
        inner = self._newest(columns, shape, rising).subquery()
        folded = {dimension.column: dimension.table.c.key for dimension in FOLDED}
        source: Any = inner
        for dimension in FOLDED:
            source = source.outerjoin(dimension.table, dimension.table.c.id == inner.c[dimension.column])
        outer = [folded.get(name, inner.c[name]).label(name) for name in columns]
        return select(*outer).select_from(source).order_by(inner.c.id.asc() if rising else inner.c.id.desc())

    def _chosen(self, columns: Columns, shape: Shape, wanted: list[Any]) -> Select[Any]:
        statement = select(*wanted).select_from(attached_log)
        if hint := self._hint(shape.index):
            statement = statement.with_hint(attached_log, hint, "sqlite")
        ids = attached_log.c.id
        if shape.also == _SEATED:
            statement = statement.where(columns["device_id"] == _SEAT)
        elif shape.also:
            statement = statement.where(text(shape.also))
        return statement.where(ids >= _FIRST, ids < _PAST, *self._selection.conditions(columns, shape.index))

    def _hint(self, index: str | None) -> str | None:
        if index is not None:
            return f"INDEXED BY {index}"
        return None if self._selection.points else "NOT INDEXED"

    def _shape(self, connection: Connection, first: int, past: int) -> tuple[Shape, dict[str, int]]:
        """How the attached file is gone through, and what its statement is given.

        PostgreSQL has statistics, and migrations that reach every day: there is nothing to choose or to miss.
        """
        given = {"first": first, "past": past}
        if connection.dialect.name != "sqlite":
            return Shape(_ALL, None), given
        driver: Any = connection.connection.driver_connection
        have = _columns_in(connection)
        packed = SPARED in have
        if not self._selection.points:
            index = self._index(connection, names_in(connection, "index_list"), packed, first, past)
            return Shape(have, index, BY_VERDICT if packed and index == _BY_VERDICT else ""), given
        if not packed or (address := self._selection.points.get("address_id")) is None:
            return Shape(have, None), given
        if (device := device_of(driver, address)) is None:
            return Shape(have, None, BY_ADDRESS), given
        return Shape(have, None, _SEATED), {**given, "seat": device}

    def _index(
        self, connection: Connection, indexes: frozenset[str], packed: bool, first: int, past: int
    ) -> str | None:
        for index in (gone_through(self._selection), "log_blocked" if self._selection.wanted.blocked is True else ""):
            if index in indexes:
                return index
        driver: Any = connection.connection.driver_connection
        for name, numbers in self._selection.sets.items():
            index = f"log_{name}"
            if index not in indexes or (packed and index == _BY_VERDICT and is_met(driver, numbers)):
                continue
            if self._rare(connection, name, BY_VERDICT if packed and index == _BY_VERDICT else None, first, past):
                return index
        return None

    def _rare(self, connection: Connection, name: str, also: str | None, first: int, past: int) -> bool:
        key = ("rare", name, also)
        if key not in self._statements:
            ids = attached_log.c.id
            some = (
                select(ids)
                .with_hint(attached_log, f"INDEXED BY log_{name}", "sqlite")
                .where(one_of(attached_log.c[name], self._selection.sets[name]), ids >= _FIRST, ids < _PAST)
                .limit(RARE)
            )
            if also is not None:
                some = some.where(text(also))
            self._statements[key] = select(func.count()).select_from(some.subquery())
        found = connection.execute(self._statements[key], {"first": first, "past": past})
        return int(found.scalar_one()) < RARE


def gone_through(selection: Selection) -> str:
    """The index of texts that a search reads from one end to the other when it finds nothing; empty for none."""
    if selection.points:
        return ""
    wanted = selection.wanted
    return "log_terms" if wanted.terms is not None else "log_title" if wanted.title is not None else ""


def requests(repeats: ColumnElement[Any]) -> ColumnElement[int]:
    """How many requests rows stand for, when `repeats` is their column; NULL in a file older than that."""
    return func.count() + func.coalesce(func.sum(repeats), 0)


def columns_of(connection: Connection) -> Columns:
    """The columns of the attached file; NULL for those an older file lacks."""
    return columns_with(_ALL if connection.dialect.name != "sqlite" else _columns_in(connection))


def names_in(connection: Connection, pragma: str) -> frozenset[str]:
    """Names of the columns (`table_info`) or the indexes (`index_list`) of the attached `log`."""
    driver: Any = connection.connection.driver_connection  # itself, for each of a hundred files a page may need
    return frozenset(name for (name,) in driver.execute(f"SELECT name FROM pragma_{pragma}('log', 'day')"))


def _columns_in(connection: Connection) -> frozenset[str]:
    """Names of the columns of the attached `log`; days made alike say so by their schema, and are not asked again."""
    driver: Any = connection.connection.driver_connection
    made = driver.execute("SELECT sql FROM day.sqlite_schema WHERE name = 'log'").fetchone()
    if (have := _COLUMNS.get(made)) is None:
        have = _COLUMNS[made] = names_in(connection, "table_info")
    return have


def columns_with(have: frozenset[str]) -> Columns:
    """The columns of a file that has those called `have`; NULL for the others."""
    return {column.name: column if column.name in have else null() for column in attached_log.columns}


def _step(name: str) -> ColumnElement[Any]:
    milliseconds = int(name.partition(":")[2])
    return time_us(attached_log) // literal_column(str(milliseconds * 1000), Integer)
