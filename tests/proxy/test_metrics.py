"""`/metrics` of the whole gateway: every worker added up, what only the supervisor sees, and nobody's name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from categories.model import ListStatus
from logstore.disk import SpoolLimits
from proxy.metrics import Facts, GatewayCollector, read_status, serve_metrics
from tests.conftest import REPOSITORY
from tests.rig.disks import small_disk

LIMITS = SpoolLimits(max_bytes=1_000_000)

WORKER = """
import os, sys
from prometheus_client import REGISTRY
from addons.metrics import Metrics
metrics = Metrics(REGISTRY)
for _ in range(int(sys.argv[1])):
    metrics.count_request("allow", "ks3", "default")
    metrics.decision_seconds.observe(0.00001)
metrics.connections.set(int(sys.argv[2]))
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class Page:
    """The page of a gateway whose workers are little programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metrics").mkdir()
        (folder / "run").mkdir()
        self.facts = Facts(spool=LIMITS)
        self.server, self.thread = serve_metrics("127.0.0.1", 0, folder, folder / "metrics", self.facts)
        self.workers: list[subprocess.Popen[str]] = []

    def work(self, requests: int, connections: int = 0) -> int:
        """One worker's counts; it stays alive."""
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics")}
        command = [sys.executable, "-c", WORKER, str(requests), str(connections)]
        worker = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.workers.append(worker)
        assert worker.stdout is not None
        return int(worker.stdout.readline())

    def text(self) -> str:
        """What Prometheus scrapes."""
        address = f"http://127.0.0.1:{self.server.server_port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())

    def value(self, name: str, **labels: str) -> float | None:
        """One number of the page."""
        for family in text_string_to_metric_families(self.text()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    yield made
    for worker in made.workers:
        worker.kill()
        worker.communicate()
    made.server.shutdown()
    made.server.server_close()


def test_workers_are_added_up_and_a_dead_one_s_counts_stay(page: Page) -> None:
    """A counter never goes down because a worker was replaced; open connections do."""
    from prometheus_client.multiprocess import mark_process_dead

    page.work(3, connections=5)
    second = page.work(4, connections=7)
    assert page.value("schoolgate_requests_total", action="allow") == 7
    assert page.value("schoolgate_decision_seconds_count") == 7
    assert page.value("schoolgate_connections") == 12
    page.workers[1].kill()
    page.workers[1].wait(10)
    mark_process_dead(second, path=str(page.folder / "metrics"))
    page.work(1, connections=2)
    assert page.value("schoolgate_requests_total", action="allow") == 8
    assert page.value("schoolgate_connections") == 7


def test_the_engine_and_its_lists(page: Page) -> None:
    """Revision, entries, age; never compliant by accident."""
    page.facts.revision = "abc123"
    page.facts.lists = (ListStatus("starter/games", "games", 12, 0, time.time() - 3600, "starter"),)
    assert page.value("schoolgate_engine_info", revision="abc123") == 1
    assert page.value("schoolgate_list_entries", list="starter/games") == 12
    age = page.value("schoolgate_list_age_seconds", list="starter/games")
    assert age is not None
    assert 3500 < age < 3700
    assert page.value("schoolgate_statutory_compliant") == 0


def test_the_spool_as_the_shipper_says(page: Page) -> None:
    """Nothing said is nothing waiting, and the last success is never; what waits grows older."""
    assert page.value("schoolgate_shipper_last_success_seconds") == 0
    facts = {"lag_events": 5, "oldest_seconds": 2.5, "shipped": 9, "failed": 1, "written_at": time.time() - 60}
    (page.folder / "run" / "shipper.json").write_text(json.dumps(facts))
    assert page.value("schoolgate_spool_events") == 5
    oldest = page.value("schoolgate_spool_oldest_seconds")
    assert oldest is not None
    assert 62.5 <= oldest < 120, "a shipper that stands still does not look young"
    assert (page.value("schoolgate_rows_shipped_total"), page.value("schoolgate_rows_failed_total")) == (9, 1)


@pytest.mark.parametrize("content", [None, b"", b"half {", b"[1]", b"\xff"])
def test_half_a_status_is_none(tmp_path: Path, content: bytes | None) -> None:
    """A scrape never fails because a file is being written."""
    file = tmp_path / "shipper.json"
    if content is not None:
        file.write_bytes(content)
    assert read_status(file) == {}


def test_processes_by_name(page: Page) -> None:
    """A process that has just gone is left out."""
    page.facts.processes = lambda: {"supervisor": os.getpid(), "worker0": 2**22 - 1}
    page.facts.workers, page.facts.restarts = (lambda: 1), (lambda: 4)
    own = page.value("schoolgate_process_resident_bytes", process="supervisor")
    assert own is not None
    assert own > 1_000_000
    assert page.value("schoolgate_process_resident_bytes", process="worker0") is None
    assert (page.value("schoolgate_workers"), page.value("schoolgate_worker_restarts_total")) == (1, 4)


def test_a_busy_port_is_an_error_before_anything_else(page: Page) -> None:
    """Said at the start, not found at the first scrape."""
    with pytest.raises(OSError, match="in use"):
        serve_metrics("127.0.0.1", page.server.server_port, page.folder, page.folder / "metrics", Facts())


def test_a_full_disk_does_not_end_a_worker_that_counts(tmp_path: Path) -> None:
    """Its counters have their room from the start: a thousand new ones on a disk without a byte left."""
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom proxy.metrics import reserve_room\n"
        "folder = Path(os.environ['PROMETHEUS_MULTIPROC_DIR'])\n"
        "if sys.argv[1] == 'reserved':\n    assert reserve_room(folder, os.getpid())\n"
        "from prometheus_client import REGISTRY\nfrom addons.metrics import Metrics\nmetrics = Metrics(REGISTRY)\n"
        "from tests.rig.disks import fill_disk\nfill_disk(folder)\n"
        "for number in range(1000):\n    metrics.count_request('block', 'ks3', f'reason-{number}')\n"
    )
    with small_disk(tmp_path / "disk", 4) as disk:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(disk)}
        ends = {}
        for how in ("reserved", "as it comes"):
            command = [sys.executable, "-c", script, how]
            ends[how] = subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode
            for file in disk.iterdir():
                file.unlink()
    assert ends == {"reserved": 0, "as it comes": -signal.SIGBUS}


