"""Old rows are gone, wherever a name could hide.

Shows: `logstore.prunereport`, `logstore.removal`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore import retention
from logstore.audit import entries, verify
from logstore.calendar import cutoff, kept_from
from logstore.db import catalog_path, days_folder, open_catalog, reading
from logstore.filter import LogFilter
from logstore.prunereport import Cleaned, Stayed
from logstore.query import Archive
from logstore.retention import last_run, oldest_day, overdue
from logstore.schema import DIMENSIONS, day_file
from logstore.store import Store

from .rows import ended, ids_from, request

prune = functools.partial(retention.prune, clock_is_right=True)
"""Rows here are made for a single run; what a doubtful clock does is in `test_clockcheck`."""
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)


def at_noon(day: str) -> int:
    """Microseconds since the Unix epoch."""
    return int(datetime.combine(date.fromisoformat(day), time(12), UTC).timestamp()) * 1_000_000


def fill(folder: Path, *days: str, rows: int = 3) -> None:
    """Rows of one pupil, host, device and so on for each day, all called after the day, and one they share."""
    with Store(folder) as store:
        for day in days:
            ids = ids_from(at_noon(day))
            mark = f"mark{day.replace('-', '')}"
            marked = request(
                ids.next(), user=f"{mark}-user", device=f"{mark}-device", client_address=f"{mark}-address",
                host=f"{mark}-host.example", domain=f"{mark}-domain.example", path=f"/{mark}-path",
                query=f"{mark}-query", terms=(f"{mark}-terms",), entry=f"{mark}-entry", rule=f"user:{mark}-rule",
                groups=(f"{mark}-group",), note=f"{mark}-note", list=f"{mark}-list", worker=f"{mark}-worker",
                categories=(f"{mark}-category",),
            )  # fmt: skip
            end = ended(title=f"{mark}-title", error=f"{mark}-error", content_type=f"{mark}-type", rule=f"{mark}-end")
            rows_of_day = [(dataclasses.replace(marked, id=ids.next()), end) for _ in range(rows)]
            store.append([*rows_of_day, (request(ids.next(), user="stays", host="stays.example"), ended())])


def traces(folder: Path, word: str) -> list[str]:
    """Files anywhere in the folder that hold `word`, in any encoding SQLite or JSON would use."""
    needles = [word.encode(), word.encode("utf-16-le"), word.encode()[::-1]]
    return [str(p) for p in folder.rglob("*") if p.is_file() and any(n in p.read_bytes() for n in needles)]


OLD, FIRST_KEPT, NEW = "2026-05-19", "2026-05-20", "2026-11-20"
"""At `NOW` the cutoff is 20 May 23:00 UTC: 19 May goes, 20 May has an hour to keep."""


class TestPrune:
    def test_rows_of_5_months_and_29_days_stay_and_of_6_months_and_a_day_go(self, tmp_path: Path) -> None:
        """Requirement A-12, with the two days either side of it."""
        fill(tmp_path, "2026-05-22", "2026-05-20", "2026-05-19", "2025-12-01")
        report = prune(tmp_path, NOW, LONDON)
        assert [day.day.isoformat() for day in report.days] == ["2025-12-01", "2026-05-19"]
        assert report.rows == 8
        with Archive(tmp_path) as archive:
            assert {f"{row.at:%Y-%m-%d}" for row in archive.walk(LogFilter())} == {"2026-05-20", "2026-05-22"}

    def test_nothing_of_the_names_is_left_in_any_file(self, tmp_path: Path) -> None:
        """Bytes of all files, those beside the databases included, while a shipper has the store open."""
        fill(tmp_path, OLD, FIRST_KEPT, NEW)
        mark = f"mark{OLD.replace('-', '')}"
        with Store(tmp_path) as shipper:
            shipper.append([(request(ids_from(at_noon(NEW) + 1).next()), ended())])
            assert traces(tmp_path, mark)
            report = prune(tmp_path, NOW, LONDON)
            assert report.ok
            assert traces(tmp_path, mark) == []
            assert shipper.append([(request(ids_from(at_noon(NEW) + 5_000).next()), ended())]) == 1
        assert traces(tmp_path, mark) == []
        assert traces(tmp_path, "mark20260520")

    def test_names_that_kept_days_need_stay(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, NEW)
        with Archive(tmp_path) as archive:
            before = [row for row in archive.walk(LogFilter()) if f"{row.at:%Y-%m-%d}" == NEW]
        report = prune(tmp_path, NOW, LONDON)
        assert report.names == {table.name.removeprefix("dim_"): 1 for table in DIMENSIONS} | {"manner": 0}
        with Archive(tmp_path) as archive:
            assert list(archive.walk(LogFilter())) == before
            assert len(archive.search(LogFilter(user="stays")).rows) == 1
            assert archive.search(LogFilter(user="mark20260519-user")).rows == ()

    def test_a_dry_run_says_the_same_and_touches_nothing(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, NEW)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.db")}
        told = prune(tmp_path, NOW, LONDON, dry_run=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.db")} == before
        assert last_run(tmp_path) is None
        done = prune(tmp_path, NOW, LONDON)
        assert (told.days, told.names, told.rows) == (done.days, done.names, done.rows)

    def test_the_audit_trail_says_what_was_due_what_went_and_what_stayed(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, NEW)
        prune(tmp_path, NOW, LONDON, who="dpo", why="asked for")
        with reading(tmp_path) as catalog:
            line = entries(catalog, kind="retention")[0]
            assert verify(catalog) is None
        assert (line.who, line.why, line.at) == ("dpo", "asked for", NOW)
        assert line.after["rows"] == 4
        assert line.after["cutoff"] == "2026-05-20T23:00:00+00:00"
        assert line.after["days"][0]["file"] == "2026-05-19.db"
        assert line.after["days"][0]["min_id"].isdigit()
        assert {stayed["what"] for stayed in line.after["stayed"]} == {"audit trail", "2026-05-20"}
        assert "mark20260519" not in json.dumps(line.after)

    def test_each_day_that_went_has_a_line_of_its_own(self, tmp_path: Path) -> None:
        """Asked for by its file: how much was in it, from which id to which, sealed with which hash, due by what."""
        fill(tmp_path, OLD, "2026-05-01", NEW)
        with open_catalog(tmp_path).begin() as catalog:
            catalog.execute(day_file.update().where(day_file.c.day == OLD).values(state="sealed", sha256="5f" * 32))
        report = prune(tmp_path, NOW, LONDON)
        with reading(tmp_path) as catalog:
            (line,) = entries(catalog, subject=f"{OLD}.db")
            assert len(entries(catalog, kind="retention")) == 3
        assert (line.what, line.at) == ("removed a day", NOW)
        assert (line.after["rows"], line.after["sha256"], line.after["months"]) == (4, "5f" * 32, 6)
        assert line.after["cutoff"] == "2026-05-20T23:00:00+00:00"
        first, last = report.days[1].min_id, report.days[1].max_id
        assert (line.after["min_id"], line.after["max_id"]) == (str(first), str(last))

    def test_a_run_with_nothing_to_do_is_proved_too(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        assert prune(tmp_path, NOW, LONDON).rows == 0
        assert last_run(tmp_path) == NOW
        with reading(tmp_path) as catalog:
            assert len(entries(catalog, kind="retention")) == 1

    def test_late_rows_of_a_removed_day_are_counted_not_stored(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD, FIRST_KEPT)
        prune(tmp_path, NOW, LONDON)
        with Store(tmp_path) as store:
            late = [
                (request(ids_from(at_noon(day)).next(), user="tardy-pupil"), ended()) for day in (OLD, "2026-05-01")
            ]
            assert store.append(late) == 0
            assert store.refused == 2
        assert traces(tmp_path, "tardy-pupil") == []
        with closing(sqlite3.connect(catalog_path(tmp_path))) as catalog:
            found = catalog.execute("SELECT day, state, refused FROM day_file ORDER BY day").fetchall()
        assert found == [("2026-05-01", "dropped", 1), (OLD, "dropped", 1), (FIRST_KEPT, "open", 0)]

    def test_late_rows_of_a_kept_day_go_with_their_day(self, tmp_path: Path) -> None:
        fill(tmp_path, FIRST_KEPT)
        with open_catalog(tmp_path).begin() as catalog:
            catalog.execute(day_file.update().values(state="sealed"))
        with Store(tmp_path) as store:
            store.append([(request(ids_from(at_noon(FIRST_KEPT) + 9_000).next(), user="latecomer"), ended())])
        assert prune(tmp_path, NOW, LONDON).days == ()
        report = prune(tmp_path, NOW + timedelta(days=1), LONDON)
        assert [day.file for day in report.days] == [f"{FIRST_KEPT}.db", f"{FIRST_KEPT}.late1.db"]
        assert traces(tmp_path, "latecomer") == []

    def test_a_day_file_put_back_by_hand_goes_too(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD)
        kept = (days_folder(tmp_path) / f"{OLD}.db").read_bytes()
        prune(tmp_path, NOW, LONDON)
        (days_folder(tmp_path) / f"{OLD}.db").write_bytes(kept)
        assert prune(tmp_path, NOW, LONDON).rows == 4
        assert list(days_folder(tmp_path).iterdir()) == []

    def test_a_damaged_day_file_goes_all_the_same(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD)
        (days_folder(tmp_path) / f"{OLD}.db").write_bytes(b"mark damaged" * 1000)
        report = prune(tmp_path, NOW, LONDON)
        assert report.ok
        assert report.days[0].rows is None
        assert list(days_folder(tmp_path).iterdir()) == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may remove what nobody else may")
    def test_what_cannot_be_removed_is_said_and_the_rest_goes(self, tmp_path: Path) -> None:
        fill(tmp_path, OLD)
        days_folder(tmp_path).chmod(0o500)
        try:
            assert not prune(tmp_path, NOW, LONDON).ok
        finally:
            days_folder(tmp_path).chmod(0o700)

    def test_what_cannot_be_removed_keeps_the_run_open(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The disk refuses one file; the other day still goes, and the alarm stays on."""
        fill(tmp_path, OLD, "2026-05-01", NEW)
        real = Path.unlink

        def refuse(path: Path, missing_ok: bool = False) -> None:
            if path.name.startswith(OLD):
                raise PermissionError(1, "Operation not permitted")
            real(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", refuse)
        report = prune(tmp_path, NOW, LONDON)
        assert not report.ok
        assert [day.file for day in report.days] == ["2026-05-01.db"]
        assert any(stayed.what == f"{OLD}.db" and "not permitted" in stayed.why for stayed in report.stayed)
        with reading(tmp_path) as catalog:
            (line,) = entries(catalog, subject=f"{OLD}.db")
        assert line.what == "kept a day that was due"
        assert "not permitted" in line.after["why"]
        assert last_run(tmp_path) is None
        assert overdue(tmp_path, NOW + timedelta(days=2), LONDON) is not None
        monkeypatch.undo()
        assert prune(tmp_path, NOW, LONDON).ok
        assert last_run(tmp_path) == NOW

    def test_other_places_are_cleaned_with_the_same_cutoff(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        asked = []

        def exports(limit: datetime, dry_run: bool) -> Cleaned:
            asked.append((limit, dry_run))
            return Cleaned("exports", 2, (Stayed("case-7.csv", "is held", wrong=False),))

        def broken(limit: datetime, dry_run: bool) -> Cleaned:
            raise OSError("no such drive")

        report = prune(tmp_path, NOW, LONDON, cleaners=(exports, broken))
        assert asked == [(report.cutoff, False)]
        assert report.elsewhere[0].removed == 2
        assert not report.ok
        assert "no such drive" in report.elsewhere[1].stayed[0].why

    def test_a_longer_time_set_later_takes_rows_again(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        prune(tmp_path, NOW, LONDON, months=3)
        prune(tmp_path, NOW, LONDON, months=6)
        fill(tmp_path, "2026-07-01")
        with Archive(tmp_path) as archive:
            assert archive.count(LogFilter()).rows == 8


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from logstore import removal, retention
folder, where = Path(sys.argv[1]), sys.argv[2]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "half unlinked":
    real = Path.unlink
    def unlink(path, missing_ok=False):
        real(path, missing_ok=missing_ok)
        die()
    Path.unlink = unlink
else:
    setattr(removal if where == "sync_folder" else retention, where, die)
retention.prune(folder, datetime(2026, 11, 21, 3, 20, tzinfo=UTC), ZoneInfo("Europe/London"))
"""


@pytest.mark.parametrize("where", ["remove_day", "half unlinked", "sync_folder", "_forget", "compact", "_finish"])
def test_a_kill_at_any_step_is_finished_by_the_next_run(tmp_path: Path, where: str) -> None:
    fill(tmp_path, OLD, NEW)
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), where], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    with Archive(tmp_path) as archive:
        assert len([row for row in archive.walk(LogFilter()) if f"{row.at:%Y-%m-%d}" == NEW]) == 4
    assert last_run(tmp_path) is None
    report = prune(tmp_path, NOW, LONDON)
    assert report.ok
    if report.days:  # what the first run noted of a file that is gone already
        assert report.days[0].rows == 4
    with reading(tmp_path) as catalog:
        assert len(entries(catalog, subject=f"{OLD}.db")) == 1
    assert traces(tmp_path, "mark20260519") == []
    with Archive(tmp_path) as archive:
        assert archive.count(LogFilter()).rows == 4


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A row at the first and at the last millisecond of every UTC day from January to August."""
    folder = tmp_path_factory.mktemp("year")
    day = date(2026, 1, 20)
    with Store(folder) as store:
        while day < date(2026, 4, 10):
            start = int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000
            store.append(
                [(request(ids_from(us).next(), user=f"of-{day}"), ended()) for us in (start, start + 86_399_999_000)]
            )
            day += timedelta(days=1)
    yield folder


def test_a_run_every_day_across_leap_days_and_clock_changes(year: Path) -> None:
    """Through 31 August → 28 February and the spring change: at no time a row too old, at no time one too few."""
    for day in [date(2026, 8, 25) + timedelta(days=n) for n in range(45)]:
        now = datetime.combine(day, time(3, 20), LONDON)
        limit = cutoff(now, LONDON, 6)
        prune(year, now, LONDON)
        with Archive(year) as archive:
            times = [row.at for row in archive.walk(LogFilter(), rising=True)]
        assert all(at >= limit - timedelta(days=1) for at in times)
        oldest = oldest_day(year)
        assert oldest is not None
        assert oldest == kept_from(limit)
        assert traces(year / "days", f"of-{oldest - timedelta(days=1)}") == []
        assert len(times) == 2 * (date(2026, 4, 10) - oldest).days


class TestOverdue:
    """Retention that stops raises an alarm within a day (A-13)."""

    def test_a_new_store_is_not(self, tmp_path: Path) -> None:
        with Store(tmp_path):
            pass
        assert overdue(tmp_path, NOW, LONDON) is None

    @pytest.mark.parametrize(("hours", "behind"), [(1, False), (25, False), (27, True)])
    def test_a_run_that_did_not_come(self, tmp_path: Path, hours: int, behind: bool) -> None:
        fill(tmp_path, NEW)
        prune(tmp_path, NOW, LONDON)
        found = overdue(tmp_path, NOW + timedelta(hours=hours), LONDON)
        assert (found is not None) == behind
        if found is not None:
            assert str(found) == "retention ran last on 2026-11-21 03:20 UTC"

    def test_a_store_that_was_never_pruned(self, tmp_path: Path) -> None:
        clock = int(NOW.timestamp()) * 10**9
        with Store(tmp_path, clock=lambda: clock) as store:
            store.append([(request(ids_from(at_noon(NEW)).next()), ended())])
        assert overdue(tmp_path, NOW + timedelta(hours=20), LONDON) is None
        assert str(overdue(tmp_path, NOW + timedelta(hours=30), LONDON)) == "retention ran never"

    def test_rows_too_old_though_it_ran(self, tmp_path: Path) -> None:
        fill(tmp_path, NEW)
        prune(tmp_path, NOW, LONDON)
        (days_folder(tmp_path) / "2026-05-18.db").write_bytes(b"")
        found = overdue(tmp_path, NOW + timedelta(hours=1), LONDON)
        assert found is not None
        assert (found.oldest_day, found.days) == (date(2026, 5, 18), 1)
        assert str(found).endswith("1 day(s) too old remain, from 2026-05-18")
