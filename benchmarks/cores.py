"""What a second worker brings: one gateway with one worker, one with two, the same requests, in turn.

    python -m benchmarks.cores [--workers N] [--work NAME …] [--scale N] [--rounds N] [--lists FOLDER] [--state FOLDER]

In come the workloads of `benchmarks.requests` that keep a worker busy; clients are processes of their own, so that it
is not they who are waited for. Out come requests a second, CPU of the workers for a request, and how evenly they share.
Every answer is checked, and every exchange must have its row. Scaling is work done for each CPU-second of the workers,
against one worker's: it says what a core is worth, also where clients and origin take part of the same cores. Requests
a second are judged only where the machine has cores left for those (two for each worker). Needs root, as
`benchmarks.requests` does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from contextlib import ExitStack
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import NamedTuple

from benchmarks.corpus import request_urls
from benchmarks.requests import arguments, kept_tree, prepare, scratch
from benchmarks.targets import Target, machine
from benchmarks.wire.clients import Way
from benchmarks.wire.ours import Measured
from benchmarks.wire.site import Site
from benchmarks.wire.work import Work, workloads

WORTH = Target("work for a CPU-second of the workers, to one worker's", 0.9, at_least=True)
SPEED = Target("requests a second for each worker, to one worker's", 0.9, at_least=True)
CLIENTS = 32
"""Connections at once in each process of clients: enough that chance shares them out."""
BUSY = ("https-1k", "tls-new", "html-50k", "mix")


type Answers = SimpleQueue[tuple[int, int] | str]
"""What each process of clients says when it is done."""


class Round(NamedTuple):
    """One gateway, one workload, once."""

    per_second: float
    """Exchanges a second."""
    cpu_ms: float
    """CPU of the workers for each, milliseconds."""
    shares: list[float]
    """Of that, each worker's part."""


def main() -> int:
    """Start both, measure in turn, compare; 1 when a target was missed or an answer wrong."""
    parser = arguments(__doc__)
    parser.add_argument("--workers", type=int, default=2, help="workers of the second gateway")
    parser.add_argument("--work", nargs="*", default=BUSY, choices=BUSY, metavar="NAME", help="these workloads")
    parser.add_argument("--rounds", type=int, default=3, help="measurements; of each gateway the best counts")
    args = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("NOT MEASURED: needs root: a hosts file of its own, ports 80 and 443")
        return 0
    print(machine())
    with scratch(args.state) as folder:
        return run(folder, args)


def run(folder: Path, args: argparse.Namespace) -> int:
    """Both gateways, one workload after the other."""
    shutil.rmtree(folder / "authority", ignore_errors=True)
    site = Site(folder / "authority")
    tree = kept_tree(args.lists, folder)
    works = [work for work in workloads(request_urls(args.urls, tree)) if work.name in args.work]
    met = True
    with ExitStack() as stack:
        stack.callback(site.stop)
        place = prepare(folder, tree, site.trust)
        gateways = []
        for workers in (1, args.workers):
            gateways.append(Measured(place, workers=workers))
            stack.callback(gateways[-1].stop)
        for work in works:
            found: list[list[Round]] = [[], []]
            for _ in range(args.rounds):
                for number, gateway in enumerate(gateways):
                    found[number].append(measured(work, gateway, args.workers, args.scale))
            met &= told(work, *(min(rounds, key=lambda one: one.cpu_ms) for rounds in found), args.workers)
        for gateway in gateways:
            asked = gateway.way.exchanges
            met &= Target("exchanges without their row", 0).tell(asked - gateway.all_stored(asked))
    print(machine())
    return 0 if met else 1


def measured(work: Work, gateway: Measured, processes: int, scale: float) -> Round:
    """So many processes of clients at once, the same number for both gateways."""
    count = max(CLIENTS, int(work.count * scale))
    before, began = gateway.each_worker(), time.perf_counter()
    fork = multiprocessing.get_context("fork")
    done: Answers = fork.SimpleQueue()
    clients = [fork.Process(target=_ask, args=(work, gateway.way, count, done), daemon=True) for _ in range(processes)]
    for one in clients:
        one.start()
    answers = [done.get() for _ in clients]
    wall = time.perf_counter() - began
    for one in clients:
        one.join(30)
    exchanges = 0
    for answer in answers:
        if isinstance(answer, str):
            raise SystemExit(answer)
        exchanges += answer[0]
        gateway.way.exchanges += answer[1]
    used = [after - then for after, then in zip(gateway.each_worker(), before, strict=True)]
    whole = sum(used)
    return Round(exchanges / wall, whole / exchanges * 1e3, sorted((part / whole for part in used), reverse=True))


def _ask(work: Work, way: Way, count: int, done: Answers) -> None:
    """One process of clients: how many answers came, all right, and how many were asked for; or what was wrong."""
    try:
        own = Way(way.proxy, way.trust)
        done.put((len(work.do(own, CLIENTS, count)), own.exchanges))
    except BaseException as error:
        done.put(f"{work.name}: {type(error).__name__}: {error}")


def told(work: Work, one: Round, several: Round, workers: int) -> bool:
    """Say it; whether the targets were met."""
    print(f"\n{work.name}: {work.what}; {machine()}")
    for name, found in (("1 worker", one), (f"{workers} workers", several)):
        shares = ", ".join(f"{part:.0%}" for part in found.shares)
        print(f"  {name:10}{found.per_second:9,.1f} per s {found.cpu_ms:8.3f} ms CPU of the workers   shares {shares}")
    met = WORTH.tell(one.cpu_ms / several.cpu_ms)
    speed = several.per_second / one.per_second / workers
    if (os.cpu_count() or 1) >= 2 * workers:
        return SPEED.tell(speed) and met
    print(f"{SPEED.what}: {speed:.2f}, NOT JUDGED: clients, origin and workers share {os.cpu_count()} cores")
    return met


if __name__ == "__main__":
    sys.exit(main())
