"""What all of UT1 costs in memory when several workers serve it, and how soon a worker serves from a snapshot.

    python -m benchmarks.workers [--lists FOLDER] [--urls FILE] [--workers N] [--requests N]

A real gateway with the tree in its settings and the preset as its policy. Clients ask for real URLs through it (all of
them lead to an origin on this machine), so that what a worker remembers is remembered; then every worker is looked at:
USS is what it alone has, PSS counts a shared page in parts, and the mapped lists are found in its memory map. A host of
the lists is blocked through the proxy, and one that is in none is not, before and after.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from benchmarks.corpus import REAL, lists_tree, request_urls
from benchmarks.targets import Target, machine
from tests.rig.certificates import Authority
from tests.rig.gateway import HILLVIEW, Gateway
from tests.rig.origin import Origin

MAPPED = Target("lists mapped, once for the machine", 150.0, "MB")
PRIVATE = Target("private memory of a worker (USS), the largest", 120.0, "MB")
START = Target("a worker from its start to its first answer", 3.0, "s")
LISTED = "adult"
"""Folder of the tree whose first host must be blocked."""
PLAIN = "a-page-of-nobody.schoolgate-bench.example"
CLIENTS = 4
BLOCKED = 403


class Memory(NamedTuple):
    """What one worker holds, megabytes."""

    rss: float
    pss: float
    uss: float
    mapped: float
    """Of the lists' files."""
    own_part: float
    """What of that is counted as its own (PSS)."""


def main() -> int:
    """Start, ask, look, start again; 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, one a line")
    parser.add_argument("--workers", type=int, default=2, help="workers of the gateway")
    parser.add_argument("--requests", type=int, default=10_000, help="requests before memory is looked at")
    args = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tree = lists_tree(args.lists, scratch)
        authority = Authority(scratch / "authority")
        with Origin(authority) as origin:
            settings = {
                "proxy": {"workers": args.workers},
                "lists": [{"name": "ut1", "format": "ut1", "path": str(tree)}],
            }
            gateway = Gateway(
                scratch / "gateway", origin=origin.address, trust=authority.pem, settings=settings, policy=None
            )
            try:
                return _measure(gateway, tree, request_urls(args.urls, tree), args)
            finally:
                gateway.kill()


def _measure(gateway: Gateway, tree: Path, texts: list[str], args: argparse.Namespace) -> int:
    started = time.perf_counter()
    gateway.start(900)
    print(f"first start, lists compiled: {time.perf_counter() - started:.1f} s")
    gateway.stop()
    started = time.perf_counter()
    gateway.start(60)
    print(f"start of the whole gateway from a snapshot: {time.perf_counter() - started:.2f} s")
    with (tree / LISTED / "domains").open(encoding="utf-8") as lines:
        listed = next(lines).strip()
    _check(gateway, listed)
    _show("idle", gateway)
    random.Random(7).shuffle(texts)
    _ask_all(gateway, texts[: args.requests])
    memories = _show(f"after {args.requests:,} requests", gateway)
    starts = [_worker_start(gateway, listed) for _ in range(3)]
    _check(gateway, listed)
    files = sum(file.stat().st_size for file in _snapshot(gateway).iterdir() if file.suffix in {".trie", ".bin"})
    met = [
        MAPPED.tell(files / 1e6),
        PRIVATE.tell(max(memory.uss for memory in memories)),
        START.tell(sorted(starts)[1]),
    ]
    if any(memory.own_part > 0.9 * memory.mapped for memory in memories) and len(memories) > 1:
        print("the lists are not shared between workers", file=sys.stderr)
        return 1
    print(machine())
    return 0 if all(met) else 1


def _snapshot(gateway: Gateway) -> Path:
    folder = gateway.data / "lists"
    return folder / (folder / "current").read_text().strip()


def _show(when: str, gateway: Gateway) -> list[Memory]:
    found = [_memory(psutil.Process(pid), gateway) for pid in gateway.pids("worker")]
    for number, memory in enumerate(found):
        print(
            f"worker {number} {when}: USS {memory.uss:.0f} MB, PSS {memory.pss:.0f} MB, RSS {memory.rss:.0f} MB; "
            f"of the lists {memory.mapped:.0f} MB in its map, {memory.own_part:.0f} MB counted as its own",
            flush=True,
        )
    return found


def _memory(process: psutil.Process, gateway: Gateway) -> Memory:
    whole = process.memory_full_info()
    lists = [one for one in process.memory_maps() if one.path.startswith(str(gateway.data / "lists"))]
    numbers = (whole.rss, whole.pss, whole.uss, sum(one.rss for one in lists), sum(one.pss for one in lists))
    return Memory(*(number / 1e6 for number in numbers))


def _status(gateway: Gateway, url: str) -> int:
    """What a pupil gets for a plain HTTP URL."""
    connection = http.client.HTTPConnection(*gateway.address, timeout=60, source_address=(HILLVIEW, 0))
    try:
        connection.request("GET", url)
        return connection.getresponse().status
    finally:
        connection.close()


def _check(gateway: Gateway, listed: str) -> None:
    """Answers that must be right before their cost means anything."""
    if (status := _status(gateway, f"http://{listed}/")) != BLOCKED:
        raise SystemExit(f"{listed} is listed, and a pupil gets {status} instead of {BLOCKED}")
    if (status := _status(gateway, f"http://{PLAIN}/page")) == BLOCKED:
        raise SystemExit(f"{PLAIN} is in no list, and is blocked")


def _ask_all(gateway: Gateway, texts: list[str]) -> None:
    """Every URL once, as plain HTTP: what is measured is memory, and an inspected page takes the same way inside."""
    failed: list[str] = []

    def ask(part: list[str]) -> None:
        connection = http.client.HTTPConnection(*gateway.address, timeout=60, source_address=(HILLVIEW, 0))
        for text in part:
            split = urlsplit(text)
            if not split.hostname or not text.isascii() or " " in text:
                continue
            target = f"http://{split.hostname}{split.path or '/'}" + (f"?{split.query}" if split.query else "")
            try:
                connection.request("GET", target)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                failed.append(f"{target}: {error!r}")
                connection.close()

    threads = [threading.Thread(target=ask, args=(texts[number::CLIENTS],)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for line in failed[:5]:
        print(f"no answer: {line[:160]}")
    if len(failed) > len(texts) // 100:
        raise SystemExit(f"{len(failed)} of {len(texts)} requests had no answer")


def _worker_start(gateway: Gateway, host: str) -> float:
    """Seconds from the start of a worker's process until it has answered a request; all of them are ended before.

    The supervisor holds the doors, so the request waits there until a worker opens them.
    """
    before = set(gateway.pids("worker"))
    for pid in before:
        psutil.Process(pid).kill()
    while before & set(gateway.pids("worker")):
        time.sleep(0.005)
    status = _status(gateway, f"http://{host}/")
    at = time.time()
    if status != BLOCKED:
        raise SystemExit(f"http://{host}/ was answered with {status} by a worker that had just started")
    started = min(psutil.Process(pid).create_time() for pid in set(gateway.pids("worker")) - before)
    while len(gateway.pids("worker")) < len(before):
        time.sleep(0.05)
    return at - started


if __name__ == "__main__":
    sys.exit(main())
