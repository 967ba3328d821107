"""One day of the record in PostgreSQL held against everything that was said about it.

In come a catalog connection, a day, and what the audit trail says of its chains; out come its rows' number and
problems. The rules: books, batches and rows are read as they were at one moment, so that rows on their way are no
problem; an account that may not read rows (an auditor's) checks which there are, not what is in them, and says so.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from logstore import chaincheck, evidence
from logstore.chain import Batch
from logstore.chaincheck import Problem, Sketch
from logstore.filecheck import named, texts_of, unfound
from logstore.postgres import chains
from logstore.schema import day_file
from logstore.source import ids_of
from logstore.vouching import Vouching


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


def look(
    catalog: Connection, file: str, told: evidence.Told, *, contents: bool, most: int, vouching: Vouching
) -> Looked | None:
    """What is wrong with a day; None when retention removed it meanwhile. At most about `most` problems are named.

    `contents`: whether this account may read rows. `vouching`: the day's names as they were a moment before.
    `catalog` is a reading connection outside any transaction.
    """
    with moment(catalog):
        row = catalog.execute(select(day_file).where(day_file.c.file == file, day_file.c.state == "open")).first()
        if row is None or catalog.exec_driver_sql("SELECT to_regclass(%s)", (file,)).scalar() is None:
            return None
        found = Looked()
        for problem in _problems(catalog, row, told, found, vouching, contents=contents):
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
    catalog: Connection, book: Any, told: evidence.Told, found: Looked, vouching: Vouching, *, contents: bool
) -> Iterator[Problem]:
    file, whole = book.file, book.batches is not None
    sketches: list[Sketch] = []
    for problem in _chains(catalog, file, told, sketches):
        vouching.sound = False
        yield problem
    vouching.sound = vouching.sound and len(sketches) == book.batches
    if whole and len(sketches) != book.batches:
        yield Problem(file, f"has {len(sketches):,} batches; the catalog knows of {book.batches:,}")
    if not whole and any(name.startswith(f"{file}/") for name in told.ends):
        yield Problem(file, "the catalog says its rows are older than its chains; the audit trail knows them")
    first, past = ids_of(book.day)
    form = chaincheck.widest(sketches)
    there = chains.rows_in(catalog, form, first, past) if contents else chains.ids_in(catalog, first, past)
    rows = _counted(there, found)
    sound = True
    for problem in chaincheck.rows_of(
        file,
        sketches,
        lambda one: chains.batch_of(catalog, one.chain, one.number),
        rows,
        contents=contents,
        whole=whole,
    ):
        sound = False
        yield problem
    if sound and found.rows != book.rows:
        yield Problem(file, f"has {found.rows:,} rows; the catalog counted {book.rows:,}")
    if contents:
        yield from _names(catalog, file, book.day, vouching)
        yield from vouching.problems()


def _chains(catalog: Connection, file: str, told: evidence.Told, sketches: list[Sketch]) -> Iterator[Problem]:
    """Whether each chain is whole, and goes as far as the audit trail has seen it go; adds what it read in sketches."""
    awaited = {name: seen for name, seen in told.ends.items() if name.startswith(f"{file}/")}
    for name, batches in chains.each_chain(catalog, file):
        seen, marks = awaited.pop(name, ()), dict[int, str]()
        noted = _noted(name, batches, {number for number, _, _ in seen}, marks, sketches)
        yield from chaincheck.links(name, noted)
        for _ in noted:
            pass  # what comes behind a broken link
        yield from _seen(name, seen, marks)
    for name, seen in awaited.items():
        yield from _seen(name, seen, {})


def _noted(
    name: str, batches: Iterable[Batch], wanted: Set[int], marks: dict[int, str], sketches: list[Sketch]
) -> Iterator[Batch]:
    for batch in batches:
        sketches.append(chaincheck.sketch(name, batch))
        if batch.number in wanted:
            marks[batch.number] = batch.mark.hex()
        yield batch


def _seen(name: str, seen: Iterable[tuple[int, str, int]], marks: Mapping[int, str]) -> Iterator[Problem]:
    for number, mark, line in seen:
        if number not in marks:
            yield Problem(name, f"ends before batch {number}, which line {line} of the audit trail knows", number)
        elif marks[number] != mark:
            yield Problem(name, f"is not the batch that line {line} of the audit trail knows", number)


def _names(catalog: Connection, file: str, day: str, vouching: Vouching) -> Iterator[Problem]:
    """The names that batches vouch for: some batches' at a time, and what is wrong with one is said once."""
    said: set[Problem] = set()
    for name, batches in chains.each_chain(catalog, file):
        for some in itertools.batched(batches, chains.AT_A_TIME, strict=False):
            yield from chaincheck.names(name, some, texts_of(catalog, some))
            numbers = named(some)
            vouching.met(numbers)
            for problem in unfound(day, catalog, numbers):
                if problem not in said:
                    said.add(problem)
                    yield problem


def _counted(rows: Iterable[Sequence[Any]], found: Looked) -> Iterator[Sequence[Any]]:
    for row in rows:
        found.rows += 1
        yield row
