"""Retention removes the same days from files, PostgreSQL and ClickHouse, and proves it alike.

Shows: `logstore.clickhouse.days`, `logstore.postgres.days`, `logstore.removal`, `logstore.retention`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from logstore.audit import entries, verify
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.place import Database, Where
from logstore.postgres.days import stray_rows
from logstore.query import Archive
from logstore.retention import last_run, oldest_day, overdue, prune
from logstore.schema import dim_user
from logstore.store import open_store
from logstore.unread import Pair
from tests.logstore.rows import AT, ended, ids_from, request

DAY_US = 86_400_000_000
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
DAYS = 12
"""Days of rows, two a day, the newest of them the day before the newest that is due is kept."""


def rows() -> list[Pair]:
    """Rows around the cutoff, 21 May: each day somebody of its own, and somebody who is there every day."""
    ids = ids_from(AT - AT % DAY_US - (184 + DAYS // 2) * DAY_US, DAY_US // 2)
    made = []
    for number in range(DAYS * 2):
        user = "always" if number % 2 else f"only-{number // 2:02}"
        made.append((request(ids.next(), user=user), ended()))
    made.append((request(ids_from(AT - DAY_US).next(), user="always"), ended()))
    return made


@pytest.fixture
def full(where: Where) -> Where:
    """The record with those rows."""
    with open_store(where, clock=lambda: AT * 1000) as store:
        store.append(rows())
    return where


def test_days_that_are_due_go_and_nothing_else(full: Where) -> None:
    looked = prune(full, NOW, LONDON, dry_run=True)
    with Archive(full) as archive:
        assert archive.count(LogFilter()).rows == len(rows())
    report = prune(full, NOW, LONDON)
    assert [(day.day, day.rows, day.min_id, day.max_id) for day in report.days] == [
        (day.day, day.rows, day.min_id, day.max_id) for day in looked.days
    ]
    assert report.ok, report.stayed
    assert 0 < len(report.days) < DAYS
    assert all(day.day < date(2026, 5, 21) and day.rows == 2 for day in report.days if day.rows)
    kept = [pair for pair in rows() if datetime.fromtimestamp(pair[0].time_us / 1e6, UTC).date() >= report.kept_from]
    with Archive(full) as archive:
        assert [row.record for row in archive.walk(LogFilter(), rising=True)] == [record for record, _ in kept]
    assert oldest_day(full) == report.kept_from
    assert last_run(full) == NOW
    assert overdue(full, NOW, LONDON) is None


def test_names_go_with_the_last_day_that_used_them(full: Where) -> None:
    report = prune(full, NOW, LONDON)
    with reading(full) as catalog:
        users = {row.key for row in catalog.execute(dim_user.select())}
    gone = sum(1 for day in report.days if day.rows)
    assert users == {"always"} | {f"only-{number:02}" for number in range(gone, DAYS)}
    assert report.names["user"] == gone


def test_every_run_is_a_line_in_the_audit_trail(full: Where) -> None:
    report = prune(full, NOW, LONDON, who="cli:office", why="asked")
    prune(full, NOW + timedelta(days=1), LONDON)
    with reading(full) as catalog:
        assert verify(catalog) is None
        lines = entries(catalog, kind="retention", limit=100)
    assert [line.what for line in lines].count("removed old rows") == 2
    assert [line.what for line in lines].count("removed a day") >= len(report.days)
    assert {line.who for line in lines} == {"cli:office", "retention"}


def test_late_rows_of_a_day_that_went_are_refused_and_counted(full: Where) -> None:
    report = prune(full, NOW, LONDON)
    due = sum(1 for record, _ in rows() if datetime.fromtimestamp(record.time_us / 1e6, UTC).date() < report.kept_from)
    with open_store(full, clock=lambda: AT * 1000) as store:
        assert store.append(rows()) == 0
        assert store.refused == due
    with Archive(full) as archive:
        assert archive.count(LogFilter()).rows == len(rows()) - due
    assert prune(full, NOW, LONDON).ok


def test_a_writer_that_was_open_meanwhile_refuses_them_too(full: Where) -> None:
    """It knows the names of those days by heart; they are gone."""
    with open_store(full, clock=lambda: AT * 1000) as store:
        store.append(rows())
        prune(full, NOW, LONDON)
        assert store.append(rows()) == 0
        assert store.refused > 0
        newcomer = (request(ids_from(AT).next(), user="only-00"), ended())
        assert store.append([newcomer]) == 1
    with Archive(full) as archive:
        assert [row.record for row in archive.search(LogFilter(user="only-00")).rows] == [newcomer[0]]


def test_no_row_is_outside_a_day(full: Where) -> None:
    if isinstance(full, Database):
        assert stray_rows(full) == 0
