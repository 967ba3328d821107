"""Numbers for the annual report that outlive the rows: how many requests, of which category, with which verdict.

In come day files; out go `Cell`s: one for each month, site, band, category and action. The rules: nothing in a cell is
anybody; a day is counted once, when its file is about to go; a cell of fewer than `SMALL` people is poured into a wider
one, for good, as soon as its month is over; sums stay the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    cast,
    delete,
    func,
    literal_column,
    select,
    true,
)

from logstore.dayview import Columns, columns_of, requests
from logstore.db import attached, days_folder, open_catalog, reading
from logstore.dimensions import restored, stored
from logstore.place import Beside, ClickHouse, Where
from logstore.schema import attached_log, day_file, dim_client, dim_verdict, tally_day, tally_file, tally_month
from logstore.source import ids_of

SMALL = 10
"""People below which a cell may point at somebody."""
FEW = "(few)"
"""Stands where naming the site, band or category would tell of fewer people than that."""
DAYS = 31
"""Days counted in one run at most: a record that is new to this catches up over some nights."""
_KEY = ("site", "band", "category", "action")


@dataclass(frozen=True, slots=True)
class Cell:
    """What was alike in one month."""

    month: str
    """`2026-09`, of UTC days."""
    site: str
    """Site; empty when it is not known."""
    band: str
    """Age band; empty when it is not known."""
    category: str
    """Category; empty when there was none."""
    action: str
    """What was done."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""
    people: int
    """People, or machines nobody had signed in at, there were at least: the most of any one day."""


def generalise(cells: Iterable[Cell], small: int = SMALL) -> tuple[Cell, ...]:
    """Pour cells of fewer than `small` people into wider ones: without category, then band, then site. Pure.

    What is still too small then stands for the whole month and names none of them.
    """
    wider = list(cells)
    for widen in (_no_category, _no_band, _no_site):
        wider = [cell if cell.people >= small else widen(cell) for cell in _merged(wider)]
    return tuple(_merged(wider))


def _no_category(cell: Cell) -> Cell:
    return dataclasses.replace(cell, category=FEW)


def _no_band(cell: Cell) -> Cell:
    return dataclasses.replace(cell, band=FEW)


def _no_site(cell: Cell) -> Cell:
    return dataclasses.replace(cell, site=FEW)


def count_closed(where: Where, now: datetime, most: int = DAYS) -> int:
    """Count days that are over and not counted as they are now, newest first; how many files were."""
    today = now.date().isoformat()
    with reading(where) as catalog:
        query = (
            select(day_file.c.file)
            .join(tally_file, tally_file.c.file == day_file.c.file, isouter=True)
            .where(day_file.c.state.in_(("open", "sealed")), day_file.c.day < today)
            .where(func.coalesce(tally_file.c.rows, -1) != day_file.c.rows)
            .order_by(day_file.c.day.desc(), day_file.c.part.desc())
            .limit(most)
        )
        files = catalog.execute(query).scalars().all()
    return sum(count_file(where, file) for file in files)


def count_file(where: Where, file: str) -> bool:
    """Count one day file and keep what came of it; False when it cannot be read."""
    try:
        rows, cells = _counted(where, file)
    except (sqlalchemy.exc.DatabaseError, OSError):
        return False
    engine = open_catalog(where)
    try:
        with engine.begin() as catalog:
            _forget(catalog, file)
            catalog.execute(tally_file.insert().values(file=file, rows=rows))
            if cells:
                names = ("site", "band", "category", "action", "rows", "blocked", "people")
                catalog.execute(
                    tally_day.insert(), [{"file": file, **dict(zip(names, one, strict=True))} for one in cells]
                )
    finally:
        engine.dispose()
    return True


def _counted(where: Where, file: str) -> tuple[int, list[tuple[Any, ...]]]:
    """How many rows a day has, and its sums."""
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.tally import counted

        return counted(where, file)
    with reading(where) as catalog, _day_of(where, catalog, file) as its_rows:
        rows = int(catalog.execute(select(func.count()).select_from(attached_log).where(its_rows)).scalar_one())
        return rows, [tuple(found) for found in catalog.execute(_sums(columns_of(catalog)).where(its_rows))]


@contextmanager
def _day_of(where: Beside, catalog: Connection, file: str) -> Iterator[ColumnElement[bool]]:
    """The rows of a day at hand, and the condition that they are of that day: a database has all days in one table."""
    if isinstance(where, Path):
        with attached(catalog, days_folder(where) / file):
            yield true()
        return
    day = catalog.execute(select(day_file.c.day).where(day_file.c.file == file)).scalar_one()
    first, past = ids_of(day)
    yield and_(attached_log.c.id >= first, attached_log.c.id < past)


