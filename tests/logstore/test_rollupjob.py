"""Roll-ups are kept up while records are shipped, and say how they stand."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rollupjob import TOLD, RollupJob
from logstore.stats import Figures
from logstore.store import Store

from .rows import batch


def test_a_round_sums_what_is_stale_and_says_so(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.append(batch(40))
    stop = threading.Event()
    stop.set()
    job = RollupJob(tmp_path / "store", tmp_path / "run" / TOLD, stop)
    job.start()
    job.join(60)
    told = json.loads((tmp_path / "run" / TOLD).read_text(encoding="utf-8"))
    assert (told["hours"], told["stale"], told["error"]) == (1, 0, "")
    assert abs(told["at"] - datetime.now(UTC).timestamp()) < 600
    with Archive(tmp_path / "store") as archive:
        assert Figures(archive, LogFilter()).totals().basis.source == "roll-ups"


def test_before_there_is_a_record_there_is_nothing_to_do(tmp_path: Path) -> None:
    status = RollupJob(tmp_path, tmp_path / TOLD, threading.Event()).round()
    assert (status.hours, status.stale, status.error) == (0, 0, "")


def test_what_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(batch(3))
    blocker = tmp_path / "rollups"
    blocker.write_text("in the way", encoding="utf-8")
    job = RollupJob(tmp_path, tmp_path / TOLD, threading.Event())
    assert "rollups" in job.round().error
    blocker.unlink()
    assert (job.round().hours, job.round().error) == (1, "")
