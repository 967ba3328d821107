"""Does a decision cost the same with a thousand entries and with ten million? And what does compiling cost?

    python -m benchmarks.scale [--lists FOLDER] [--urls FILE] [--largest N] [--count N]

In come a UT1 tree and real request URLs (made-up ones where there are none). For 10^3, 10^4 … entries, and for the tree
as it is, lists are made of evenly chosen lines of the tree, filled up with made-up hosts where it has too few. Each is
compiled by a process of its own, whose memory is the peak, and asked by another. Cold is the first time that process
meets a URL, warm the second. Every size is checked: lines of the tree are found in their own list, and hosts that are
nowhere in it are found in none.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.corpus import REAL, ROOT, lists_tree, made_up_hosts, request_urls
from benchmarks.decision import AT
from benchmarks.targets import Target, machine
from categories.names import NameProblem, Url, canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request
from policy.rules import load_policy

SMALLEST, LARGEST = 1_000, 10_000_000
COLD = Target("cold p50, largest lists to smallest", 2.0)
WARM = Target("warm p50, largest lists to smallest", 2.0)
BUILD = Target("CPU of compiling the tree", 60.0, "s")
MAPPED = Target("mapped for the tree", 150.0, "MB")
CHECKED = 1_000
"""Lines, and hosts in no list, that are looked up as a check."""
FILLED_UP = "games"
"""Folder of the made-up hosts."""


class Built(NamedTuple):
    """What compiling one size did."""

    seconds: float
    cpu: float
    peak_mb: float
    mapped_mb: float


class Asked(NamedTuple):
    """Milliseconds to open it, microseconds of a decision."""

    open_ms: float
    cold_p50: float
    cold_p99: float
    warm_p50: float
    warm_p99: float
    listed: float


def main() -> int:
    """Every size in turn; 1 when a decision is not flat, or compiling or mapping needs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, one a line")
    parser.add_argument("--largest", type=int, default=LARGEST, help="entries of the largest lists")
    parser.add_argument("--count", type=int, default=20_000, help="decisions a measurement")
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tree = lists_tree(args.lists, scratch)
        texts = request_urls(args.urls, tree)
        random.Random(7).shuffle(texts)
        whole = sum(1 for _ in _lines(tree))
        sizes = [SMALLEST * 10**power for power in range(12) if SMALLEST * 10**power <= args.largest]
        heads = (
            "build s",
            "CPU s",
            "peak MB",
            "mapped MB",
            "open ms",
            "cold p50",
            "p99",
            "warm p50",
            "p99",
            "listed %",
        )
        print(f"{'entries':>12}" + "".join(f"{head:>10}" for head in heads))
        found = {size: _measure(tree, whole, size, scratch, texts[: args.count]) for size in sorted({*sizes, whole})}
    first, last = found[sizes[0]][1], found[sizes[-1]][1]
    met = [
        COLD.tell(last.cold_p50 / first.cold_p50),
        WARM.tell(last.warm_p50 / first.warm_p50),
        BUILD.tell(found[whole][0].cpu),
        MAPPED.tell(found[whole][0].mapped_mb),
    ]
    print(machine())
    return 0 if all(met) else 1


def _measure(tree: Path, whole: int, size: int, scratch: Path, texts: list[str]) -> tuple[Built, Asked]:
    folder = scratch / str(size)
    _sample(tree, whole, size, folder / "lists")
    built: Built = _alone(_build, folder)
    asked: Asked = _alone(_ask, folder, texts)
    print(f"{size:>12,}" + "".join(f"{number:>10.1f}" for number in (*built, *asked)), flush=True)
    shutil.rmtree(folder)
    return built, asked


def _alone(work: Callable[..., Any], *words: Any) -> Any:
    """Do it in a process of its own, so that its memory and its caches are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(work, words)


def _lines(tree: Path) -> Iterator[tuple[str, str, str]]:
    """Folder, file and line of every entry."""
    for folder in sorted(tree.iterdir()):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for name in ("domains", "urls"):
            if (folder / name).exists():
                with (folder / name).open(encoding="utf-8") as lines:
                    yield from ((folder.name, name, line) for line in lines)


def _sample(tree: Path, whole: int, size: int, target: Path) -> None:
    """Every n-th line of the tree; all of them, and made-up hosts, where it has too few."""
    outs: dict[tuple[str, str], Any] = {}
    share = min(size, whole)
    try:
        for number, (folder, name, line) in enumerate(_lines(tree)):
            if (number + 1) * share // whole > number * share // whole:
                if (folder, name) not in outs:
                    (target / folder).mkdir(parents=True, exist_ok=True)
                    outs[folder, name] = (target / folder / name).open("w", encoding="utf-8")
                outs[folder, name].write(line)
        if size > whole:
            (target / FILLED_UP).mkdir(parents=True, exist_ok=True)
            with (target / FILLED_UP / "domains").open("a", encoding="utf-8") as out:
                out.writelines(f"{host}\n" for host in made_up_hosts(size - whole, "filled up"))
    finally:
        for out in outs.values():
            out.close()


def _build(folder: Path) -> Built:
    before = time.process_time()
    tree = ListSource("scale", folder / "lists", "ut1")
    report = build_snapshot((*starter_sources(), tree), folder / "snapshot", load_taxonomy())
    size = sum(file.stat().st_size for file in report.path.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Built(report.seconds, time.process_time() - before, peak / 1024, size / 1e6)


def _ask(folder: Path, texts: list[str]) -> Asked:
    started = time.perf_counter()
    index = open_snapshot(folder / "snapshot")
    opened = (time.perf_counter() - started) * 1e3
    text = (ROOT / "policy" / "presets" / "trust.yaml").read_text(encoding="utf-8")
    engine = Engine(index, load_policy(text, file="trust.yaml", categories=load_taxonomy()))
    client = Client(site="riverside", band=Band.KS4, band_known=True, groups=frozenset({"year-10"}))
    requests = [Request(url) for url in _urls(texts)]
    cold, warm = (_timed(engine, client, requests) for _ in range(2))
    listed = sum(any(m.list.startswith("scale/") for m in index.match(one.url)) for one in requests)
    _check(engine, folder / "lists")
    return Asked(opened, *cold, *warm, 100 * listed / len(requests))


def _timed(engine: Engine, client: Client, requests: list[Request]) -> tuple[float, float]:
    clock, decide = time.perf_counter_ns, engine.decide
    taken = []
    for request in requests:
        start = clock()
        decide(request, client, AT)
        taken.append(clock() - start)
    taken.sort()
    return taken[len(taken) // 2] / 1e3, taken[len(taken) * 99 // 100] / 1e3


def _urls(texts: list[str]) -> Iterator[Url]:
    """Each once: cold is cold."""
    for text in dict.fromkeys(texts):
        try:
            yield canonical_url(text)
        except NameProblem:
            continue


def _check(engine: Engine, lists: Path) -> None:
    """Answers that must be right before their speed means anything."""
    every = sum(1 for _ in _lines(lists))
    step = max(1, every // CHECKED)
    for folder, _, line in islice(_lines(lists), 0, None, step):
        try:
            url = canonical_url(line.strip().lstrip("."))
        except NameProblem:
            continue
        if f"scale/{folder}" not in {match.list for match in engine.index.match(url)}:
            raise SystemExit(f"{line.strip()} stands in {folder} and is not found there")
    for host in made_up_hosts(CHECKED, "in no list"):
        if engine.index.match(canonical_url(f"https://x-{host}/")):
            raise SystemExit(f"{host} is in no list and is found in one")


if __name__ == "__main__":
    sys.exit(main())
