"""Every night days are sealed, the record is checked, and what is wrong is told until somebody has seen to it."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logstore.db import days_folder, open_catalog
from logstore.place import Database
from logstore.postgres import locks
from logstore.postgres.db import open_engine
from logstore.store import Store, open_store
from logstore.verify import verify
from proxy import evidencejob
from proxy.evidencejob import TOLD, EvidenceJob
from proxy.metrics import Facts, GatewayCollector
from proxy.settings import Settings
from tests.logstore.rows import AT, batch, ended, ids_from, request

LONDON = ZoneInfo("Europe/London")
NIGHT = datetime(2026, 11, 22, 4, 40, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data=tmp_path)
    with Store(made.data / "store") as store:
        store.append(batch(20))
        store.append([(request(ids_from(AT + 86_400_000_000).next()), ended())])
    return made


def told(settings: Settings) -> Any:
    return json.loads((settings.data / "run" / TOLD).read_text(encoding="utf-8"))


def metrics(settings: Settings) -> dict[str, float]:
    families = GatewayCollector(settings.data, Facts()).collect()
    return {sample.name: sample.value for family in families for sample in family.samples if "evidence" in sample.name}


def job(settings: Settings) -> EvidenceJob:
    return EvidenceJob(settings, LONDON, threading.Event())


def test_a_night_seals_and_checks_and_says_so(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    job(settings).work(NIGHT)
    assert [path.stat().st_mode & 0o777 for path in sorted(days_folder(settings.data / "store").glob("*.db"))] == [
        0o400,
        0o600,
    ]
    said = told(settings)
    assert {name: said[name] for name in ("at", "problems", "unsealed", "checked", "left")} == {
        "at": NIGHT.timestamp(), "problems": 0, "unsealed": 0, "checked": 2, "left": 0,
    }  # fmt: skip
    number, _, mark = said["head"].partition(":")
    assert f"head of the record: {number}:{mark}" in caplog.text
    assert verify(settings.data / "store", kept=(int(number), mark)).ok
    assert metrics(settings) == {
        "schoolgate_evidence_last_run_seconds": NIGHT.timestamp(),
        "schoolgate_evidence_problems": 0,
        "schoolgate_evidence_unsealed": 0,
    }


def test_what_was_changed_is_told_every_night(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    job(settings).work(NIGHT)
    day = days_folder(settings.data / "store") / "2026-11-21.db"
    day.chmod(0o600)
    with contextlib.closing(sqlite3.connect(day)) as connection, connection:
        connection.execute("DELETE FROM log WHERE id = (SELECT min(id) FROM log)")
    for night in (1, 2):
        caplog.clear()
        job(settings).work(NIGHT + timedelta(days=night))
        assert metrics(settings)["schoolgate_evidence_problems"] == 2
        assert list(told(settings)["wrong"]) == ["2026-11-21.db"]
        assert "2026-11-21.db, batch 1" in caplog.text
        assert "pupil" not in caplog.text


def test_a_day_found_wrong_is_remembered_and_leaves_room_for_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(settings).work(NIGHT)
    day = days_folder(settings.data / "store") / "2026-11-21.db"
    day.chmod(0o600)
    with contextlib.closing(sqlite3.connect(day)) as connection, connection:
        connection.execute("DELETE FROM log WHERE id = (SELECT min(id) FROM log)")
    monkeypatch.setattr(evidencejob, "CHECK_SECONDS", 1e-9)
    checked = []
    for night in (1, 2, 3):
        job(settings).work(NIGHT + timedelta(days=night))
        checked.append((told(settings)["checked"], told(settings)["left"], list(told(settings)["wrong"])))
    assert checked == [(1, 1, ["2026-11-21.db"])] + [(2, 0, ["2026-11-21.db"])] * 2


def test_every_day_found_wrong_is_told_though_there_is_time_for_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not looked at again is told as it was found, and counted, until it is looked at and found whole."""
    job(settings).work(NIGHT + timedelta(days=1))
    first, second = (days_folder(settings.data / "store") / f"2026-11-{day}.db" for day in (21, 22))
    kept = second.read_bytes()
    for file in (first, second):
        file.chmod(0o600)
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE log SET path = '/innocent' WHERE id = (SELECT min(id) FROM log)")
    job(settings).work(NIGHT + timedelta(days=2))
    monkeypatch.setattr(evidencejob, "CHECK_SECONDS", 1e-9)
    looked_at = []
    for night in (3, 4, 5):
        caplog.clear()
        job(settings).work(NIGHT + timedelta(days=night))
        assert set(told(settings)["wrong"]) == {first.name, second.name}
        assert metrics(settings)["schoolgate_evidence_problems"] == caplog.text.count("is not what was written")
        assert all(f"{file.name}, " in caplog.text or f"{file.name}: " in caplog.text for file in (first, second))
        assert caplog.text.count("no time to look again") == 1
        looked_at.append(list(told(settings)["wrong"])[-1])
    assert looked_at == [first.name, second.name, first.name]
    second.write_bytes(kept)
    job(settings).work(NIGHT + timedelta(days=6))
    assert list(told(settings)["wrong"]) == [first.name]


