"""`/metrics` of the whole gateway: every worker's counters added up, and what only the supervisor can see.

Served from the supervisor by prometheus-client; workers write to memory-mapped files in the run folder. No user, host
or URL is a label (design §5.9).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from categories.model import ListStatus
from logstore.disk import DiskUse, SpoolLimits, measure
from proxy.carotate import beside

LEVELS = ("ok", "warn", "alert", "full")
COUNTERS = 256 * 1024
"""Bytes of disk a worker's counters of one kind are given at its start: some thousand counters."""


@dataclass(slots=True)
class Facts:
    """What the supervisor knows; replaced field by field, read at each scrape."""

    spool: SpoolLimits = field(default_factory=SpoolLimits)
    """How much disk the spool may fill."""
    record: Path | None = None
    """Folder of the record, when it is files elsewhere than in the data folder."""
    revision: str = ""
    """Revision of the engine in force."""
    loaded_at: float = 0.0
    """When it was loaded, POSIX time."""
    lists: tuple[ListStatus, ...] = ()
    """The lists in force."""
    statutory: Callable[[], bool] = bool
    """Whether every statutory list that must be is valid now: asked at each scrape, so that it never stays green."""
    ca_ends: float = 0.0
    """When the CA expires, POSIX time."""
    reloads: dict[str, int] = field(default_factory=lambda: {"ok": 0, "failed": 0})
    """Reloads by result."""
    list_updates: Callable[[], dict[str, tuple[int, float]]] = dict
    """Failed updates and last success (POSIX time) by list."""
    processes: Callable[[], dict[str, int]] = dict
    """Process ids by name."""
    restarts: Callable[[], int] = int
    """Children that ended and were started again."""
    workers: Callable[[], int] = int
    """Workers running."""


