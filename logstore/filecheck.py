"""One day file held against everything that was said about it.

In come a day file, the catalog, and what the audit trail says of the file; out come problems. It only reads. A sealed
file whose SHA-256 is the one it was sealed with is what it was, so its rows are read only when asked for (`deep`); its
names stand in the catalog and are always looked at. Batches are read one after the other, once for each thing they are
asked, so that of a day of any size only a few are in memory.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy import Connection, func, or_, select

from logstore import chaincheck
from logstore.batches import batch_of, batches_in, end_of, has_chain, rows_in
from logstore.chain import Batch, names_of
from logstore.chaincheck import Problem, Sketch
from logstore.db import SEALING, reading_file
from logstore.dialects import one_of
from logstore.dimensions import FOLDED, Dimension, restored
from logstore.errorwords import without_rows
from logstore.schema import log
from logstore.vouching import CATALOG, Vouching

_BY_COLUMN: Mapping[str, Dimension] = {dimension.column: dimension for dimension in FOLDED}
NAMES = 20_000
"""Names, and batches, whose texts are asked for at a time."""
NAMED = frozenset(_BY_COLUMN)
"""Columns of `log` whose numbers stand for a text in the catalog."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problems(
    path: Path, catalog: Connection, *, known: Sequence[tuple[int, str, str]] = (), sealed: str | None = None,
    deep: bool = True, bounds: Mapping[str, int | None] | None = None, vouching: Vouching | None = None,
) -> Iterator[Problem]:  # fmt: skip
    """What is wrong with the day file at `path`.

    `known`: numbers of batches, the marks they must have, and who says so. `sealed`: the SHA-256 it must have.
    `bounds`: the catalog's `min_id` and `max_id` of it, and after how many `batches`. `vouching` hears
    which names are vouched for.
    """
    file = path.name.removeprefix(SEALING)
    if sealed is not None and (now := sha256_of(_in_force(path, sealed))) != sealed:
        yield Problem(file, f"has the SHA-256 {now}, but was sealed with {sealed}")
        deep = True
    try:
        with reading_file(path) as day:
            day.exec_driver_sql("BEGIN")  # one moment of the file, whoever writes meanwhile
            yield from _contents(file, day, catalog, known, vouching or Vouching(file[:10], {}), deep=deep)
            if bounds is not None and has_chain(day):
                yield from _bounds(file, day, bounds)
    except sqlalchemy.exc.DatabaseError as error:
        if vouching is not None:
            vouching.sound = False
        if path.exists():
            yield Problem(file, f"cannot be read: {without_rows(error)}")


def _in_force(path: Path, sealed: str) -> Path:
    """The sealed file; beside it, when a kill came between the books and the rename."""
    copy = path.with_name(SEALING + path.name)
    return copy if copy.is_file() and sha256_of(copy) == sealed else path


def _contents(
    file: str, day: Connection, catalog: Connection, known: Sequence[tuple[int, str, str]], vouching: Vouching, *,
    deep: bool,
) -> Iterator[Problem]:  # fmt: skip
    if not has_chain(day):
        vouching.sound = False
        yield Problem(file, "has no chain: it is older than that; `schoolgate db upgrade`")
        return
    sketches: list[Sketch] = []
    marks: dict[int, str] = {}
    noted = _noted(file, batches_in(day), {number for number, _, _ in known}, marks, sketches)
    broken = list(chaincheck.links(file, noted))
    for _ in noted:
        pass  # what comes behind a broken link
    if not sketches and not known:
        first = day.execute(select(func.min(log.c.id))).scalar()
        if first is not None:
            vouching.sound = False
            yield Problem(file, "its rows are older than the chain; the next row that comes in takes them under it")
        return
    yield from broken
    vouching.sound = vouching.sound and not broken
    for number, mark, who in known:
        if number not in marks:
            vouching.sound = False
            yield Problem(file, f"ends before batch {number}, which {who} knows", number)
        elif number and marks[number] != mark:
            yield Problem(file, f"is not the batch that {who} knows", number)
    if deep:
        found = rows_in(day, chaincheck.widest(sketches))
        yield from chaincheck.rows_of(file, sketches, lambda one: batch_of(day, one.number), found)
    yield from _names(file, day, catalog, vouching)


