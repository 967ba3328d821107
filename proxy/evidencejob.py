"""Every night: seal what is over, write down where the chains end, check a part of the record.

In come the settings; out go sealed days, lines in the audit trail, and a small file for the metrics. The rules: it
works in a thread of its own, so that records are shipped meanwhile; a file found wrong is looked at again every night,
or told as it was found where it cannot be, until somebody has seen to it, the others in turn, so that all are
seen within some nights; what it logs names files and record ids, never a person.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from logstore.daily import DailyJob
from logstore.db import catalog_path
from logstore.evidence import note_ends
from logstore.place import Database
from logstore.seal import due, seal
from logstore.verify import verify
from proxy.settings import Settings

logger = logging.getLogger(__name__)

SEAL_AT = time(4, 40)
"""Local time of the nightly run: after retention, and hours after any UTC day ended in Europe."""
CHECK_SECONDS = 120.0
"""Longest time spent on checking a night; a sealed day of five million rows takes one or two."""
EVERY = 20.0
"""Seconds between two looks at the clock."""
TOLD = "evidence.json"
"""File of the run folder that says how the latest run went."""
WHO = "nightly evidence"
"""How the audit trail calls it."""
_NAMED = 20


class EvidenceJob:
    """The nightly run, in a thread of the shipper's."""

    def __init__(self, settings: Settings, zone: ZoneInfo, stop: threading.Event, every: float = EVERY) -> None:
        """`stop` ends it; a run that is cut off is finished by the next."""
        self._settings = settings
        self._stop = stop
        self._every = every
        self.job = DailyJob("evidence", at=SEAL_AT, zone=zone, work=self.work, last=self._last)
        """When it runs."""
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        """Begin; at once when a night was missed."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so many seconds."""
        self._thread.join(seconds)

    def work(self, now: datetime) -> None:
        """One run, now (aware)."""
        store = self._settings.store
        if isinstance(store, Path):
            if not catalog_path(store).exists():
                return
            self._seal(store, now)
        elif isinstance(store, Database):
            self._adopt(store, now)
        number, mark = note_ends(store, who=WHO, why="nightly", at=now)
        # Whoever sends this log to another machine has kept the head there.
        logger.info("head of the record: %d:%s", number, mark)
        before = self._wrong()
        report = verify(store, seconds=CHECK_SECONDS, at=now, months=self._settings.record.months, wrong=list(before))
        for problem in dict.fromkeys((*report.problems[:_NAMED], *report.first.values())):
            logger.error("the record is not what was written: %s", problem)
        again = {file: found for file, found in before.items() if file in report.left}
        for file, found in again.items():
            date = datetime.fromtimestamp(found["at"], UTC)
            why = "another gateway is looking at it" if file in report.elsewhere else "no time to look again"
            words = "the record is not what was written, by what was found at %s (%s): %s"
            logger.error(words, f"{date:%Y-%m-%d %H:%M} UTC", why, found["said"])
        first = {file: {"at": now.timestamp(), "said": str(problem)} for file, problem in report.first.items()}
        unsealed = len(due(store, now)) if isinstance(store, Path) else 0  # a database has nothing to seal
        told: dict[str, Any] = {
            "problems": len(report.problems) + len(again), "checked": len(report.files), "left": len(report.left),
            "wrong": again | first,
        }  # fmt: skip
        self._tell({"at": now.timestamp(), "head": f"{number}:{mark}", "unsealed": unsealed, **told})

    def _seal(self, folder: Path, now: datetime) -> None:
        run = seal(folder, now, who=WHO)
        for one in run.sealed:
            logger.info("sealed %s: %d rows, SHA-256 %s", one.file, one.rows, one.sha256)
        for file, why in run.stayed.items():
            logger.warning("%s could not be sealed: %s", file, why)

    def _adopt(self, store: Database, now: datetime) -> None:
        """Rows from before there were chains in a database: some days a night."""
        from logstore.postgres.adopting import adopt

        if rows := adopt(store, who=WHO, at=now, seconds=CHECK_SECONDS):
            logger.info("%d rows that are older than the hash chain were taken under it", rows)

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # of this thread alone: shipping goes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while not self._stop.is_set():
            self.job.run_if_due()
            self._stop.wait(self._every)

    def _last(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(self._said()["at"], UTC)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _wrong(self) -> dict[str, dict[str, Any]]:
        """The files that were found wrong when they were last looked at: when, and what first; longest ago first."""
        try:
            said = self._said()
            found = said["wrong"]
            if isinstance(found, list):  # of a version before: names alone
                found = {file: {"at": said["at"], "said": file} for file in found}
            return {str(file): {"at": float(one["at"]), "said": str(one["said"])} for file, one in found.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _said(self) -> Any:
        return json.loads((self._settings.data / "run" / TOLD).read_text(encoding="utf-8"))

    def _tell(self, told: dict[str, Any]) -> None:
        path = self._settings.data / "run" / TOLD
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.new")
        aside.write_text(json.dumps(told) + "\n", encoding="utf-8")
        aside.replace(path)
