"""Numbers about rows agree with counting the rows, whatever they were told from.

Shows: `logstore.stepping`.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from logstore.annual import cells_of, count_file
from logstore.filter import LogFilter
from logstore.ids import id_time_us
from logstore.place import Beside
from logstore.query import Archive, SearchTooWide
from logstore.rolling import Roller, roller
from logstore.rows import Row
from logstore.stats import ROWS, Basis, By, Figures, Totals, series, top, totals
from logstore.store import Store, open_store

from .rows import AT, ended, ids_from, request

HOUR_US = 3_600_000_000
START = datetime.fromtimestamp(AT // 1_000_000, UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def school(first: int, past: int) -> list[Any]:
    """Requests of two days of a small school, numbered from `first` to before `past`."""
    ids = ids_from(AT, HOUR_US // 2)
    rows = []
    for n in range(80):
        blocked = n % 8 == 0
        record = request(
            ids.next(), user=None if n % 10 == 0 else f"pupil-{n % 7:04}", site=("oakwood", "beech")[n % 2],
            host=f"www{n % 5}.games{n % 2}.example", domain=f"games{n % 2}.example", blocked=blocked,
            action="block" if blocked else "allow", reason="rule" if n % 4 == 0 else "default",
            rule=f"rule-{n % 3}" if n % 4 == 0 else None, category=("games", None, "chat")[n % 3],
            device="lab2-14" if n % 6 == 0 else None, band="ks2" if n % 2 else "ks3",
        )  # fmt: skip
        rows.append((record, ended(bytes_up=n, bytes_down=1000 + n)))
    return rows[first:past]


def rolled(where: Beside, told_from: str) -> None:
    """Store the school, with roll-ups as told."""
    with open_store(where) as store:
        store.append(school(0, 50))
        if told_from != "rows":
            list(roller(where, lambda: LATER).catch_up())
        store.append(school(50, 80))
        if told_from == "roll-ups":
            list(roller(where, lambda: LATER).catch_up())


ENGINES = [(engine, told) for engine in ("sqlite", "postgresql") for told in ("rows", "roll-ups", "both")]


@pytest.fixture(scope="module", params=ENGINES, ids="-".join)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """In each engine: without roll-ups, with all of them, and with some that no longer hold."""
    engine, told_from = request.param
    if engine == "sqlite":
        folder = tmp_path_factory.mktemp("store")
        rolled(folder, told_from)
        with Archive(folder) as opened:
            yield opened
        return
    postgres = request.getfixturevalue("postgres")
    database = postgres.database("ready")
    rolled(database, told_from)
    with Archive(database) as opened:
        yield opened
    postgres.drop(database)


def plain(row: Row, by: By) -> Any:
    """What a ranking ranks, read from the row."""
    return {
        "user": row.record.user,
        "device": row.record.device,
        "host": row.record.host,
        "domain": row.record.domain,
        "site": row.record.site,
        "band": row.record.band,
        "category": row.category,
        "rule": row.rule,
        "reason": row.reason,
        "action": row.action,
    }[by]


FILTERS = [
    LogFilter(),
    LogFilter(user="pupil-0003"),
    LogFilter(device="lab2-14", band="ks3"),
    LogFilter(blocked=True),
    LogFilter(blocked=False, host="www1.games1.example"),
    LogFilter(site="beech", category="games"),
    LogFilter(group="year-4", rule="rule-1"),
    LogFilter(since=START + timedelta(hours=20), until=START + timedelta(hours=30)),
    LogFilter(since=START.replace(minute=0), until=START.replace(minute=0) + timedelta(hours=26)),
    LogFilter(domain="games0.example"),
    LogFilter(text="games0"),
    LogFilter(user="nobody"),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=LogFilter.sentence)
class TestAgreesWithCounting:
    def test_totals(self, archive: Archive, wanted: LogFilter) -> None:
        rows = list(archive.walk(wanted))
        assert totals(archive, wanted) == Totals(
            rows=len(rows),
            blocked=sum(row.blocked for row in rows),
            users=len({row.record.user for row in rows} - {None}),
            hosts=len({row.record.host for row in rows}),
            bytes_up=sum(row.ending.bytes_up for row in rows),
            bytes_down=sum(row.ending.bytes_down for row in rows),
        )

    @pytest.mark.parametrize("by", get_args(By.__value__))
    def test_rankings(self, archive: Archive, wanted: LogFilter, by: By) -> None:
        rows = list(archive.walk(wanted))
        counted = Counter(plain(row, by) for row in rows)
        blocked = Counter(plain(row, by) for row in rows if row.blocked)
        found = top(archive, wanted, by, 100)
        assert [place.rows for place in found] == sorted(counted.values(), reverse=True)
        assert {place.name: place.rows for place in found} == counted
        assert {place.name: place.blocked for place in found if place.blocked} == blocked
        assert sum(p.bytes for p in found) == sum(row.ending.bytes_up + row.ending.bytes_down for row in rows)
        assert top(archive, wanted, by, 2) == found[:2]

    @pytest.mark.parametrize("step", [timedelta(minutes=30), timedelta(hours=1), timedelta(hours=5), timedelta(days=1)])
    def test_series(self, archive: Archive, wanted: LogFilter, step: timedelta) -> None:
        rows = list(archive.walk(wanted))
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        counted = Counter(epoch + (row.at - epoch) // step * step for row in rows)
        found = series(archive, wanted, step)
        assert [(span.start, span.rows) for span in found] == sorted(counted.items())
        assert sum(span.blocked for span in found) == sum(row.blocked for row in rows)


class TestSaysWhatItWasToldFrom:
    def test_roll_ups_say_when_they_were_made(self, tmp_path: Path) -> None:
        rolled(tmp_path, "roll-ups")
        with Archive(tmp_path) as archive:
            basis = Figures(archive, LogFilter()).totals().basis
            assert basis == Basis(rolled=40, counted=0, behind=0, computed=LATER)
            assert basis.source == "roll-ups"
            assert Figures(archive, LogFilter(text="games")).totals().basis == ROWS
            assert Figures(archive, LogFilter(user="pupil-0003")).top("host").basis.source == "rows"
            assert Figures(archive, LogFilter(user="pupil-0003")).top("category").basis.source == "roll-ups"
            assert Figures(archive, LogFilter()).series(timedelta(minutes=5)).basis == ROWS

    def test_hours_cut_by_the_time_asked_for_come_from_the_rows(self, tmp_path: Path) -> None:
        rolled(tmp_path, "roll-ups")
        with Archive(tmp_path) as archive:
            wanted = LogFilter(since=START + timedelta(minutes=1), until=START + timedelta(hours=4))
            basis = Figures(archive, wanted).totals().basis
        assert (basis.rolled, basis.counted, basis.source) == (3, 2, "both")

    def test_roll_ups_that_are_behind_are_told_from_only_when_that_will_do(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            store.append(school(0, 1))
            list(Roller(tmp_path, lambda: LATER).catch_up())
            store.append(school(1, 2))
        with Archive(tmp_path) as archive:
            wanted = LogFilter(until=START.replace(minute=0) + timedelta(hours=1))
            assert Figures(archive, wanted).totals().rows == 2
            quick = Figures(archive, wanted, exact=False).totals()
        assert (quick.rows, quick.basis) == (1, Basis(1, 0, 1, LATER))

    def test_the_hour_that_is_not_over_is_told_from_its_sums_when_that_will_do(self, tmp_path: Path) -> None:
        """As long as they are some minutes old; when later ones ask, or somebody wants it exactly, rows are counted."""
        summed = START.replace(minute=20)
        with Store(tmp_path) as store:
            store.append(school(0, 1))
            list(Roller(tmp_path, lambda: summed).catch_up())
            store.append(school(1, 2))
        until = {minutes: LogFilter(until=summed + timedelta(minutes=minutes)) for minutes in (-1, 19, 30)}
        with Archive(tmp_path) as archive:
            quick = {minutes: Figures(archive, wanted, exact=False) for minutes, wanted in until.items()}
            assert {minutes: one.top("action").basis.source for minutes, one in quick.items()} == {
                -1: "rows", 19: "roll-ups", 30: "rows",
            }  # fmt: skip
            assert (quick[19].computed, quick[30].computed) == (summed, None)
            assert Figures(archive, until[19]).totals() == totals(archive, until[19])
            assert Figures(archive, until[19]).computed is None

    def test_what_it_is_told_from_changes_with_the_rows_alone(self, tmp_path: Path) -> None:
        rolled(tmp_path, "both")
        with Archive(tmp_path) as archive:
            before = Figures(archive, LogFilter()).told
            assert Figures(archive, LogFilter()).told == before
        with Store(tmp_path) as store:
            store.append(school(0, 80)[-1:])
        with Archive(tmp_path) as archive:
            assert Figures(archive, LogFilter()).told != before

    def test_an_answer_that_takes_too_long_is_stopped(self, tmp_path: Path) -> None:
        rolled(tmp_path, "roll-ups")
        with Archive(tmp_path, seconds=0) as archive, pytest.raises(SearchTooWide):
            Figures(archive, LogFilter()).top("category")


@pytest.mark.parametrize("beside", [0, 900, 400_000])
@pytest.mark.parametrize("step", [timedelta(seconds=2), timedelta(seconds=10), timedelta(minutes=1)])
def test_short_steps_go_by_the_time_of_the_row_and_not_by_its_id(tmp_path: Path, step: timedelta, beside: int) -> None:
    """Rows whose time lies before and after their ids', by so many microseconds at most, and cut in the middle."""
    chance, ids, rows = random.Random(7), ids_from(AT - 7_000_000, 171_000), []
    for n in range(800):
        number = ids.next()
        moved = id_time_us(number) + chance.randint(-beside, beside)
        rows.append((request(number, time_us=moved, user=f"pupil-{n % 3}", blocked=n % 5 == 0), ended(repeats=n % 2)))
    with Store(tmp_path) as store:
        store.append(rows)
    cut = LogFilter(since=START + timedelta(seconds=13), until=START + timedelta(seconds=99, microseconds=500))
    wants = (
        LogFilter(),
        cut,
        LogFilter(blocked=True),
        LogFilter(user="pupil-1"),
        LogFilter(page=False),
        LogFilter(text="e"),
    )
    with Archive(tmp_path) as archive:
        for wanted in wants:
            counted: Counter[int] = Counter()
            blocked: Counter[int] = Counter()
            for row in archive.walk(wanted):
                number = row.record.time_us // (step // timedelta(microseconds=1))
                counted[number] += 1 + row.ending.repeats
                blocked[number] += row.blocked
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            found = series(archive, wanted, step)
            assert {(span.start - epoch) // step: span.rows for span in found} == counted, wanted
            assert {(span.start - epoch) // step: span.blocked for span in found} == blocked, wanted


def test_the_blocked_share_of_nothing_is_nothing() -> None:
    assert Totals(0, 0, 0, 0, 0, 0).blocked_share == 0.0
    assert Totals(200, 3, 1, 1, 0, 0).blocked_share == 0.015


@pytest.mark.parametrize("step", [timedelta(milliseconds=1), timedelta(days=2)])
def test_steps_too_small_or_large_are_refused(archive: Archive, step: timedelta) -> None:
    with pytest.raises(ValueError, match="between a second and a day"):
        series(archive, LogFilter(), step)


def test_folded_requests_are_counted_from_roll_ups_and_days_without_them_too(tmp_path: Path) -> None:
    """A day file older than the column stands for its rows; both say the same from rows and from roll-ups."""
    ids = ids_from(AT, HOUR_US)
    rows = [(request(ids.next()), ended(repeats=5 * (n % 2))) for n in range(6)]
    for folder, wanted in ((tmp_path / "new", 6 + 15), (tmp_path / "old", 6)):
        with Store(folder) as store:
            store.append(rows)
        if wanted == 6:
            (day,) = (folder / "days").glob("*.db")
            connection = sqlite3.connect(day)
            connection.execute("ALTER TABLE log DROP COLUMN repeats")
            connection.close()
        assert total_of(folder) == (wanted, "rows")
        assert sum(one.rows for one in Roller(folder, lambda: LATER).catch_up() if one.grain == "hour") == wanted
        assert total_of(folder) == (wanted, "roll-ups")
        with Archive(folder) as archive:
            assert sum(span.rows for span in series(archive, LogFilter())) == wanted
        assert count_file(folder, f"{START:%Y-%m-%d}.db")
        assert sum(cell.rows for cell in cells_of(folder, "2026-11", "2026-11")) == wanted


def total_of(folder: Path) -> tuple[int, str]:
    with Archive(folder) as archive:
        sums = totals(archive, LogFilter())
    return sums.rows, sums.basis.source
