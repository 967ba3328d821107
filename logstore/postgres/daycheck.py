"""One day of the record in PostgreSQL held against everything that was said about it.

In come a catalog connection, a day, and what the audit trail says of its chains; out come its rows' number and
problems. The rules: books, batches and rows are read as they were at one moment, so that rows on their way are no
problem; an account that may not read rows (an auditor's) checks which there are, not what is in them, and says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from logstore import chaincheck, evidence
from logstore.chain import Batch
from logstore.chaincheck import Problem
from logstore.filecheck import named, texts_of, unfound
from logstore.postgres import chains
from logstore.schema import day_file
from logstore.source import ids_of


@dataclass(slots=True)
class Looked:
    """What was found in a day."""

    rows: int = 0
    """Rows that are there."""
    problems: list[Problem] = field(default_factory=list)
    """What is not as it was written."""


def may_read_rows(catalog: Connection) -> bool:
    """Whether this account sees rows whole, and the names they use."""
    asked = "SELECT has_table_privilege('log', 'SELECT') AND has_table_privilege('dim_user', 'SELECT')"
    return bool(catalog.exec_driver_sql(asked).scalar())


def look(catalog: Connection, file: str, told: evidence.Told, *, contents: bool, most: int) -> Looked | None:
    """What is wrong with a day; None when retention removed it meanwhile. At most about `most` problems are named.

    `contents`: whether this account may read rows. `catalog` is a reading connection outside any transaction.
    """
    with moment(catalog):
        row = catalog.execute(select(day_file).where(day_file.c.file == file, day_file.c.state == "open")).first()
        if row is None or catalog.exec_driver_sql("SELECT to_regclass(%s)", (file,)).scalar() is None:
            return None
        found = Looked()
        for problem in _problems(catalog, row, told, found, contents=contents):
            found.problems.append(problem)
            if len(found.problems) >= most:
                break
        return found


@contextlib.contextmanager
def moment(catalog: Connection) -> Iterator[None]:
    """Everything that is read within is as it was at one moment."""
    catalog.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        catalog.exec_driver_sql("ROLLBACK")


def _problems(
    catalog: Connection, book: Any, told: evidence.Told, found: Looked, *, contents: bool
) -> Iterator[Problem]:
    file, known = book.file, chains.batches_of(catalog, book.file)
    whole = book.batches is not None
    yield from _chains(file, known, told)
    batches = [batch for of_one in known.values() for batch in of_one]
    if whole and len(batches) != book.batches:
        yield Problem(file, f"has {len(batches):,} batches; the catalog knows of {book.batches:,}")
    if not whole and any(name.startswith(f"{file}/") for name in told.ends):
        yield Problem(file, "the catalog says its rows are older than its chains; the audit trail knows them")
    first, past = ids_of(book.day)
    rows = chains.rows_in(catalog, chaincheck.widest(batches), first, past) if contents else None
    rows = rows or chains.ids_in(catalog, first, past)
    sound = True
    for problem in chaincheck.rows_of(file, known, _counted(rows, found), contents=contents, whole=whole):
        sound = False
        yield problem
    if sound and found.rows != book.rows:
        yield Problem(file, f"has {found.rows:,} rows; the catalog counted {book.rows:,}")
    if contents:
        for name, of_one in known.items():
            yield from chaincheck.names(name, of_one, texts_of(catalog, of_one))
        yield from unfound(book.day, catalog, named(batches))


def _chains(file: str, known: Mapping[str, Sequence[Batch]], told: evidence.Told) -> Iterator[Problem]:
    """Whether each chain is whole, and goes as far as the audit trail has seen it go."""
    for name, batches in known.items():
        yield from chaincheck.links(name, batches)
    for name, seen in told.ends.items():
        if not name.startswith(f"{file}/"):
            continue
        marks = {batch.number: batch.mark.hex() for batch in known.get(name, ())}
        for number, mark, line in seen:
            if number not in marks:
                yield Problem(name, f"ends before batch {number}, which line {line} of the audit trail knows", number)
            elif marks[number] != mark:
                yield Problem(name, f"is not the batch that line {line} of the audit trail knows", number)


def _counted(rows: Iterable[Sequence[Any]], found: Looked) -> Iterator[Sequence[Any]]:
    for row in rows:
        found.rows += 1
        yield row
