"""Roll-ups in PostgreSQL say what their rows say: after late rows, repeats, two gateways and retention.

Shows: `logstore.postgres.rolling`, `logstore.postgres.rollups`, `logstore.rolled`.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logstore.db import reading
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.rolling import TableRoller
from logstore.postgres.rollups import TABLES, number_of
from logstore.query import Archive
from logstore.retention import prune
from logstore.rolling import marks_of_days, rollup_cleaner
from logstore.rollupjob import TOLD, RollupJob
from logstore.stats import Figures
from logstore.store import open_store
from tests.logstore.rows import AT, ended, ids_from, request
from tests.logstore.test_rolling import DAY, HOUR_US, LATER, STORED, agree, some_rows
from tests.rig.postgres import Postgres


def store(database: Database, numbers: list[int], step_us: int = HOUR_US // 3) -> None:
    """Store some rows."""
    with open_store(database) as one:
        one.append(some_rows(numbers, step_us))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STORED | st.sampled_from(["roll", "roll one", "lose"]), min_size=2, max_size=6))
def test_whatever_happens_in_which_order_the_numbers_agree(postgres: Postgres, steps: list[list[int] | str]) -> None:
    """Rows come late, come again, between rounds that are finished, left early, or whose sums are lost."""
    database = postgres.database("ready")
    store(database, [0])
    for step in steps:
        if isinstance(step, list):
            store(database, step)
        elif step == "lose":
            with postgres.connect(str(database.url.database)) as connection:
                for table in TABLES:
                    connection.execute(f"DELETE FROM {table.name}")  # type: ignore[arg-type]
        else:
            for _ in TableRoller(database, lambda: LATER).catch_up():
                if step == "roll one":
                    break
    agree(database)
    list(TableRoller(database, lambda: LATER).catch_up())
    assert TableRoller(database).stale() == []
    assert agree(database)._basis(True).counted == 0
    postgres.drop(database)


def test_the_newest_hour_comes_first_and_then_nothing_is_left(database: Database) -> None:
    store(database, list(range(9)))
    roller = TableRoller(database, lambda: LATER)
    done = list(roller.catch_up())
    hours = [one.start for one in done if one.grain == "hour"]
    assert hours == sorted(hours, reverse=True)
    assert len(hours) == 3
    assert sum(one.rows for one in done if one.grain == "hour") == 9
    assert [(one.day, one.rows) for one in done if one.grain == "day"] == [(DAY, 9)]
    assert list(roller.catch_up()) == []


def test_a_late_row_makes_its_hour_and_its_day_stale_only(database: Database) -> None:
    store(database, list(range(80)))
    roller = TableRoller(database, lambda: LATER)
    list(roller.catch_up())
    store(database, [4], HOUR_US // 3 + 1)
    assert [(one.grain, one.day) for one in roller.catch_up()] == [("hour", DAY), ("day", DAY)]
    agree(database)


def test_a_day_that_is_not_over_is_not_summed_to_a_day(database: Database) -> None:
    store(database, list(range(3)))
    now = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    assert {one.grain for one in TableRoller(database, lambda: now).catch_up()} == {"hour"}


def test_rows_of_a_clock_set_back_are_summed_in_the_hour_they_say(database: Database) -> None:
    """A row's time may lie an hour from its id's: it counts where the filter finds it."""
    ids = ids_from(AT)
    with open_store(database) as one:
        one.append([(request(ids.next(), time_us=AT - HOUR_US), ended()), (request(ids.next()), ended())])
    list(TableRoller(database, lambda: LATER).catch_up())
    figures = agree(database)
    assert figures._basis(True).rolled == 2


def test_a_second_gateway_leaves_the_round_to_the_first(database: Database, postgres: Postgres) -> None:
    store(database, list(range(9)))
    with postgres.connect(str(database.url.database)) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (locks.ROUND,))
        roller = TableRoller(database, lambda: LATER)
        assert list(roller.catch_up()) == []
        assert len(roller.stale()) == 3
        other.execute("SELECT pg_advisory_unlock(%s)", (locks.ROUND,))
    assert len(list(roller.catch_up())) == 4


def test_the_shippers_job_keeps_them_up(database: Database, tmp_path: Path) -> None:
    store(database, list(range(9)))
    stop = threading.Event()
    job = RollupJob(database, tmp_path / TOLD, stop)
    status = job.round()
    assert (status.hours, status.stale, status.error) == (3, 0, "")
    stop.set()
    job.start()
    job.join(60)
    assert json.loads((tmp_path / TOLD).read_text(encoding="utf-8"))["stale"] == 0


@pytest.mark.parametrize("dry_run", [True, False])
def test_they_go_with_their_day(database: Database, dry_run: bool) -> None:
    """No line of a person's stays behind the day it is of; the day after it keeps its own."""
    store(database, list(range(60)))
    list(TableRoller(database, lambda: LATER).catch_up())
    now = datetime(2027, 5, 22, 3, 20, tzinfo=UTC)
    cleaners = (rollup_cleaner(database),)
    report = prune(database, now, UTC, cleaners=cleaners, clock_is_right=True, dry_run=dry_run)
    assert [(one.place, one.removed, one.stayed) for one in report.elsewhere] == [("roll-ups", 1, ())]
    with reading(database) as catalog:
        for table in TABLES:
            days = set(catalog.exec_driver_sql(f"SELECT DISTINCT file_day FROM {table.name}").scalars())
            assert days == {number_of("2026-11-22")} | ({number_of(DAY)} if dry_run else set()), table.name
    agree(database)


def test_a_day_that_is_gone_is_not_summed_again(database: Database) -> None:
    """A round that was under way when retention came finds no such day."""
    store(database, list(range(9)))
    roller = TableRoller(database, lambda: LATER)
    round_ = roller.catch_up()
    next(round_)
    prune(database, datetime(2027, 6, 1, tzinfo=UTC), UTC, cleaners=(rollup_cleaner(database),), clock_is_right=True)
    assert list(round_) == []
    with reading(database) as catalog:
        for table in TABLES:
            assert catalog.exec_driver_sql(f"SELECT count(*) FROM {table.name}").scalar() == 0


def test_sites_and_bands_are_told_by_their_scope(database: Database) -> None:
    store(database, list(range(40)))
    list(TableRoller(database, lambda: LATER).catch_up())
    with Archive(database) as archive:
        for wanted in (LogFilter(site="beech"), LogFilter(band="ks2"), LogFilter(site="oakwood", band="ks3")):
            figures = Figures(archive, wanted)
            assert figures.top("host", 99).places == Figures(archive, wanted, rollups=False).top("host", 99).places
            assert figures.top("host").basis.source == "roll-ups"


def test_the_mark_of_a_day_is_that_of_its_hours() -> None:
    assert marks_of_days({24: 2, 47: 3, 48: 1}) == {1: 5, 2: 1}