def test_what_the_version_before_found_wrong_is_not_forgotten(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It wrote the names of the files alone: both are told, and counted, the one that was not looked at by its name."""
    job(settings).work(NIGHT + timedelta(days=1))
    files = [f"2026-11-{day}.db" for day in (21, 22)]
    for file in files:
        (days_folder(settings.data / "store") / file).chmod(0o600)
        with contextlib.closing(sqlite3.connect(days_folder(settings.data / "store") / file)) as damaged, damaged:
            damaged.execute("UPDATE log SET path = '/innocent' WHERE id = (SELECT min(id) FROM log)")
    before = told(settings) | {"problems": 2, "wrong": files}
    (settings.data / "run" / TOLD).write_text(json.dumps(before), encoding="utf-8")
    monkeypatch.setattr(evidencejob, "CHECK_SECONDS", 1e-9)
    job(settings).work(NIGHT + timedelta(days=2))
    assert set(told(settings)["wrong"]) == set(files)
    assert metrics(settings)["schoolgate_evidence_problems"] == caplog.text.count("is not what was written") == 3
    assert "by what was found at 2026-11-23 04:40 UTC (no time to look again): 2026-11-2" in caplog.text


def test_many_things_wrong_with_one_day_leave_room_to_tell_the_next(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    days = days_folder(settings.data / "store")
    for day in (21, 22):
        with contextlib.closing(sqlite3.connect(days / f"2026-11-{day}.db")) as connection, connection:
            connection.execute("DELETE FROM log_batch" if day == 21 else "UPDATE log SET path = '/innocent'")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evidencejob, "_NAMED", 1)
        job(settings).work(NIGHT - timedelta(days=1))
    assert all(f"written: 2026-11-{day}.db" in caplog.text for day in (21, 22))


def test_a_night_that_was_missed_is_made_up_for_once(settings: Settings) -> None:
    first = job(settings)
    assert first.job.run_if_due()
    assert not first.job.run_if_due()
    assert not job(settings).job.run_if_due()


def test_without_a_store_there_is_nothing_to_do(tmp_path: Path) -> None:
    job(Settings(data=tmp_path)).work(NIGHT)
    assert not (tmp_path / "run" / TOLD).exists()


def test_it_ends_when_told_to(settings: Settings) -> None:
    stop = threading.Event()
    nightly = EvidenceJob(settings, LONDON, stop, every=0.01)
    nightly.start()
    while not (settings.data / "run" / TOLD).exists():
        threading.Event().wait(0.01)
    stop.set()
    nightly.join(60)
    assert nightly.job.done is not None


def test_a_night_beside_a_database_takes_old_rows_in_and_checks(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows of the release before chains come under one; the end of it is in the trail."""
    caplog.set_level(logging.INFO)
    made = Settings(data=tmp_path, record={"store": str(database)})  # type: ignore[arg-type]
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(20))
    with open_catalog(database).begin() as catalog:
        catalog.exec_driver_sql("UPDATE day_file SET batches = NULL")
        catalog.exec_driver_sql("DELETE FROM chain_batch")
    for night in (0, 1):
        job(made).work(NIGHT + timedelta(days=night))
        said = told(made)
        assert (said["problems"], said["checked"], said["left"], said["unsealed"]) == (0, 1, 0, 0)
    assert caplog.text.count("20 rows that are older than the hash chain") == 1
    number, _, mark = said["head"].partition(":")
    assert int(number) == 2, "a line for the rows, a line for the ends; the second night has nothing new to say"
    assert verify(database, kept=(int(number), mark)).ok


def test_a_day_that_another_gateway_is_looking_at_stays_as_it_was_found(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told and counted, and not said that there was no time."""
    made = Settings(data=tmp_path, record={"store": str(database)})  # type: ignore[arg-type]
    with open_store(database, clock=lambda: AT * 1000) as store:
        store.append(batch(20))
    with open_catalog(database).begin() as catalog:
        catalog.exec_driver_sql("UPDATE log SET path = '/innocent' WHERE id = (SELECT min(id) FROM log)")
    job(made).work(NIGHT)
    found = told(made)
    assert list(found["wrong"]) == ["log_20261121"]
    caplog.clear()
    with open_engine(database).connect() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({locks.CHECK}, 20261121)")
        job(made).work(NIGHT + timedelta(days=1))
    again = told(made)
    assert (again["wrong"], again["problems"], again["checked"], again["left"]) == (found["wrong"], 1, 0, 1)
    assert "by what was found at 2026-11-22 04:40 UTC (another gateway is looking at it): log_20261121" in caplog.text
    assert "no time" not in caplog.text
