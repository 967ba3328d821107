"""Is the record in ClickHouse what was written? As far as that can be known without a chain of its rows.

In comes a record; out go problems in words, or a `Verified`. The audit trail and the holds are checked as everywhere.
Of rows it is known how many each day has, and that a day is missing, or back, or has rows nobody counted; not what is
in them. The rule: what is counted is counted while no batch is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from logstore import audit, evidence, holdproof
from logstore.chaincheck import Problem
from logstore.clickhouse.books import PREFIX, no_batch
from logstore.clickhouse.days import present
from logstore.clickhouse.db import reading, revision_of_rows
from logstore.clickhouse.partitions import rows_of
from logstore.db import catalog_path, head, open_catalog, revision_of
from logstore.db import reading as reading_catalog
from logstore.filecheck import misleading
from logstore.gapcheck import GOING, may_go, too_early
from logstore.nightly import Turns
from logstore.place import ClickHouse, Database
from logstore.schema import day_file
from logstore.verified import Verified

MOST = 1_000
"""Problems named at most; more of them say nothing more."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(where: ClickHouse, now: datetime) -> tuple[str, ...]:
    """What keeps the record from being used or kept as it should; `now` is aware."""
    if behind := _behind(where):
        return (f"the schema of {', '.join(behind)} is not the newest: `schoolgate db upgrade` as the record's owner",)
    return tuple(str(problem) for problem in verify(where, seconds=0, now=now).problems)


def verify(
    where: ClickHouse, *, kept: tuple[int, str] | None = None, day: str | None = None,
    seconds: float = float("inf"), at: datetime | None = None, now: datetime | None = None, months: int = 1,
    wrong: Sequence[str] = (),
) -> Verified:  # fmt: skip
    """Check the audit trail and, until `seconds` are over, each day: `logstore.verify` of rows in ClickHouse."""
    turns = Turns(seconds, wrong)
    report = Verified()
    with reading_catalog(where) as catalog:
        broken, report.lines = audit.verify(catalog, kept), audit.count(catalog)
        number, mark = audit.head(catalog)
        report.head = f"{number}:{mark}"
        if broken is not None:
            what = "was changed, taken out, or is not the one whose head was kept"
            report.problems.append(Problem("audit trail", f"line {broken} {what}"))
        there = present(where)
        report.problems += _gaps(catalog, there, evidence.told(catalog), day, months, now or at)
        if day is None and seconds > 0:
            report.problems += misleading(catalog)
            report.problems += holdproof.problems(where)
        order = select(day_file.c.file, day_file.c.day).where(day_file.c.state == "open", day_file.c.file.in_(there))
        if day is not None:
            order = order.where(day_file.c.day == day)
        days = catalog.execute(order.order_by(func.coalesce(day_file.c.verified_us, 0), day_file.c.file)).all()
        with reading(where) as rows:
            for file, its_day in sorted(days, key=lambda one: turns.place([one.file])):
                if not turns.begins([file]):
                    report.left.append(file)
                    continue
                found, problem = _count(where, catalog, rows, file, its_day)
                report.looked_at(file, [] if problem is None else [problem])
                report.unread.append(file)
                report.rows += found
                if problem is None and at is not None:
                    _note(where, file, at)
    del report.problems[MOST:]
    return report


def _behind(where: ClickHouse) -> list[str]:
    if isinstance(where.catalog, Database):
        from logstore.postgres.db import VERSION_TABLES
        from logstore.postgres.db import revision_of as revision_in

        behind = [str(tree) for tree in VERSION_TABLES if revision_in(where.catalog, tree) != head(tree)]
    else:
        behind = [] if revision_of(catalog_path(where.catalog)) == head("catalog") else ["catalog"]
    return behind + ([] if revision_of_rows(where) == head("clickhouse") else ["clickhouse"])


def _count(where: ClickHouse, catalog: Connection, rows: Connection, file: str, day: str) -> tuple[int, Problem | None]:
    """How many rows a day has, and what is wrong with that."""
    wanted = select(day_file.c.rows).where(day_file.c.file == file, day_file.c.state == "open")
    found, known = rows_of(rows, date.fromisoformat(day)), catalog.execute(wanted).scalar()
    if known is None or found == known:
        return found, None
    # Rows are sent before they are counted: what was on its way is counted now.
    with no_batch(where):
        found, known = rows_of(rows, date.fromisoformat(day)), catalog.execute(wanted).scalar()
    if known is None or found == known:
        return found, None
    return found, Problem(file, f"has {found:,} rows; the catalog counted {known:,}")


def _gaps(
    catalog: Connection, there: Mapping[str, date], told: evidence.Told, day: str | None, months: int,
    now: datetime | None,
) -> Iterator[Problem]:  # fmt: skip
    """Days that are not there and should be, or are there and should not, and days that went before their time."""
    books = {row.file: row for row in catalog.execute(select(day_file).where(day_file.c.file.startswith(PREFIX)))}
    known = {name for name in told.files() if name.startswith(PREFIX)}
    for file in sorted({*books, *known, *there}):
        row, its_day = books.get(file), _day_of(file)
        if day not in (None, its_day):
            continue
        if row is None:
            where = "has rows and" if file in there else "is in the audit trail and"
            yield Problem(file, f"{where} is not in the catalog")
            continue
        if row.day != its_day:
            yield Problem(file, f"the catalog says it is of {row.day}; searches by time miss it")
        if row.state == "open" and row.rows and file not in there:
            if _state(catalog, file) not in GOING:
                yield Problem(file, "its rows are missing, and nothing says that retention removed them")
        elif row.state == "dropped" and file in there:
            yield Problem(file, "retention removed it, and it is there again")
        elif row.state == "dropping" and (now is None or not may_go(its_day, now, months)):
            yield Problem(file, "the catalog says that retention removes it, but it is not due")
        elif row.state == "dropped" and row.rows and file not in told.removed:
            yield Problem(file, "the catalog says that retention removed it, but the audit trail does not")
        yield from too_early(file, its_day, told, months, now)


def _state(catalog: Connection, file: str) -> str | None:
    found = catalog.execute(select(day_file.c.state).where(day_file.c.file == file)).scalar()
    return None if found is None else str(found)


def _day_of(file: str) -> str:
    digits = file.removeprefix(PREFIX)
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _note(where: ClickHouse, file: str, at: datetime) -> None:
    engine = open_catalog(where)
    try:
        with engine.begin() as catalog:
            when = (at - _EPOCH) // timedelta(microseconds=1)
            catalog.execute(day_file.update().where(day_file.c.file == file).values(verified_us=when))
    finally:
        engine.dispose()
