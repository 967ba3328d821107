"""Roll-ups say what their rows say: after late rows, repeats, kills and retention.

Shows: `logstore.rolled`, `logstore.rollups`.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logstore.db import days_folder, reading_file
from logstore.filter import LogFilter
from logstore.place import Beside
from logstore.query import Archive
from logstore.retention import prune
from logstore.rolling import Rolled, Roller, rollup_cleaner
from logstore.rollups import ROLLUPS, buckets, rollup_path, usable
from logstore.stats import Figures
from logstore.store import Store

from .rows import AT, ended, ids_from, request

HOUR_US = 3_600_000_000
DAY = "2026-11-21"
LATER = datetime(2026, 12, 1, tzinfo=UTC)
STORED = st.lists(st.integers(0, 200), min_size=1, max_size=30)
"""Numbers of rows that are stored."""


def some_rows(numbers: Sequence[int], step_us: int = HOUR_US // 3) -> list[Any]:
    """Requests told apart by their numbers; the same number is the same request."""
    made = []
    for n in numbers:
        chance = random.Random(n)
        record = request(
            ids_from(AT + n * step_us).next(), user=chance.choice([None, "pupil-0001", "pupil-0002"]),
            host=chance.choice(["a.example", "b.example", "c.a.example"]), site=chance.choice(["oakwood", "beech"]),
            band=chance.choice(["ks2", "ks3", None]), category=chance.choice(["games", "chat", None]),
            device=chance.choice([None, "lab2-14"]), blocked=chance.random() < 0.3,
        )  # fmt: skip
        made.append((record, ended(bytes_down=chance.randrange(1000))))
    return made


def agree(folder: Beside) -> Figures:
    """What roll-ups and rows say of everything is what counting says; gives the numbers."""
    with Archive(folder) as archive:
        rows = list(archive.walk(LogFilter()))
        figures = Figures(archive, LogFilter())
        told = figures.totals()
        assert (told.rows, told.blocked) == (len(rows), sum(row.blocked for row in rows))
        assert told.bytes_down == sum(row.ending.bytes_down for row in rows)
        for by in ("user", "host", "site", "category"):
            counted = Counter(row.category if by == "category" else getattr(row.record, by) for row in rows)
            assert {place.name: place.rows for place in figures.top(by, 99).places} == counted
        for wanted in (
            LogFilter(site="beech"),
            LogFilter(user="pupil-0001"),
            LogFilter(blocked=True, domain="a.example"),
        ):
            spans = Figures(archive, wanted).series(timedelta(days=1)).spans
            assert sum(span.rows for span in spans) == sum(1 for _ in archive.walk(wanted))
    return figures


def store(folder: Path, rows: list[Any]) -> None:
    """Store some rows."""
    with Store(folder) as one:
        one.append(rows)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STORED | st.sampled_from(["roll", "roll one", "lose"]), min_size=2, max_size=6))
def test_whatever_happens_in_which_order_the_numbers_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int] | str]
) -> None:
    """Rows come late, come again, between rounds that are finished, left early, or whose files are lost."""
    folder = tmp_path_factory.mktemp("store")
    store(folder, some_rows([0]))
    for step in steps:
        if isinstance(step, list):
            store(folder, some_rows(step))
        elif step == "lose":
            for path in (folder / "rollups").glob("*.db*"):
                path.unlink()
        else:
            for _ in Roller(folder, lambda: LATER).catch_up():
                if step == "roll one":
                    break
    agree(folder)
    list(Roller(folder, lambda: LATER).catch_up())
    assert Roller(folder).stale() == []
    agree(folder)


class TestRounds:
    def test_the_newest_hour_comes_first_and_then_nothing_is_left(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(9)))
        roller = Roller(tmp_path, lambda: LATER)
        done = list(roller.catch_up())
        hours = [one.start for one in done if one.grain == "hour"]
        assert hours == sorted(hours, reverse=True)
        assert len(hours) == 3
        assert sum(one.rows for one in done if one.grain == "hour") == 9
        assert [(one.day, one.rows) for one in done if one.grain == "day"] == [(DAY, 9)]
        assert list(roller.catch_up()) == []
        assert list(Roller(tmp_path, lambda: LATER).catch_up()) == []

    def test_a_day_that_is_not_over_is_not_summed_to_a_day(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(3)))
        now = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
        assert {one.grain for one in Roller(tmp_path, lambda: now).catch_up()} == {"hour"}

    def test_a_late_row_makes_its_hour_and_its_day_stale_only(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(200)))
        roller = Roller(tmp_path, lambda: LATER)
        list(roller.catch_up())
        late = some_rows([4], HOUR_US // 3 + 1)
        store(tmp_path, late)
        again = list(roller.catch_up())
        assert [(one.grain, one.day) for one in again] == [("hour", DAY), ("day", DAY)]
        agree(tmp_path)

    def test_an_hour_of_a_day_that_is_gone_is_not_summed(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows([0]))
        assert Roller(tmp_path).roll("2026-11-20", AT // HOUR_US) is None
        assert not rollup_path(tmp_path, "2026-11-20").exists()

    @pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4000)])
    def test_a_file_that_is_damaged_is_made_anew(self, tmp_path: Path, content: bytes) -> None:
        store(tmp_path, some_rows(range(9)))
        list(Roller(tmp_path, lambda: LATER).catch_up())
        rollup_path(tmp_path, DAY).write_bytes(content)
        agree(tmp_path)
        assert sum(isinstance(one, Rolled) for one in Roller(tmp_path, lambda: LATER).catch_up()) == 4
        agree(tmp_path)

    def test_a_file_of_another_shape_is_made_anew(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(3)))
        list(Roller(tmp_path).catch_up())
        with sqlite3.connect(rollup_path(tmp_path, DAY)) as connection:
            connection.execute("PRAGMA user_version=99")
        connection.close()
        assert not usable(rollup_path(tmp_path, DAY))
        assert buckets(rollup_path(tmp_path, DAY), "hour") == {}
        list(Roller(tmp_path).catch_up())
        assert usable(rollup_path(tmp_path, DAY))


ROLL_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from logstore.marks import marks
from logstore.db import reading
from logstore.rolling import Roller
folder = Path(sys.argv[1])
roller = Roller(folder, lambda: datetime(2026, 12, 1, tzinfo=UTC))
print("ready", flush=True)
while True:
    with reading(folder) as catalog:
        for day, hours in marks(catalog).items():
            for hour in hours:
                roller.roll(day, hour)
    list(roller.catch_up())
"""