class GatewayCollector(Collector):
    """What only the supervisor can see."""

    def __init__(self, data: Path, facts: Facts) -> None:
        self.data = data
        self.facts = facts

    def collect(self) -> Iterable[Metric]:
        """All of it, at a scrape."""
        yield from self._engine()
        yield from self._spool()
        yield from self._store()
        yield from self._processes()

    def _engine(self) -> Iterator[Metric]:
        facts = self.facts
        info = GaugeMetricFamily("schoolgate_engine_info", "The engine in force.", labels=["revision"])
        info.add_metric([facts.revision], 1)
        yield info
        yield _gauge("schoolgate_engine_loaded_seconds", "When the engine in force was loaded.", facts.loaded_at)
        entries = GaugeMetricFamily("schoolgate_list_entries", "Entries of a list.", labels=["list"])
        ages = GaugeMetricFamily("schoolgate_list_age_seconds", "Age of a list's newest file.", labels=["list"])
        now = time.time()
        for status in facts.lists:
            entries.add_metric([status.name], status.entries)
            ages.add_metric([status.name], max(0.0, now - status.updated_at))
        yield entries
        yield ages
        yield from self._updates()
        yield _gauge(
            "schoolgate_statutory_compliant", "1 when a valid statutory list is in force.", float(facts.statutory())
        )
        yield _gauge("schoolgate_ca_expiry_timestamp_seconds", "When the CA expires, POSIX time.", facts.ca_ends)
        words = "When a CA came to lie beside the one in force, POSIX time."
        rotation = GaugeMetricFamily("schoolgate_ca_rotation_seconds", words, labels=["step"])
        for step, since in beside(self.data / "ca").items():
            rotation.add_metric([step], since.timestamp())
        yield rotation
        reloads = CounterMetricFamily("schoolgate_reloads", "Reloads by result.", labels=["result"])
        for result, count in facts.reloads.items():
            reloads.add_metric([result], count)
        yield reloads

    def _updates(self) -> Iterator[Metric]:
        failures = CounterMetricFamily(
            "schoolgate_list_update_failures", "Updates of a list that failed or were refused.", labels=["list"]
        )
        success = GaugeMetricFamily(
            "schoolgate_list_last_success_seconds", "Last good update of a list, POSIX time.", labels=["list"]
        )
        for name, (failed, at) in self.facts.list_updates().items():
            failures.add_metric([name], failed)
            success.add_metric([name], at)
        yield failures
        yield success

    def _spool(self) -> Iterator[Metric]:
        said = read_status(self.data / "run" / "shipper.json")
        use = self._disk()
        yield _gauge("schoolgate_spool_events", "Events not yet shipped.", said.get("lag_events", 0))
        yield _gauge("schoolgate_spool_bytes", "Disk the spool fills.", use.used)
        yield _gauge("schoolgate_spool_free_bytes", "Disk the spool may still fill.", self.facts.spool.left(use))
        # The report's own age is added: a shipper that stands still must not look young.
        waited = max(0.0, time.time() - said["written_at"]) if said.get("lag_events") and "written_at" in said else 0.0
        oldest = said.get("oldest_seconds", 0) + waited
        yield _gauge("schoolgate_spool_oldest_seconds", "Age of the oldest event.", oldest)
        level = GaugeMetricFamily("schoolgate_spool_level", "1 for the level the spool is at.", labels=["level"])
        for name in LEVELS:
            level.add_metric([name], float(self.facts.spool.level(use) == name))
        yield level
        for key, name, words in (
            ("shipped", "schoolgate_rows_shipped", "Rows in the store."),
            ("folded", "schoolgate_requests_folded", "Requests counted in the row of another just like them."),
            ("failed", "schoolgate_rows_failed", "Tries that failed."),
            ("quarantined", "schoolgate_rows_quarantined", "Rows set aside because they cannot be stored."),
            ("missing_events", "schoolgate_spool_missing", "Events that were destroyed in the spool."),
        ):
            yield CounterMetricFamily(name, words, value=float(said.get(key, 0)))
        yield _gauge(
            "schoolgate_shipper_last_success_seconds", "Last success, POSIX time.", said.get("last_success", 0)
        )

    def _disk(self) -> DiskUse:
        """Measured here and not by the shipper: when the disk is full, the shipper cannot tell."""
        try:
            return measure(self.data / "spool", probe=True)
        except OSError:  # not made yet
            return DiskUse(0, self.facts.spool.max_bytes, 0)

    def _store(self) -> Iterator[Metric]:
        said = read_status(self.data / "run" / "shipper.json")
        yield _gauge(
            "schoolgate_retention_last_run_seconds",
            "Last retention run, POSIX time.",
            said.get("retention_last_run", 0),
        )
        yield _gauge(
            "schoolgate_retention_overdue",
            "Things the latest retention run should have removed and could not.",
            read_status(self.data / "run" / "retention.json").get("overdue", 0),
        )
        yield _gauge(
            "schoolgate_records_left_behind",
            "Places the record moved from with rows that somebody has to see to.",
            read_status(self.data / "run" / "retention.json").get("left_behind", 0),
        )
        sums = read_status(self.data / "run" / "rollups.json")
        yield _gauge("schoolgate_rollup_last_round_seconds", "Last round of roll-ups, POSIX time.", sums.get("at", 0))
        yield _gauge("schoolgate_rollup_stale", "Hours whose roll-ups are behind.", max(0, sums.get("stale", 0)))
        yield from self._holds()
        yield from self._evidence()
        told = read_status(self.data / "run" / "partitions.json")
        for key, name, words in (
            ("at", "schoolgate_partitions_last_run_seconds", "Last look at the days of a database, POSIX time."),
            ("missing", "schoolgate_partitions_missing", "Days ahead that have no partition."),
            ("stray", "schoolgate_stray_rows", "Rows of a database outside every day."),
        ):
            yield _gauge(name, words, told.get(key, 0))
        folders = {self.data / "store", self.facts.record or self.data / "store"}
        days = [path.stem for folder in folders for path in (folder / "days").glob("????-??-??.db")]
        days = sorted([*days, *([told["oldest"]] if told.get("oldest") else [])])
        oldest = 0.0
        if days:
            oldest = (datetime.now(UTC) - datetime.fromisoformat(days[0]).replace(tzinfo=UTC)).total_seconds()
        yield _gauge("schoolgate_oldest_row_seconds", "Age of the oldest day in the store.", oldest)

    def _holds(self) -> Iterator[Metric]:
        said = read_status(self.data / "run" / "holds.json")
        now = time.time()
        due = sum(at <= now for at in said.get("review", ()))
        yield _gauge("schoolgate_holds", "Holds in force.", said.get("holds", 0))
        yield _gauge("schoolgate_holds_review_due", "Holds whose review date is over.", due)
        yield _gauge("schoolgate_holds_incomplete", "Holds whose rows are not all copied.", said.get("incomplete", 0))

    def _evidence(self) -> Iterator[Metric]:
        said = read_status(self.data / "run" / "evidence.json")
        for key, name, words in (
            ("at", "schoolgate_evidence_last_run_seconds", "Last sealing and checking of the record, POSIX time."),
            ("problems", "schoolgate_evidence_problems", "Things in the record that are not as they were written."),
            ("unsealed", "schoolgate_evidence_unsealed", "Days that should be sealed and are not."),
        ):
            yield _gauge(name, words, said.get(key, 0))

    def _processes(self) -> Iterator[Metric]:
        yield CounterMetricFamily("schoolgate_worker_restarts", "Children started again.", value=self.facts.restarts())
        yield _gauge("schoolgate_workers", "Workers running.", self.facts.workers())
        memory = GaugeMetricFamily("schoolgate_process_resident_bytes", "Resident memory.", labels=["process"])
        for name, pid in self.facts.processes().items():
            try:
                memory.add_metric([name], psutil.Process(pid).memory_info().rss)
            except psutil.Error:
                continue
        yield memory


def read_status(file: Path) -> dict[str, Any]:
    """What a process says of itself; nothing when it says nothing."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=float(value))


def reserve_room(folder: Path, pid: int) -> bool:
    """Take the disk room of a worker's counters at its start; False when there is none.

    Counters lie in memory-mapped files with holes: touching a hole on a full disk ends the process (SIGBUS), at the
    very moment somebody has to be told that the disk is full.
    """
    try:
        for kind in ("counter", "histogram", "gauge_livesum"):
            file = os.open(folder / f"{kind}_{pid}.db", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, COUNTERS)
            finally:
                os.close(file)
    except OSError:
        return False
    return True


def serve_metrics(host: str, port: int, data: Path, folder: Path, facts: Facts) -> tuple[WSGIServer, Thread]:
    """Serve `/metrics`. Raises `OSError` when the port is taken."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    registry.register(GatewayCollector(data, facts))
    return start_http_server(port, addr=host, registry=registry)
