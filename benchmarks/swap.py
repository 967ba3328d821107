"""What a lesson feels of a full list swap: p99 before, during and after, dropped requests, missing records (design §6).

A real gateway, real sockets, clients that keep their connections. The lists are UT1 when it is beside the clone (or
where SCHOOLGATE_REAL_DATA says), else made-up hosts. Three things are measured: an update under way (fetch, compare,
compile, check, swap), the swap alone, and one click.

    python -m benchmarks.swap [SECONDS-PER-PHASE]
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

from proxy.control import order
from tests.rig.certificates import Authority
from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, Gateway
from tests.rig.origin import Origin

CLIENTS = 4
WORKERS = 2
MADE_UP = 1_000_000
HOST = "lesson.example"


class Load:
    """Clients that ask all the time, and what they felt: (when, seconds, status)."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.felt: list[tuple[float, float, int]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with Browser(self.gateway, source=TEACHER) as browser:
            while not self._stop.is_set():
                began = time.perf_counter()
                try:
                    status = browser.fetch(f"https://{HOST}/page").status
                except OSError:
                    status = 0
                self.felt.append((began, time.perf_counter() - began, status))
                time.sleep(0.002)

    def during(self, work: Callable[[], object]) -> list[float]:
        """Latencies of requests that began while `work` ran, and two seconds longer."""
        began = time.perf_counter()
        work()
        time.sleep(2)
        ended = time.perf_counter()
        return [seconds for at, seconds, _ in list(self.felt) if began <= at <= ended]


def lists(folder: Path) -> tuple[Path, list[str]]:
    """A tree or file to add, and the words for it."""
    data = Path(os.environ.get("SCHOOLGATE_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "ut1"
    if not data.is_dir():
        file = folder / "made-up.txt"
        with file.open("w") as out:
            out.writelines(f"h{number}.made-up.example\n" for number in range(MADE_UP))
        return file, ["--category", "games"]
    for archive in sorted(data.glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "ut1", filter="data")
    return folder / "ut1", ["--format", "ut1"]


def told(name: str, seconds: list[float], before: float) -> float:
    """Print one phase; its p99."""
    cuts = quantiles(seconds, n=100)
    ratio = f"  {cuts[98] / before:.2f}x before" if before else ""
    print(
        f"{name:<34} {len(seconds):>6} requests  p50 {cuts[49] * 1e3:7.2f} ms  p99 {cuts[98] * 1e3:7.2f} ms{ratio}"
        f"  longest {max(seconds) * 1e3:7.1f} ms"
    )
    return cuts[98]


def main() -> int:
    """Measure and print; 1 when a request or a record was dropped."""
    pause = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder / "authority")
        with Origin(authority) as origin:
            settings = {"proxy": {"workers": WORKERS}}
            gateway = Gateway(folder / "gateway", origin=origin.address, trust=authority.pem, settings=settings).start()
            try:
                return measure(gateway, folder, pause)
            finally:
                gateway.kill()


def measure(gateway: Gateway, folder: Path, pause: float) -> int:
    path, words = lists(folder)
    began = time.perf_counter()
    done = gateway.command("lists", "add", "big", str(path), *words, "--reason", "bench", "--json", seconds=900)
    added = json.loads(done.stdout)
    print(f"added {added['entries']:,} entries in {time.perf_counter() - began:.1f} s", added["problem"])
    load = Load(gateway)
    load.start()
    before = told("before", load.during(lambda: time.sleep(pause)), 0)

    def full_update() -> None:
        extra = path / "games" / "domains" if path.is_dir() else path
        extra = next((file for file in (extra, *path.rglob("games/domains")) if file.is_file()), extra)
        with extra.open("a") as stream:
            stream.write("fresh.schoolgate-bench.example\n")
        said = json.loads(gateway.command("lists", "update", "big", "--json", seconds=900).stdout)
        print(f"update: {said['outcomes'][0]['state']}, in force on {said['in_force']['workers']} workers")

    told("during a whole update", load.during(full_update), before)
    took: list[float] = []

    def swap() -> None:
        at = time.perf_counter()
        order(gateway.data, {"do": "lists"}, 300)
        took.append(time.perf_counter() - at)

    told("during a full swap", load.during(swap), before)
    print(f"the swap took {took[0]:.2f} s on all workers")
    click = json.loads(gateway.command("block", "bad.example", "--reason", "bench", "--json").stdout)
    print(f"one click: in force on all workers after {click['workers']['seconds']:.3f} s")
    told("after", load.during(lambda: time.sleep(pause)), before)
    load.stop()
    failed = sum(status != 200 for _, _, status in load.felt)
    deadline = time.monotonic() + 60
    while (rows := len(gateway.rows(host=HOST))) < len(load.felt) and time.monotonic() < deadline:
        time.sleep(0.2)
    print(f"{len(load.felt)} requests, {failed} failed, {rows} records")
    return 0 if not failed and rows == len(load.felt) else 1


if __name__ == "__main__":
    sys.exit(main())