def is_counted(where: Where, file: str, rows: int | None) -> bool:
    """Whether what is kept of a file counts all its rows."""
    with reading(where) as catalog:
        return catalog.execute(select(tally_file.c.rows).where(tally_file.c.file == file)).scalar() == rows


def fold_day(catalog: Connection, file: str, day: date) -> None:
    """Add what was counted of a file to its month, because the file goes now; in the caller's transaction."""
    month = f"{day:%Y-%m}"
    added = [_cell(month, row) for row in catalog.execute(select(tally_day).where(tally_day.c.file == file)).mappings()]
    _forget(catalog, file)
    _write_month(catalog, month, [*_month(catalog, month), *added])


def finish_months(catalog: Connection, kept_from: date) -> None:
    """Generalise, for good, every month of which no day is left; in the caller's transaction."""
    months = catalog.execute(select(tally_month.c.month).distinct()).scalars().all()
    for month in months:
        if month < f"{kept_from:%Y-%m}":
            _write_month(catalog, month, generalise(_month(catalog, month)))


def cells_of(where: Where, first: str, last: str) -> tuple[Cell, ...]:
    """The cells of the months from `first` to `last` (`2025-09`), generalised; of days that went and that are there."""
    with reading(where) as catalog:
        gone = catalog.execute(select(tally_month).where(tally_month.c.month.between(first, last))).mappings()
        cells = [_cell(row["month"], row) for row in gone]
        query = select(tally_day, day_file.c.day).join(day_file, day_file.c.file == tally_day.c.file)
        month = func.substr(day_file.c.day, 1, 7)
        live = catalog.execute(query.where(month.between(first, last))).mappings()
        cells += [_cell(row["day"][:7], row) for row in live]
    found: list[Cell] = []
    for name in sorted({cell.month for cell in cells}):
        found += generalise(_merged(cell for cell in cells if cell.month == name))
    return tuple(found)


def counted_to(where: Where) -> str | None:
    """The last UTC day that is counted."""
    with reading(where) as catalog:
        query = select(func.max(day_file.c.day)).join(tally_file, tally_file.c.file == day_file.c.file)
        return catalog.execute(query).scalar()


def _merged(cells: Iterable[Cell]) -> list[Cell]:
    """Cells alike in everything are one. Whether two tell of the same people nobody knows: the larger number counts."""
    sums: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        key = (cell.month, cell.site, cell.band, cell.category, cell.action)
        if (before := sums.get(key)) is not None:
            cell = dataclasses.replace(  # noqa: PLW2901
                cell,
                rows=before.rows + cell.rows,
                blocked=before.blocked + cell.blocked,
                people=max(before.people, cell.people),
            )
        sums[key] = cell
    return [sums[key] for key in sorted(sums)]


def _month(catalog: Connection, month: str) -> Iterator[Cell]:
    for row in catalog.execute(select(tally_month).where(tally_month.c.month == month)).mappings().all():
        yield _cell(month, row)


def _write_month(catalog: Connection, month: str, cells: Iterable[Cell]) -> None:
    merged = _merged(cells)
    catalog.execute(delete(tally_month).where(tally_month.c.month == month))
    if merged:
        rows = [{name: stored(value) for name, value in dataclasses.asdict(cell).items()} for cell in merged]
        catalog.execute(tally_month.insert(), rows)


def _forget(catalog: Connection, file: str) -> None:
    for table in (tally_day, tally_file):
        catalog.execute(delete(table).where(table.c.file == file))


def _cell(month: str, row: Any) -> Cell:
    site, band, category, action = (str(restored(row[name])) for name in _KEY)
    return Cell(month, site, band, category, action, int(row["rows"]), int(row["blocked"]), int(row["people"]))


_WORDS = tuple(
    func.coalesce(column, literal_column("''"))
    for column in (dim_client.c.site, dim_client.c.band, dim_verdict.c.category, dim_verdict.c.action)
)


def _sums(columns: Columns) -> Select[Any]:
    return (
        select(
            *_WORDS,
            requests(columns["repeats"]),
            func.sum(cast(attached_log.c.blocked, Integer)),
            # Somebody who did not sign in is counted by machine.
            func.count(func.coalesce(attached_log.c.user_id, -attached_log.c.address_id).distinct()),
        )
        .select_from(attached_log)
        .join(dim_client, dim_client.c.id == attached_log.c.client_id, isouter=True)
        .join(dim_verdict, dim_verdict.c.id == attached_log.c.verdict_id, isouter=True)
        .group_by(*_WORDS)
    )
