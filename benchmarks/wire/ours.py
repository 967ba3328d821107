"""Ours among the peers: a real gateway with one worker, all lists, the preset's policy, and its record.

In: what every peer is given. Out: a running gateway, how many rows it has stored, and when it has nothing left to ship:
the work that follows an answer is counted too.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.wire.clients import Way
from benchmarks.wire.family import cpu
from benchmarks.wire.peers import Place, Running
from benchmarks.wire.site import ADDRESS, BAD_WORDS
from logstore.filter import LogFilter
from logstore.query import count
from tests.rig.gateway import Gateway

DOMAIN = "wire.example"
"""Names of the benchmark lie below it."""
PHRASES = Path("/etc/e2guardian/lists/phraselists")
"""e2guardian's phrase lists, as Debian's package puts them."""
LONGEST = 120.0
"""Seconds the shipper may take to have everything in the store."""


def phrase_lists(folder: Path) -> list[dict[str, Any]]:
    """What e2guardian looks for in pages, all its languages and subjects; and the words every reader must close."""
    bad = folder / "bad-words.txt"
    bad.write_text(f"<{BAD_WORDS}>\n")
    common = {"format": "phrases", "limit": 160, "apply_to": ["page"]}
    found = [{"name": "bad-words", "path": str(bad), "category": "pornography", **common}]
    if PHRASES.is_dir():
        found.append({"name": "e2g", "path": str(PHRASES), **common})
    return found


class Measured:
    """The gateway under measurement."""

    def __init__(self, place: Place, checkout: Path | None = None, *, workers: int = 1) -> None:
        """`checkout` is another working copy of this project, to be compared; None is this one."""
        settings: dict[str, Any] = {
            # as a school names its own servers; everything else is refused
            "proxy": {"private_destinations": [ADDRESS], "workers": workers},
            "lists": [{"name": "ut1", "format": "ut1", "path": str(place.tree)}, *phrase_lists(place.folder)],
        }
        self.gateway = Gateway(
            place.folder / f"schoolgate{'' if workers == 1 else workers}{'' if checkout is None else '-beside'}",
            trust=place.trust,
            settings=settings,
            policy=None,
            prefix=place.prefix(),
            environment={} if checkout is None else {"PYTHONPATH": str(checkout)},
        )
        self.gateway.start(900)
        self.way = Way(self.gateway.address, self.gateway.ca_cert)
        self.before = self.stored()

    def running(self) -> Running:
        """As a peer."""
        if self.gateway.process is None:
            raise RuntimeError("not started")
        return Running("schoolgate", self.way, self.gateway.process.pid, filters=True, scans=True)

    def settle(self) -> None:
        """Wait until everything asked so far is in the store."""
        self.all_stored(self.way.exchanges)

    def worker_cpu(self) -> float:
        """CPU seconds of the workers alone."""
        return sum(self.each_worker())

    def each_worker(self) -> list[float]:
        """CPU seconds of each worker."""
        return [cpu(pid).whole for pid in self.gateway.pids("worker")]

    def stored(self) -> int:
        """Rows of the benchmark's hosts in the store."""
        folder = self.gateway.data / "store"
        if not (folder / "catalog.db").exists():
            return 0
        return count(folder, LogFilter(domain=DOMAIN), cap=100_000_000).rows

    def all_stored(self, expected: int) -> int:
        """Wait until so many rows were stored since the start; how many there are."""
        deadline = time.monotonic() + LONGEST
        while (rows := self.stored() - self.before) < expected and time.monotonic() < deadline:
            time.sleep(0.3)
        return rows

    def stop(self) -> None:
        """Ctrl-C."""
        self.gateway.stop()
