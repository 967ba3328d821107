"""Is the record in PostgreSQL what its books say? Its days, their rows, the audit trail, and rows without a day.

In comes a database; out go problems in words, or a `Verified`. The rule: a day's rows and what the catalog counts of
them are read in one statement, so that rows on their way are no problem. Rows have no chain here: one that was changed
in place does not show, one that was taken out or slipped in does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from logstore import audit, evidence, holdproof
from logstore.chaincheck import Problem
from logstore.db import head, open_catalog
from logstore.place import Database
from logstore.postgres.days import AHEAD, missing_ahead, present, stray_rows
from logstore.postgres.db import VERSION_TABLES, reading, revision_of
from logstore.schema import day_file, retention_run
from logstore.source import ids_of
from logstore.verified import Verified

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(database: Database, today: datetime) -> tuple[str, ...]:
    """What keeps the record from being used or kept as it should; `today` is aware."""
    behind = [tree for tree in VERSION_TABLES if revision_of(database, tree) != head(tree)]
    if behind:
        return (f"the schema of {', '.join(behind)} is not the newest: `schoolgate db upgrade` as the record's owner",)
    problems = [str(problem) for problem in verify(database, seconds=0).problems]
    if stray := stray_rows(database):
        problems.append(f"{stray:,} rows lie outside every day: their partition was missing when they came")
    if missing := missing_ahead(database, today):
        first = f"{missing[0]:%Y-%m-%d}"
        problems.append(f"{len(missing)} of the {AHEAD} days ahead have no partition yet, the first is {first}")
    return tuple(problems)


def verify(
    database: Database, *, kept: tuple[int, str] | None = None, day: str | None = None,
    seconds: float = float("inf"), at: datetime | None = None,
) -> Verified:  # fmt: skip
    """Check the audit trail and, until `seconds` are over, count each day's rows: `logstore.verify` of a database."""
    until = time.monotonic() + seconds
    report = Verified()
    with reading(database) as catalog:
        catalog.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            broken, report.lines = audit.verify(catalog, kept), audit.count(catalog)
            number, mark = audit.head(catalog)
            told = evidence.told(catalog)
        finally:
            catalog.exec_driver_sql("ROLLBACK")
        report.head = f"{number}:{mark}"
        if broken is not None:
            what = "was changed, taken out, or is not the one whose head was kept"
            report.problems.append(Problem("audit trail", f"line {broken} {what}"))
        there = present(database)
        report.problems += _gaps(catalog, there, frozenset(told.removed), day)
        if day is None and seconds > 0:
            report.problems += holdproof.problems(database)
        order = select(day_file.c.file).where(day_file.c.state == "open", day_file.c.file.in_(there))
        if day is not None:
            order = order.where(day_file.c.day == day)
        for file in catalog.execute(
            order.order_by(func.coalesce(day_file.c.verified_us, 0), day_file.c.file)
        ).scalars():
            if time.monotonic() > until:
                report.left.append(file)
                continue
            found = _counted(catalog, file)
            if found is None:
                continue
            rows, noted = found
            report.files.append(file)
            report.rows += rows
            if rows != noted:
                report.problems.append(Problem(file, f"has {rows:,} rows; the catalog counted {noted:,}"))
            elif at is not None:
                _note(database, file, at)
    return report


def _counted(catalog: Connection, file: str) -> tuple[int, int] | None:
    """A day's rows, and how many the catalog knows of; None when retention removed it meanwhile."""
    if catalog.exec_driver_sql("SELECT to_regclass(%s)", (file,)).scalar() is None:
        return None
    low, past = ids_of(f"{file[4:8]}-{file[8:10]}-{file[10:]}")
    query = (
        "SELECT (SELECT count(*) FROM log WHERE id >= %s AND id < %s), rows FROM day_file "
        "WHERE file = %s AND state = 'open'"
    )
    found = catalog.exec_driver_sql(query, (low, past, file)).first()
    return None if found is None else (int(found[0]), int(found[1]))


def _gaps(
    catalog: Connection, there: Mapping[str, date], removed: frozenset[str], day: str | None
) -> Iterator[Problem]:
    """Days that are not there and should be, or are there and should not."""
    kept_from = catalog.execute(select(func.max(retention_run.c.kept_from))).scalar() or ""
    books = {row.file: row for row in catalog.execute(select(day_file))}
    for file, row in sorted(books.items()):
        if day not in (None, row.day):
            continue
        if row.state == "open" and file not in there and row.rows and row.day >= kept_from:
            yield Problem(file, "the partition is missing, and nothing says that retention removed it")
        elif row.state == "dropped" and file in there:
            yield Problem(file, "retention removed it, and it is there again")
        elif row.state == "dropping" and row.day >= kept_from:
            yield Problem(file, "the catalog says that retention removes it, but it is not due")
        elif row.state == "dropped" and row.rows and file not in removed:
            yield Problem(file, "the catalog says that retention removed it, but the audit trail does not")
    for file in sorted(there.keys() - books.keys()):
        some = "SELECT EXISTS (SELECT id FROM log WHERE id >= %s AND id < %s)"
        if day is None and catalog.exec_driver_sql(some, ids_of(there[file].isoformat())).scalar():
            yield Problem(file, "has rows and is not in the catalog: they were put there behind the record's back")


def _note(database: Database, file: str, at: datetime) -> None:
    engine = open_catalog(database)
    try:
        with engine.begin() as catalog:
            when = (at - _EPOCH) // timedelta(microseconds=1)
            catalog.execute(day_file.update().where(day_file.c.file == file).values(verified_us=when))
    finally:
        engine.dispose()
