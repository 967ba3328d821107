"""An error in words: with what it says, or so that the log of the service names nobody.

In comes an exception, out goes a line. A database quotes in its errors what it was given: a row, a name, what somebody
searched for. That may stand where rows may (a quarantine, a status that staff look at); the log of the service is read,
kept and sent about by other rules than the record (design §5.9).
"""

from __future__ import annotations

import sqlalchemy.exc


def in_words(error: Exception) -> str:
    """An error for status and quarantine. SQLAlchemy's own words would quote the rows."""
    if isinstance(error, sqlalchemy.exc.StatementError):
        return f"{type(error).__name__}: {error.orig}"[:300]
    return f"{type(error).__name__}: {error}"[:300]


def without_rows(error: Exception) -> str:
    """An error for the log of the service: what a statement failed with, in no words of the driver, which may quote a
    row or what somebody searched for. Words are told of what is ours or the system's, and of a connection: where no
    statement was, and the server gave no number."""
    if isinstance(error, sqlalchemy.exc.StatementError):
        number = _number(error.orig)
        if error.statement is not None or number:
            return f"{type(error).__name__}: {type(error.orig).__name__}{number}"
        return in_words(error)
    if number := _number(error):
        return f"{type(error).__name__}{number}"
    ours = type(error).__module__.startswith(f"{__package__}.")
    if ours or isinstance(error, OSError | sqlalchemy.exc.SQLAlchemyError):
        return in_words(error)
    return type(error).__name__


def _number(error: BaseException | None) -> str:
    """What a driver calls the error, in brackets; nothing where it has no name for it."""
    number = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if number is None and isinstance(code := getattr(error, "code", None), int):  # ClickHouse's; SQLAlchemy's is a text
        number = code
    return f" ({number})" if number else ""
