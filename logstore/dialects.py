"""What two engines say in different words, said once: the rest of a search is the same statement for both.

In come columns and values; out go SQLAlchemy elements that compile for SQLite and for PostgreSQL. The rule: the same
rows are found, whatever the engine. Case is ignored for the letters a to z only; texts are compared byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Integer, Text, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator

from logstore.cleaning import spelt
from logstore.dimensions import stored


class _Stored(TypeDecorator[str]):
    """A text as the engine holds it: SQLite takes what is no Unicode as bytes, PostgreSQL not at all."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return stored(value) if dialect.name == "sqlite" else spelt(value)


def exact(value: str) -> ColumnElement[str]:
    """A text to compare a column with."""
    return literal(value, _Stored())


def one_of(place: ColumnElement[Any], ids: Iterable[int]) -> ColumnElement[bool]:
    """Whether `place` is one of many numbers; how many is no matter to the statement."""
    return _OneOf(place, bindparam(None, ",".join(map(str, ids)), Text))


def none_of(place: ColumnElement[Any], ids: Iterable[int]) -> ColumnElement[bool]:
    """Whether `place` is none of many numbers, or nothing at all."""
    return _NoneOf(place, bindparam(None, ",".join(map(str, ids)), Text))


def like(place: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    r"""Whether a text fits a pattern of `%` and `_`; `\` takes their meaning away."""
    return _Like(place, bindparam(None, spelt(pattern), Text))


def listed(place: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """Whether a JSON list of texts holds `value`."""
    return _Listed(place, exact(value))


def holds(place: ColumnElement[Any], value: bool = True) -> ColumnElement[bool]:
    """Whether a yes or no is `value`, in the words of the indexes' conditions."""
    return _Yes(place) if value else _No(place)


def unindexed(place: ColumnElement[Any]) -> ColumnElement[Any]:
    """`place`, so that SQLite uses no index for it; PostgreSQL has statistics and chooses itself."""
    return _Unindexed(place)


def bytewise(place: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text in the order of its bytes, whatever language a database sorts in; SQLite knows no other."""
    return _Bytewise(place)


class _Condition(FunctionElement[bool]):
    # A Boolean would be compared with 1 for SQLite, and its indexes not be found.
    type = NullType()  # type: ignore[assignment]
    inherit_cache = True


class _OneOf(_Condition):
    inherit_cache = True


class _NoneOf(_Condition):
    inherit_cache = True


class _Like(_Condition):
    inherit_cache = True


class _Listed(_Condition):
    inherit_cache = True


class _Yes(_Condition):
    inherit_cache = True


class _No(_Condition):
    inherit_cache = True


class _Unindexed(FunctionElement[int]):
    type = Integer()
    inherit_cache = True


class _Bytewise(FunctionElement[str]):
    type = Text()
    inherit_cache = True


def _say(element: type[FunctionElement[Any]], sqlite: str, postgresql: str, clickhouse: str | None = None) -> None:
    """How an element is written in each engine; `{0}` and `{1}` are what it was made of."""

    def writer(words: str) -> Any:
        def write(element: FunctionElement[Any], compiler: Any, **more: Any) -> str:
            return words.format(*(compiler.process(clause, **more) for clause in element.clauses))

        return write

    compiles(element, "sqlite")(writer(sqlite))
    compiles(element, "postgresql")(writer(postgresql))
    if clickhouse is not None:
        compiles(element, "clickhousedb")(writer(clickhouse))


_say(
    _OneOf,
    "{0} IN (SELECT value FROM json_each('[' || {1} || ']'))",
    # Not from '{…}': the planner does not read that beforehand, and each row would be held against each number.
    "{0} = ANY (CAST(string_to_array({1}, ',') AS int[]))",
    "{0} IN (SELECT arrayJoin(arrayMap(one -> toUInt32(one), splitByChar(',', {1}))))",
)
_say(
    _NoneOf,
    "({0} IS NULL OR {0} NOT IN (SELECT value FROM json_each('[' || {1} || ']')))",
    "({0} IS NULL OR NOT {0} = ANY (CAST(string_to_array({1}, ',') AS int[])))",
    "({0} IS NULL OR {0} NOT IN (SELECT arrayJoin(arrayMap(one -> toUInt32(one), splitByChar(',', {1})))))",
)
_say(_Like, r"{0} LIKE {1} ESCAPE '\'", r"{0} ILIKE {1} ESCAPE '\'", "lower({0}) LIKE lower({1})")
_say(_Listed, "EXISTS (SELECT 1 FROM json_each({0}) WHERE value = {1})", "jsonb_exists(CAST({0} AS jsonb), {1})")
_say(_Yes, "{0} = 1", "{0}", "{0}")
_say(_No, "{0} = 0", "NOT {0}", "NOT {0}")
_say(_Unindexed, "{0} + 0", "{0}", "{0}")
_say(_Bytewise, "{0}", '{0} COLLATE "C"')
