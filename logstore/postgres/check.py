"""Is the record in PostgreSQL what was written? Its audit trail, its days, their rows and names, rows without a day.

In comes a database; out go problems in words, or a `Verified`. The rules are those of `logstore.verify`: the trail is
believed only after it was checked itself; a day it or the catalog knows must be there, or the trail must say that
retention removed it. Gateways that check at the same time take different days.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from logstore import audit, evidence, holdproof, sumcheck
from logstore.chaincheck import Problem
from logstore.db import head, open_catalog
from logstore.filecheck import misleading
from logstore.gapcheck import may_go, too_early
from logstore.nightly import Turns
from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.daycheck import look, may_read_rows, moment
from logstore.postgres.days import AHEAD, missing_ahead, present, stray_rows
from logstore.postgres.db import VERSION_TABLES, reading, revision_of
from logstore.schema import day_file
from logstore.source import ids_of
from logstore.verified import Verified
from logstore.vouching import Learned, learned

MOST = 1_000
"""Problems named at most; more of them say nothing more."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(database: Database, today: datetime) -> tuple[str, ...]:
    """What keeps the record from being used or kept as it should; `today` is aware."""
    behind = [tree for tree in VERSION_TABLES if revision_of(database, tree) != head(tree)]
    if behind:
        return (f"the schema of {', '.join(behind)} is not the newest: `schoolgate db upgrade` as the record's owner",)
    problems = [str(problem) for problem in verify(database, seconds=0, now=today).problems]
    if stray := stray_rows(database):
        problems.append(f"{stray:,} rows lie outside every day: their partition was missing when they came")
    if missing := missing_ahead(database, today):
        first = f"{missing[0]:%Y-%m-%d}"
        problems.append(f"{len(missing)} of the {AHEAD} days ahead have no partition yet, the first is {first}")
    return tuple(problems)


def verify(
    database: Database, *, kept: tuple[int, str] | None = None, day: str | None = None,
    seconds: float = float("inf"), at: datetime | None = None, now: datetime | None = None, months: int = 1,
    sums: bool = False, wrong: Sequence[str] = (),
) -> Verified:  # fmt: skip
    """Check the audit trail and, until `seconds` are over, each day: `logstore.verify` of a database."""
    turns = Turns(seconds, wrong)
    report = Verified()
    with reading(database) as catalog:
        with moment(catalog):
            broken, report.lines = audit.verify(catalog, kept), audit.count(catalog)
            number, mark = audit.head(catalog)
            told = evidence.told(catalog)
        report.head = f"{number}:{mark}"
        if broken is not None:
            what = "was changed, taken out, or is not the one whose head was kept"
            report.problems.append(Problem("audit trail", f"line {broken} {what}"))
        there, contents = present(database), may_read_rows(catalog)
        names = Learned()
        gaps = list(_gaps(catalog, there, told, day, months, now or at))
        report.problems += gaps
        if day is None and seconds > 0:
            report.problems += misleading(catalog) if contents else ()
            report.problems += holdproof.problems(database)
        order = select(day_file.c.file, day_file.c.day).where(day_file.c.state == "open", day_file.c.file.in_(there))
        if day is not None:
            order = order.where(day_file.c.day == day)
        days = catalog.execute(order.order_by(func.coalesce(day_file.c.verified_us, 0), day_file.c.file)).all()
        if contents and seconds > 0:
            with moment(catalog):
                # Of a partition that is no day of the record it is said once, and not again for each of its names.
                known = {_day_of(name) for name in (*told.files(), *(gap.where for gap in gaps if gap.where in there))}
                names = learned(catalog, [its_day for _, its_day in days], gone=known, every=day is None)
            report.problems += names.strange
        for file, its_day in sorted(days, key=lambda one: turns.place([one.file])):
            if not turns.begins([file]):
                report.left.append(file)
                continue
            with _turn(catalog, its_day, wait=at is None) as ours:
                vouching = names.on(its_day)
                found = look(catalog, file, told, contents=contents, most=MOST, vouching=vouching) if ours else None
                if not ours:
                    report.left.append(file)
                    report.elsewhere.append(file)
                if found is None:
                    continue
                report.looked_at(file, found.problems)
                report.unread += [] if contents else [file]
                report.rows += found.rows
                if at is not None and contents and not found.problems:
                    _note(database, file, at)
        if sums and contents:
            looked = set(report.files)
            report.problems += sumcheck.problems(database, [its_day for file, its_day in days if file in looked])
    del report.problems[MOST:]
    return report


@contextlib.contextmanager
def _turn(catalog: Connection, day: str, *, wait: bool) -> Iterator[bool]:
    """Be the only one who checks a day at night; whoever asks by hand (`wait`) asks nobody."""
    if wait:
        yield True
        return
    key = f"({locks.CHECK}, {day.replace('-', '')})"
    if not catalog.exec_driver_sql(f"SELECT pg_try_advisory_lock{key}").scalar():
        yield False
        return
    try:
        yield True
    finally:
        catalog.exec_driver_sql(f"SELECT pg_advisory_unlock{key}")


def _gaps(
    catalog: Connection, there: Mapping[str, date], told: evidence.Told, day: str | None, months: int,
    now: datetime | None,
) -> Iterator[Problem]:  # fmt: skip
    """Days that are not there and should be, or are there and should not, and days that went before their time."""
    books = {row.file: row for row in catalog.execute(select(day_file))}
    known = {name.partition("/")[0] for name in told.files()}
    for file in sorted({*books, *known}):
        row = books.get(file)
        its_day = _day_of(file)
        if day not in (None, its_day):
            continue
        if row is None:
            yield Problem(file, "the audit trail knows it, the catalog does not")
            continue
        if row.day != its_day:
            yield Problem(file, f"the catalog says it is of {row.day}; searches by time miss it")
        if row.state == "open" and file not in there and row.rows:
            if _is_missing(catalog, file):
                yield Problem(file, "the partition is missing, and nothing says that retention removed it")
        elif row.state == "dropped" and file in there:
            yield Problem(file, "retention removed it, and it is there again")
        elif row.state == "dropping" and (now is None or not may_go(its_day, now, months)):
            yield Problem(file, "the catalog says that retention removes it, but it is not due")
        elif row.state == "dropped" and (row.rows or file in known) and file not in told.removed:
            yield Problem(file, "the catalog says that retention removed it, but the audit trail does not")
        yield from too_early(file, its_day, told, months, now)
    for file in sorted(there.keys() - books.keys() - known):
        some = "SELECT EXISTS (SELECT id FROM log WHERE id >= %s AND id < %s)"
        if day is None and catalog.exec_driver_sql(some, ids_of(there[file].isoformat())).scalar():
            yield Problem(file, "has rows and is not in the catalog: they were put there behind the record's back")


def _day_of(file: str) -> str:
    """The day of a partition, or of a chain in it, by its name."""
    return f"{file[4:8]}-{file[8:10]}-{file[10:12]}"


def _is_missing(catalog: Connection, file: str) -> bool:
    """Whether a day that is open has no partition now: one may have been made, or removed, since it was looked for."""
    state = catalog.execute(select(day_file.c.state).where(day_file.c.file == file)).scalar()
    return state == "open" and catalog.exec_driver_sql("SELECT to_regclass(%s)", (file,)).scalar() is None


def _note(database: Database, file: str, at: datetime) -> None:
    engine = open_catalog(database)
    try:
        with engine.begin() as catalog:
            when = (at - _EPOCH) // timedelta(microseconds=1)
            catalog.execute(day_file.update().where(day_file.c.file == file).values(verified_us=when))
    finally:
        engine.dispose()
