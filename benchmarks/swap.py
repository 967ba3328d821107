"""What a lesson feels of a full list swap: p99 before, during and after, dropped requests, missing records (design §6).

A real gateway, real sockets, clients that keep their connections and ask at a steady pace: a machine that is already
full would hide what a swap costs. The lists are UT1 when it is beside the clone (or where SCHOOLGATE_REAL_DATA says),
else made-up hosts. Three things are measured: an update under way (fetch, compare, compile, check, swap), the swap
alone, and one click. A swap takes less than a second, so many are measured, each beside a quiet moment, and only what
was asked from its order until shortly after its end counts as "during".

    python -m benchmarks.swap [--seconds N] [--swaps N] [--json FILE]
"""

from __future__ import annotations

import argparse
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
from typing import Any

from benchmarks.targets import Target, machine
from proxy.control import order
from tests.rig.certificates import Authority
from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, Gateway
from tests.rig.origin import Origin

CLIENTS = 8
PACE = 0.04
"""Seconds from one request of a client to its next: 200 a second together, about a third of two cores."""
WORKERS = 2
MADE_UP = 1_000_000
HOST = "lesson.example"
SETTLED = 0.2
"""Seconds after a swap that still count as during it: the first requests that meet the new lists."""
QUIET = 1.5
"""Seconds between two swaps that count as before."""
SWAP = Target("p99 during a full swap, to the p99 beside it", 1.5)
UPDATE = Target("p99 during a whole update, to the p99 before and after", 1.5)
CLICK = Target("one click in force on all workers", 1.0, "s")


class Load:
    """Clients that ask all the time, and what they felt: (when, seconds, status)."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.felt: list[tuple[float, float, int]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        due = time.perf_counter() + PACE * number / CLIENTS
        with Browser(self.gateway, source=TEACHER) as browser:
            while not self._stop.is_set():
                time.sleep(max(0.0, due - time.perf_counter()))
                began = time.perf_counter()
                try:
                    status = browser.fetch(f"https://{HOST}/page").status
                except OSError:
                    status = 0
                ended = time.perf_counter()
                self.felt.append((began, ended - began, status))
                due = max(due + PACE, ended)

    def during(self, work: Callable[[], object], settled: float = SETTLED) -> list[float]:
        """Latencies of requests that were under way while `work` ran, or began shortly after."""
        began = time.perf_counter()
        work()
        time.sleep(settled)
        ended = time.perf_counter()
        time.sleep(PACE)
        return [seconds for at, seconds, _ in list(self.felt) if at + seconds >= began and at <= ended]

    def quiet(self, seconds: float) -> list[float]:
        """Latencies while nothing happens."""
        return self.during(lambda: time.sleep(seconds), 0.0)


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


def told(name: str, seconds: list[float]) -> float:
    """Print one phase; its p99."""
    cuts = quantiles(seconds, n=100)
    print(
        f"{name:<24}{len(seconds):>7} requests  p50 {cuts[49] * 1e3:7.2f} ms  p99 {cuts[98] * 1e3:7.2f} ms"
        f"  longest {max(seconds) * 1e3:7.1f} ms",
        flush=True,
    )
    return cuts[98]


def main() -> int:
    """Measure and print; 1 when a target was missed, or a request or a record dropped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of quiet before and after")
    parser.add_argument("--swaps", type=int, default=20, help="swaps alone")
    parser.add_argument("--json", type=Path, help="keep the answer of every swap here")
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder / "authority")
        with Origin(authority) as origin:
            settings = {"proxy": {"workers": WORKERS}}
            gateway = Gateway(folder / "gateway", origin=origin.address, trust=authority.pem, settings=settings).start()
            try:
                path, words = lists(folder)
                began = time.perf_counter()
                done = gateway.command(
                    "lists", "add", "big", str(path), *words, "--reason", "bench", "--json", seconds=900
                )
                added = json.loads(done.stdout)
                print(f"added {added['entries']:,} entries in {time.perf_counter() - began:.1f} s", added["problem"])
                return measure(gateway, path, args)
            finally:
                gateway.kill()


def measure(gateway: Gateway, path: Path, args: argparse.Namespace) -> int:
    load = Load(gateway)
    load.start()
    load.quiet(2)  # connections open, caches warm
    quiet = load.quiet(args.seconds)
    updating = load.during(lambda: update(gateway, path))
    beside: list[float] = []
    swapping: list[float] = []
    answers: list[dict[str, Any]] = []
    for _ in range(args.swaps):
        beside += load.quiet(QUIET)
        swapping += load.during(lambda: answers.append(timed_swap(gateway)))
    said = gateway.command("block", "bad.example", "--reason", "bench", "--json")
    click: float = json.loads(said.stdout)["workers"]["seconds"]
    quiet += load.quiet(args.seconds)
    load.stop()
    before = told("before and after", quiet)
    update_p99 = told("during a whole update", updating)
    beside_p99 = told(f"beside {args.swaps} swaps", beside)
    swap_p99 = told(f"during {args.swaps} full swaps", swapping)
    took = sorted(answer["seconds"] for answer in answers)
    print(f"a swap took {took[len(took) // 2]:.2f} s on all workers (median; longest {took[-1]:.2f} s)")
    if args.json is not None:
        args.json.write_text(json.dumps(answers))
    # Not one is skipped because another was missed.
    met = [SWAP.tell(swap_p99 / beside_p99), UPDATE.tell(update_p99 / before), CLICK.tell(click)]
    failed = sum(status != 200 for _, _, status in load.felt)
    deadline = time.monotonic() + 60
    while (rows := len(gateway.rows(host=HOST))) < len(load.felt) and time.monotonic() < deadline:
        time.sleep(0.2)
    met += [
        Target("failed requests", 0).tell(failed),
        Target("requests without a record", 0).tell(len(load.felt) - rows),
    ]
    print(f"{len(load.felt):,} requests, {rows:,} records; {machine()}")
    return 0 if all(met) and rows == len(load.felt) else 1


def update(gateway: Gateway, path: Path) -> None:
    """A new version of the list, as a technician takes it."""
    extra = path / "games" / "domains" if path.is_dir() else path
    extra = next((file for file in (extra, *path.rglob("games/domains")) if file.is_file()), extra)
    with extra.open("a") as stream:
        stream.write("fresh.schoolgate-bench.example\n")
    began = time.perf_counter()
    said = json.loads(gateway.command("lists", "update", "big", "--json", seconds=1800).stdout)
    state, workers = said["outcomes"][0]["state"], said["in_force"]["workers"]
    print(f"update: {state}, in force on {workers} workers after {time.perf_counter() - began:.0f} s", flush=True)
    if state != "updated" or workers != WORKERS:
        raise SystemExit(f"the update did not reach every worker: {said}")


def timed_swap(gateway: Gateway) -> dict[str, Any]:
    """Have every worker take the whole snapshot anew; what the supervisor said, and seconds."""
    at = time.perf_counter()
    said = order(gateway.data, {"do": "lists"}, 300)
    if said.get("workers") != WORKERS:
        raise SystemExit(f"a swap did not reach every worker: {said}")
    return {**said, "seconds": time.perf_counter() - at}


if __name__ == "__main__":
    sys.exit(main())
