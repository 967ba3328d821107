"""The workloads: what clients do, how often, and what is counted while they do it.

In: a way through a proxy and its first process. Out: CPU for each exchange, exchanges a second, what clients wait, and
the most memory the proxy held.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.wire.clients import Way, kept_open, opened_anew, slowly, visits
from benchmarks.wire.family import Cpu, Peak, cpu
from benchmarks.wire.site import LENGTH

CLIENTS = 8
SITES = 8
MIX_SITES = 120
VISIT = 12
"""Most pages of one visit."""
DOWNLOADED = 300.0
"""Megabytes of the download."""
TRIES = 150
"""Exchanges of a client that is alone: what it waits is the proxy's own time."""
type Settle = Callable[[], None]
type Inner = Callable[[], float]
"""CPU seconds so far of the process that answers, where others follow it up."""
type Doing = Callable[[Way, int, int], list[float]]
"""Way, clients and exchanges in; seconds of each out."""


@dataclass(frozen=True, slots=True)
class Work:
    """One workload."""

    name: str
    """As the table calls it."""
    what: str
    """In words."""
    count: int
    """Exchanges of one measurement."""
    do: Doing
    """Does so many, with so many clients."""
    clients: int = CLIENTS
    """At once."""
    alone: int = TRIES
    """Exchanges with one client, for what it waits; 0 for none."""
    rounds: int = 3
    """Measurements; the one with the least CPU counts."""
    megabytes: float = 0.0
    """Megabytes of one exchange; 0 where bytes do not matter."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one proxy did at one workload, in its best round."""

    exchanges: int
    """How many were measured."""
    cpu_ms: float
    """CPU of an exchange, milliseconds, user and system."""
    answering_ms: float
    """Of that, what was spent by the process that answers; the rest stores what it recorded and keeps it running."""
    system_share: float
    """How much of it was the kernel's."""
    per_second: float
    """Exchanges a second, clock time: another program's load shows."""
    p50_ms: float
    """Median wait of a client that is alone, milliseconds."""
    p99_ms: float
    """99th percentile of the same."""
    peak_mb: float
    """Most memory of all its processes (PSS)."""


def measure(work: Work, way: Way, pid: int | None, scale: float, settle: Settle, inner: Inner | None = None) -> Figures:
    """One round: warm up, all clients, then one client alone."""
    count = max(work.clients, int(work.count * scale))
    if work.rounds > 1:
        work.do(way, work.clients, max(work.clients, count // 20))
    settle()
    before, began = cpu(pid) if pid else Cpu(0, 0), time.perf_counter()
    inner_before = inner() if inner else 0.0
    with Peak(pid) as peak:
        felt = work.do(way, work.clients, count)
        wall = time.perf_counter() - began
        settle()
        inner_used = (inner() if inner else 0.0) - inner_before
    used = (cpu(pid) if pid else Cpu(0, 0)) - before
    alone = sorted(work.do(way, 1, work.alone)) if work.alone else sorted(felt)
    return Figures(
        exchanges=len(felt),
        cpu_ms=used.whole / len(felt) * 1e3,
        answering_ms=(inner_used if inner else used.whole) / len(felt) * 1e3,
        system_share=used.system / used.whole if used.whole else 0.0,
        per_second=len(felt) / wall,
        p50_ms=statistics.median(alone) * 1e3,
        p99_ms=alone[min(len(alone) - 1, int(len(alone) * 0.99))] * 1e3,
        peak_mb=peak.bytes / 1e6,
    )


def names() -> list[str]:
    """Every host of the workloads."""
    return [f"s{number}.wire.example" for number in range(max(SITES, MIX_SITES))]


def _urls(scheme: str, path: str) -> list[str]:
    return [f"{scheme}://s{number}.wire.example{path}" for number in range(SITES)]


def _keeping(scheme: str, path: str, size: int) -> Doing:
    return lambda way, clients, count: kept_open(way, _urls(scheme, path), clients, count, size)


def _opening(scheme: str, path: str, size: int) -> Doing:
    return lambda way, clients, count: opened_anew(way, _urls(scheme, path), clients, count, size)


def workloads(requests: Sequence[str]) -> list[Work]:
    """All of them; `requests` are the URLs whose shape the mix has."""
    mix = mixed(requests)
    large, slow = int(DOWNLOADED * 1e6), 1_000_000
    return [
        Work("http-1k", "1 kB of text, HTTP, kept open", 3000, _keeping("http", "/1k", 1000)),
        Work("https-1k", "1 kB of text, HTTPS, kept open", 3000, _keeping("https", "/1k", 1000)),
        Work("https-1k-png", "1 kB that is no page, HTTPS, kept open", 3000, _keeping("https", "/1k.png", 1000)),
        Work("tls-new", "1 kB, HTTPS, a connection each", 600, _opening("https", "/1k", 1000), alone=60),
        Work("html-50k", "50 kB of HTML, HTTPS, kept open", 1000, _keeping("https", "/html50k", 50_000)),
        Work(
            "mix", "visits like the request corpus", len(mix),
            lambda way, clients, count: visits(way, mix[:count], clients), alone=20,
        ),
        Work(
            "download", "300 MB, HTTPS", 1, _opening("https", f"/file?{LENGTH}{large}", large),
            clients=1, alone=0, rounds=1, megabytes=large / 1e6,
        ),
        Work(
            "slow", "200 slow clients, 1 MB each, HTTPS", 200,
            lambda way, clients, _: slowly(way, _urls("https", f"/file?{LENGTH}{slow}"), clients, slow),
            clients=200, alone=0, rounds=1, megabytes=slow / 1e6,
        ),
    ]  # fmt: skip


type Visit = tuple[str, list[tuple[str, int]]]


def mixed(requests: Sequence[str], count: int = 2500) -> list[Visit]:
    """Visits with the paths, the schemes and the repetition of hosts of real requests, at hosts of the benchmark's.

    Lengths of answers are drawn: most are a few kilobytes, some hundreds, as web pages' parts are.
    """
    choose = random.Random(11)
    sample = [text for text in requests if text.isascii() and " " not in text]
    choose.shuffle(sample)
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for text in sample[:count]:
        split = urlsplit(text)
        scheme = "https" if choose.random() < 0.9 else "http"  # the share of browsing that is encrypted
        site = f"{scheme}://s{choose.randrange(MIX_SITES)}.wire.example"
        size = min(2_000_000, int(choose.lognormvariate(8.7, 1.4)))
        path = f"{split.path or '/'}?{split.query + '&' if split.query else ''}{LENGTH}{size}"
        places[site].append((path[:2000] if len(path) > 2000 and LENGTH not in path[-20:] else path, size))
    found = [
        (site, pages[start : start + VISIT]) for site, pages in places.items() for start in range(0, len(pages), VISIT)
    ]
    choose.shuffle(found)
    return found
