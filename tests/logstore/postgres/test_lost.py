"""Faults under load against a real PostgreSQL, counted row by row against what workers were told is recorded.

How long the server is away is told by `SCHOOLGATE_AWAY_SECONDS`: 600 for the ten minutes of the requirement.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from logstore.db import migrate_with, open_catalog, upgrade
from logstore.filter import LogFilter
from logstore.place import Database
from logstore.query import Archive
from logstore.segments import list_segments
from logstore.shipper import Shipper
from logstore.shipping import read_status
from logstore.store import open_store
from tests.logstore.kill.test_kill import has_shipped, kill, read_notes, running, start
from tests.rig.postgres import Postgres
from tests.rig.waiting import wait_for

AWAY = float(os.environ.get("SCHOOLGATE_AWAY_SECONDS", "12"))
"""Seconds the server is gone."""
WORKERS = 2
DEATHS = 10
"""Deaths of the first test, of everybody in turn."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 2 * AWAY)]


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of the test's own, because it is killed; it keeps what it confirmed, as it must."""
    made = Postgres("-c", "fsync=on")
    try:
        yield made.start()
    finally:
        made.remove()


class School:
    """Workers that record as fast as they may, and a shipper; all of them are killed at the end."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.spool = folder / "spool"
        self.status = folder / "shipper.json"
        self._lives: Counter[str] = Counter()

    def worker(self, name: str) -> object:
        """A worker's next life."""
        self._lives[name] += 1
        notes = self.folder / f"{name}.{self._lives[name]}.notes"
        return start("tests.logstore.kill.producer", self.spool, name, int(name[1:]), notes)

    def shipper(self) -> object:
        """The shipper's next life."""
        return start("tests.logstore.kill.shipping", self.spool, self.database.address, self.status)

    def shipped(self) -> int:
        """Rows the present shipper brought in."""
        told = read_status(self.status)
        return 0 if told is None else told.shipped

    def during(self, faults: Callable[[dict[str, object]], None]) -> None:
        """Record and ship while `faults` does what it does; then drain, and count."""
        with running() as processes:
            everybody: dict[str, object] = processes  # type: ignore[assignment]
            for number in range(WORKERS):
                everybody[f"w{number}"] = self.worker(f"w{number}")
            everybody["shipper"] = self.shipper()
            faults(everybody)
            for process in processes.values():
                kill(process)
        self._count()

    def _count(self) -> None:
        opened, closed, lives = read_notes(self.folder)
        shipper = Shipper(self.spool, lambda: open_store(self.database))
        wait_for(shipper.drain, "everything to be shipped", seconds=240)
        shipper.close()
        with Archive(self.database, seconds=300) as archive:
            found = [(row.id, str(row.ending.kind)) for row in archive.walk(LogFilter())]
        times = Counter(record_id for record_id, _ in found)
        rows = dict(found)
        doubled = sum(count > 1 for count in times.values())
        lost = opened.keys() - rows.keys()
        print(f"{len(opened)} acknowledged, {len(found)} rows, lost {len(lost)}, doubled {doubled}, {lives} lives")
        assert len(opened) > 1_000, "the workers hardly recorded anything"
        assert not lost, f"lost {len(lost)}"
        assert not doubled, f"doubled {doubled}"
        assert len(rows.keys() - opened.keys()) <= lives, "a life may end between the spool's yes and its note, once"
        assert not [one for one in closed if rows[one] != "response"], "an ending that was acknowledged is missing"
        assert not list_segments(self.spool), "everything is shipped and the spool is not empty"
        assert shipper.status().rejected == 0


@pytest.fixture
def school(server: Postgres, tmp_path: Path) -> School:
    """A school that records into the server."""
    database = server.database()
    upgrade(database)
    return School(tmp_path, database)


def test_workers_shipper_backends_and_server_die(school: School, server: Postgres) -> None:
    """By SIGKILL, at random moments, after rows went in since the last death."""
    deaths: Counter[str] = Counter()

    def faults(processes: dict[str, object]) -> None:
        for number in range(DEATHS):
            wait_for(lambda: has_shipped(school.status, processes["shipper"].pid), "rows to go in", seconds=90)  # type: ignore[attr-defined]
            time.sleep(random.uniform(0, 0.4))  # the moment of death is what this test varies
            victim = ("server", "shipper", "backend", "w0", "w1")[number % 5]
            deaths[victim] += 1
            if victim == "server":
                server.kill()
                time.sleep(random.uniform(0, 0.5))
                server.start()
            elif victim == "backend":
                _kill_a_backend(server)
            else:
                kill(processes[victim])  # type: ignore[arg-type]
                processes[victim] = school.shipper() if victim == "shipper" else school.worker(victim)

    school.during(faults)
    assert len(deaths) == 5


def _kill_a_backend(server: Postgres) -> None:
    """SIGKILL to the process that stores rows: PostgreSQL throws everybody out and recovers."""
    for process in psutil.Process(server.pid).children():
        if any("owner" in word and "sg" in word for word in process.cmdline()):
            process.kill()
            return


def test_the_server_is_gone_for_a_while(school: School, server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows collect on disk meanwhile, a worker dies too, and all of them are there after."""
    monkeypatch.setenv("SCHOOLGATE_PACE", str(AWAY / 40_000))  # as many rows, however long it lasts

    def faults(processes: dict[str, object]) -> None:
        wait_for(lambda: school.shipped() > 100, "rows to go in", seconds=90)
        server.stop()
        before = school.shipped()
        time.sleep(AWAY / 2)  # being away is what this test does
        kill(processes["w0"])  # type: ignore[arg-type]
        processes["w0"] = school.worker("w0")
        time.sleep(AWAY / 2)
        told = read_status(school.status)
        assert told is not None
        assert told.error, "the shipper does not say that the server is away"
        server.start()
        wait_for(lambda: school.shipped() > before, "rows to go in again", seconds=90)

    school.during(faults)


def test_migrations_run_while_rows_are_shipped(school: School) -> None:
    """Back and forth: tables, columns and indexes of every day change under the shipper's hands."""

    def faults(processes: dict[str, object]) -> None:
        del processes
        engine = open_catalog(school.database)
        for number in range(4):
            before = school.shipped()
            wait_for(lambda before=before: school.shipped() > before + 100, "rows to go in", seconds=90)  # type: ignore[misc]
            migrate_with(engine, "catalog", "catalog_0011", down=True)
            assert upgrade(school.database) == ("catalog",)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE log ADD COLUMN later_{number} text")
                connection.exec_driver_sql(f"CREATE INDEX log_later_{number} ON log (later_{number})")
        engine.dispose()

    school.during(faults)