def test_the_spools_room_is_measured_when_asked(page: Page) -> None:
    """Not told by the shipper, who cannot tell anything when the disk is full."""
    assert page.value("schoolgate_spool_level", level="ok") == 1
    spool = page.folder / "spool"
    spool.mkdir()
    (spool / "w0-1-1.00000001.seg").write_bytes(b"x" * 900_000)
    assert page.value("schoolgate_spool_bytes") == 900_000
    assert page.value("schoolgate_spool_free_bytes") == 100_000
    assert page.value("schoolgate_spool_level", level="full") == 1
    (spool / "w0-1-1.00000001.seg").write_bytes(b"x" * 750_000)
    levels = [page.value("schoolgate_spool_level", level=level) for level in ("ok", "warn", "alert", "full")]
    assert levels == [0, 1, 0, 0]


@pytest.mark.parametrize("place", ["database", "folder"])
def test_the_age_of_the_oldest_row_is_known_wherever_the_record_is(tmp_path: Path, place: str) -> None:
    """Or nobody would hear that a database, or files elsewhere, keep rows too long."""
    elsewhere = tmp_path / "elsewhere"
    if place == "database":
        (tmp_path / "run").mkdir()
        told = {"at": 1.0, "missing": 2, "stray": 3, "oldest": "2026-01-01"}
        (tmp_path / "run" / "partitions.json").write_text(json.dumps(told), encoding="utf-8")
    else:
        (elsewhere / "days").mkdir(parents=True)
        (elsewhere / "days" / "2026-01-01.db").touch()
    facts = Facts(record=elsewhere if place == "folder" else None)
    found = {one.name: one.samples[0].value for one in GatewayCollector(tmp_path, facts).collect() if one.samples}
    age = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert abs(found["schoolgate_oldest_row_seconds"] - age) < 600
    assert found["schoolgate_stray_rows"] == (3 if place == "database" else 0)
    assert found["schoolgate_partitions_missing"] == (2 if place == "database" else 0)
