"""`schoolgate shipper` as a process: ships, keeps alone, stops cleanly, runs the daily retention.

Shows: `proxy.commands.shipper`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore.ids import RecordIds
from logstore.retention import last_run
from logstore.shipping import read_status
from logstore.spool import SpoolLimits, SpoolWriter
from tests.logstore.spooling import fill, stored
from tests.logstore.test_spool import wait_for

type Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `schoolgate shipper` on a data folder of the test's own; kills what is left."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "proxy", "--data", str(tmp_path), "shipper", *more]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[SpoolWriter]:
    writer = SpoolWriter(tmp_path / "spool", "worker0", limits=SpoolLimits(ballast_bytes=0))
    yield writer
    writer.shut()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_ships_and_stops_cleanly(
    start: Start, worker: SpoolWriter, tmp_path: Path, signal_number: signal.Signals
) -> None:
    """What was spooled right before the signal is shipped too."""
    ids, status = RecordIds(0), tmp_path / "run" / "shipper.json"
    done = fill(worker, ids, 100)
    process = start()
    wait_for(lambda: (told := read_status(status)) and told.shipped == 100, "the rows", 20)
    done += fill(worker, ids, 100)
    process.send_signal(signal_number)
    assert process.wait(15) == 0
    assert stored(tmp_path / "store") == dict.fromkeys(done, "response")


def test_a_second_one_says_so_and_ends(start: Start, worker: SpoolWriter, tmp_path: Path) -> None:
    """With the first one's number; the first goes on."""
    first = start()
    wait_for(lambda: read_status(tmp_path / "run" / "shipper.json"), "the first to ship", 20)
    second = start()
    _, said = second.communicate(timeout=15)
    assert second.returncode == 1
    assert f"another shipper (process {first.pid})" in said
    assert first.poll() is None


def test_once_ships_what_is_there(start: Start, worker: SpoolWriter, tmp_path: Path) -> None:
    """For a restore, a test, a cron job."""
    done = fill(worker, RecordIds(0), 30)
    assert start("--once").wait(20) == 0
    assert stored(tmp_path / "store").keys() == set(done)


def test_once_says_when_the_store_fails(start: Start, worker: SpoolWriter, tmp_path: Path) -> None:
    """And leaves the spool as it is."""
    (tmp_path / "store").write_text("a file in the way")
    fill(worker, RecordIds(0), 30)
    process = start("--once")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "not everything is shipped" in said
    assert worker.state().events == 60


def test_it_runs_the_daily_retention_that_was_missed(start: Start, worker: SpoolWriter, tmp_path: Path) -> None:
    """At the start; the status tells when."""
    fill(worker, RecordIds(0), 1)
    began = datetime.now(UTC).timestamp() - 1
    process = start()
    status = tmp_path / "run" / "shipper.json"
    wait_for(lambda: (told := read_status(status)) and told.retention_last_run > began, "retention", 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    ran = last_run(tmp_path / "store")
    assert ran is not None
    assert ran.timestamp() > began


def test_a_zone_that_does_not_exist_is_told(tmp_path: Path, worker: SpoolWriter) -> None:
    """Before anything is shipped."""
    (tmp_path / "schoolgate.yaml").write_text("record: {timezone: Europe/Lundon}\n")
    command = [sys.executable, "-m", "proxy", "--settings", str(tmp_path / "schoolgate.yaml"), "shipper", "--once"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    assert "Europe/Lundon" in ended.stderr