def _noted(
    file: str, batches: Iterable[Batch], wanted: Set[int], marks: dict[int, str], sketches: list[Sketch]
) -> Iterator[Batch]:
    for batch in batches:
        sketches.append(chaincheck.sketch(file, batch))
        if batch.number in wanted:
            marks[batch.number] = batch.mark.hex()
        yield batch


def _names(file: str, day: Connection, catalog: Connection, vouching: Vouching) -> Iterator[Problem]:
    """What is wrong with the names that batches vouch for; of one they vouch for twice it is said once."""
    said: set[Problem] = set()
    for some in _some(batches_in(day)):
        yield from chaincheck.names(file, some, texts_of(catalog, some))
        numbers = named(some)
        vouching.met(numbers)
        for problem in unfound(file[:10], catalog, numbers):
            if problem not in said:
                said.add(problem)
                yield problem


def _some(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Batches in portions of some `NAMES` names, or as many batches."""
    some: list[Batch] = []
    names = 0
    for batch in batches:
        some.append(batch)
        names += 1 + len(batch.hints) // 2 - batch.rows
        if names >= NAMES:
            yield some
            some, names = [], 0
    yield some


def _bounds(file: str, day: Connection, bounds: Mapping[str, int | None]) -> Iterator[Problem]:
    """Whether searches in texts, which go from the lowest to the highest id, see every row."""
    if bounds["batches"] != end_of(day, file).number:
        return  # the catalog has not heard of every batch yet
    first, last = day.execute(select(func.min(log.c.id), func.max(log.c.id))).one()
    low, high = bounds["min_id"], bounds["max_id"]
    if first is not None and (low is None or high is None or first < low or last > high):
        yield Problem(
            file, f"has records {first} to {last}, the catalog says {low} to {high}: searches miss the others"
        )


def unfound(day: str, catalog: Connection, wanted: Mapping[str, set[int]]) -> Iterator[Problem]:
    """Names a day uses whose first and last day, which bound a search for them, leave it out."""
    for column, numbers in wanted.items():
        if column not in _BY_COLUMN:
            continue
        names = _BY_COLUMN[column].table.c
        missed = catalog.execute(
            select(names.id, names.first_day, names.last_day)
            .where(one_of(names.id, sorted(numbers)), or_(names.first_day > day, names.last_day < day))
            .order_by(names.id)
        )
        for number, first, last in missed:
            what = f"{column} {number}: is used on {day}, but is searched for from {first} to {last} only"
            yield Problem(CATALOG, what)


def texts_of(catalog: Connection, batches: Sequence[Batch]) -> dict[tuple[str, int], str | bytes]:
    """The names that batches vouch for, as the catalog has them now."""
    return names_with(catalog, ((column, number) for column, of_one in named(batches).items() for number in of_one))


def names_with(catalog: Connection, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str | bytes]:
    """The text behind each column of `log` and number, as the catalog has it now; those it lacks are left out."""
    found: dict[tuple[str, int], str | bytes] = {}
    for column, pairs in itertools.groupby(sorted(wanted), key=lambda name: name[0]):
        if column in _BY_COLUMN:
            table = _BY_COLUMN[column].table
            numbers = [number for _, number in pairs]
            texts = catalog.execute(select(table.c.id, table.c.key).where(one_of(table.c.id, numbers)))
            found |= {(column, number): text for number, text in texts}
    return found


def named(batches: Sequence[Batch]) -> dict[str, set[int]]:
    """The names that batches vouch for, by column."""
    wanted: dict[str, set[int]] = {}
    for batch in batches:
        try:
            for column, number in names_of(batch):
                wanted.setdefault(column, set()).add(number)
        except ValueError:  # told by whoever checks the batch
            continue
    return wanted


def misleading(catalog: Connection) -> Iterator[Problem]:
    """Names whose other columns, which searches look at, are not what their text says."""
    for dimension in FOLDED:
        if dimension.derive is None:
            continue
        for row in catalog.execute(select(dimension.table)).mappings():
            told = {str(name): restored(value) for name, value in row.items()}
            wrong = [name for name, value in dimension.derived(told["key"]).items() if value != told[name]]
            if wrong:
                what = f"{dimension.column} {told['id']}: {', '.join(wrong)} changed; searches by it mislead"
                yield Problem(CATALOG, what)
