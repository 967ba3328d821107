"""An error in words that name nobody, for the log, a status, the audit trail or whoever typed a command.

In comes an exception, out goes a line. A database quotes in its errors what it was given: a row, a name, what somebody
searched for. Those texts are read, kept and sent about by other rules than the record (design §5.9). So of a driver's
error the kind and the number are told, and what the server says it was about that our schema named: table, column,
constraint; where it only says so in words, those of our own names that are among them. The rule: a driver's own words
only where they are of the file or the connection, and never of a statement.
"""

from __future__ import annotations

import sqlite3

import sqlalchemy.exc

from logstore.ournames import ours_in

_DRIVERS = frozenset(("psycopg", "sqlite3", "clickhouse_connect", "chdb"))
_OF_STATEMENT = frozenset(("SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_RANGE", "SQLITE_MISUSE", "SQLITE_TOOBIG"))
"""What SQLite calls an error of a statement, whose words it quotes; all others are of the file or the schema."""
_ABOUT = ("table_name", "column_name", "constraint_name")
_IN_WORDS = frozenset(("42501", "42P01", "42883", "55P03"))
"""What PostgreSQL tells only in words what it is about: a right, a table or a function that is missing, a lock. Not a
column that is missing: its words begin with it, and it may be called as a table of ours is (`place`, `entry`)."""
_NO_FUNCTION = "42883"
"""Then no other name of ours is meant: what was called may be called as a table is."""
_LONGEST = 300


def in_words(error: BaseException) -> str:
    """An error for what stands beside the row itself: also what our own code, or Python, says of a value."""
    if isinstance(error, sqlalchemy.exc.StatementError) or _is_of_driver(error):
        return without_rows(error)
    return f"{type(error).__name__}: {error}"[:_LONGEST]


def without_rows(error: BaseException) -> str:
    """An error for everywhere else: what a statement failed with, in no words of the driver, which may quote a row or
    what somebody searched for. Words are told of what is ours or the system's, and of a connection: where no statement
    was, and the server gave no number."""
    if isinstance(error, sqlalchemy.exc.StatementError):
        kind, cause = type(error).__name__, error.orig
        if cause is None or (error.statement is None and not _number(cause)):
            return f"{kind}: {cause}"[:_LONGEST] if cause is not None else kind
        return f"{kind}: {_of_driver(cause)}"
    if _is_of_driver(error):
        said, kind = _of_driver(error), type(error).__name__
        return said if said.startswith(kind) else f"{kind}: {said}"
    ours = type(error).__module__.startswith(f"{__package__}.")
    if ours or isinstance(error, OSError | sqlalchemy.exc.SQLAlchemyError):
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return type(error).__name__


def _is_of_driver(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _DRIVERS


def _of_driver(error: BaseException) -> str:
    """An error as a driver raised it: its kind, and what is nobody's data."""
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", None)
        if name is not None and name not in _OF_STATEMENT:
            return str(error)[:_LONGEST]
    about = [f"{what.removesuffix('_name')} {told}" for what in _ABOUT if (told := _told_of(error, what))]
    if not about and _number(error) in _IN_WORDS:
        about = ours_in(str(_told_of(error, "message_primary")))
        if _number(error) == _NO_FUNCTION:
            about = [name for name in about if name.startswith("function ")]
    said = ", ".join([*filter(None, [_number(error)]), *about])
    if said:
        return f"{type(error).__name__} ({said})"
    first = error
    while (before := first.__cause__ or first.__context__) is not None:
        first = before
    return type(error).__name__ if first is error else f"{type(error).__name__} ({type(first).__name__})"


def _told_of(error: BaseException, what: str) -> object:
    """What PostgreSQL says an error is about; nothing of the other drivers."""
    return getattr(getattr(error, "diag", None), what, None)


def _number(error: BaseException) -> str:
    """What a driver calls the error; nothing where it has no name for it."""
    number = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if number is None and isinstance(code := getattr(error, "code", None), int):  # ClickHouse's; SQLAlchemy's is a text
        number = code
    return str(number) if number else ""