def test_killed_in_the_middle_it_leaves_numbers_that_agree(tmp_path: Path) -> None:
    store(tmp_path, some_rows(range(0, 120, 2), HOUR_US // 10))
    chance = random.Random(5)
    for kill in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", ROLL_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.random())  # the moment of the kill is the point
            process.send_signal(signal.SIGKILL)
        store(tmp_path, some_rows(range(kill, 120, 7), HOUR_US // 10))
        agree(tmp_path)
    list(Roller(tmp_path, lambda: LATER).catch_up())
    assert agree(tmp_path).totals is not None


class TestRetention:
    def test_roll_ups_go_with_their_day(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(200)))
        list(Roller(tmp_path, lambda: LATER).catch_up())
        now = datetime(2027, 5, 22, 12, tzinfo=UTC)
        looked = prune(tmp_path, now, UTC, cleaners=[rollup_cleaner(tmp_path)], dry_run=True, clock_is_right=True)
        assert [(place.place, place.removed) for place in looked.elsewhere] == [("roll-ups", 1)]
        assert rollup_path(tmp_path, DAY).exists()
        report = prune(tmp_path, now, UTC, cleaners=[rollup_cleaner(tmp_path)], clock_is_right=True)
        assert [(place.place, place.removed) for place in report.elsewhere] == [("roll-ups", 1)]
        assert not list((tmp_path / "rollups").glob(f"{DAY}*"))
        assert len(list(days_folder(tmp_path).glob("*.db"))) == len(list((tmp_path / "rollups").glob("*.db")))
        agree(tmp_path)
        assert Roller(tmp_path).stale() == []

    def test_between_the_removal_of_a_day_and_of_its_roll_ups_the_day_is_not_told(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(200)))
        list(Roller(tmp_path, lambda: LATER).catch_up())
        prune(tmp_path, datetime(2027, 5, 22, 12, tzinfo=UTC), UTC, clock_is_right=True)
        assert rollup_path(tmp_path, DAY).exists()
        agree(tmp_path)

    def test_a_file_somebody_put_there_keeps_no_roll_up_from_going(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows(range(200)))
        list(Roller(tmp_path, lambda: LATER).catch_up())
        (tmp_path / "rollups" / "2026-old.db").write_bytes(rollup_path(tmp_path, DAY).read_bytes())
        now = datetime(2027, 5, 22, 12, tzinfo=UTC)
        report = prune(tmp_path, now, UTC, cleaners=[rollup_cleaner(tmp_path)], clock_is_right=True)
        assert report.ok
        (place,) = report.elsewhere
        assert (place.removed, [stay.what for stay in place.stayed]) == (1, ["2026-old"])
        assert not rollup_path(tmp_path, DAY).exists()

    def test_without_roll_ups_there_is_nothing_to_clean(self, tmp_path: Path) -> None:
        store(tmp_path, some_rows([0]))
        assert rollup_cleaner(tmp_path)(LATER, False).removed == 0


def test_only_numbers_stand_in_a_roll_up_but_for_sites_and_bands(tmp_path: Path) -> None:
    """Names are in the catalog, where retention forgets them."""
    store(tmp_path, some_rows(range(60)))
    list(Roller(tmp_path, lambda: LATER).catch_up())
    with reading_file(rollup_path(tmp_path, DAY)) as connection:
        for rollup in ROLLUPS:
            for table in (rollup.hours, rollup.days):
                for row in connection.execute(table.select()):
                    assert all(isinstance(value, int) for value in row)


def test_the_hour_that_is_not_over_rests_after_it_was_summed(tmp_path: Path) -> None:
    """Rows come all the time; summing it again at every round would be most of the work. It is stale meanwhile."""
    store(tmp_path, some_rows([0]))
    now = datetime.fromtimestamp(AT / 1e6, UTC) + timedelta(minutes=10)
    roller = Roller(tmp_path, lambda: now)
    assert len(list(roller.catch_up())) == 1
    store(tmp_path, some_rows([0]))
    assert list(roller.catch_up()) == []
    assert len(roller.stale()) == 1
    now += timedelta(hours=1)
    assert len(list(roller.catch_up())) == 1
