"""Statutory lists: what a lookup, a verification and the memory of 20,000 and 200,000 entries cost.

    python -m benchmarks.statutory [--entries N ...] [--lookups N]

Entries are generated, below `.test`: a fifth are hosts, the rest pages, some with parameters. Asked are listed
addresses in other spellings, near misses on the very hosts that have listed pages (the dearest question there is), and
hosts no list knows, each the first time and again. Every answer is asserted: what is listed is found, and nothing else.
Times are CPU time.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from categories.names import Url, canonical_url
from categories.statutory import Installed, StatutoryIndex
from categories.statutory_bundle import Bundle, Issue, build_bundle, open_bundle
from categories.statutory_forms import read_entry

NOW = datetime(2026, 11, 24, tzinfo=UTC)


class NoLists:
    """The lists below: none, so that only the statutory ones are measured."""

    revision = "none"
    lists = ()
    categories: frozenset[str] = frozenset()
    reads_urls = False
    pages = None

    def match(self, url: Url) -> tuple[()]:
        """Nothing."""
        return ()


def main() -> int:
    """Measure each size, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--lookups", type=int, default=20_000, help="questions of each kind")
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    wrong = sum(_measure(count, args.lookups) for count in args.entries)
    print("every answer was right" if not wrong else f"{wrong} answers were wrong")
    return 1 if wrong else 0


def _measure(count: int, lookups: int) -> int:
    entries = _entries(count)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    issue = Issue("Benchmark", "child-abuse", 1, NOW, NOW + timedelta(days=7), "test", None)
    began = time.process_time()
    raw = build_bundle(map(read_entry, entries), issue, public, key.sign)
    made = time.process_time() - began
    bundle, opened = _opened(raw, public)
    index = StatutoryIndex((Installed("benchmark", bundle),), NoLists())  # type: ignore[arg-type]
    memory = _memory(raw, public)
    print(f"\n{count:,} entries: {len(raw) / 1e6:.2f} MB, made in {made:.2f} s of CPU")
    print(f"verified and opened in {opened * 1e3:.1f} ms of CPU, {memory / 1e6:.1f} MB of memory with its file")
    chance = random.Random(3)
    chosen = chance.choices(entries, k=lookups)
    listed = [canonical_url(_spelled(entry, chance)) for entry in chosen]
    paged = [entry for entry in chosen if "/" in entry]
    near = [canonical_url(f"https://{entry.partition('/')[0]}/other/{n}?x=1&y=2") for n, entry in enumerate(paged)]
    away = [canonical_url(f"https://www.h{n}.unlisted.test/a/b/c?d={n}") for n in range(lookups)]
    wrong = 0
    for what, urls, right in (
        ("listed", listed, True),
        ("same host, other page", near, False),
        ("elsewhere", away, False),
    ):
        first = _timed(index.match, urls)
        wrong += sum(bool(index.match(url)) is not right for url in urls)
        again = _timed(index.match, urls[:5_000])
        print(f"{what:<24} first p50 {first[0]:5.1f} µs p99 {first[1]:5.1f} µs   again p50 {again[0]:5.1f} µs")
    return wrong


def _memory(raw: bytes, public: bytes) -> int:
    """Bytes a bundle keeps once it is open, counted by Python's allocator."""
    tracemalloc.start()
    bundle = open_bundle(bytes(bytearray(raw)), public)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del bundle
    return kept


def _entries(count: int) -> list[str]:
    chance = random.Random(count)
    found = []
    for number in range(count):
        host = f"h{number}.s{chance.randrange(500)}.test"
        kind = number % 10
        if kind < 2:
            found.append(host)
        elif kind < 7:
            found.append(f"{host}/gallery/{chance.randrange(10**6)}/picture")
        elif kind < 9:
            found.append(f"{host}/view?id={chance.randrange(10**6)}&page={chance.randrange(99)}")
        else:
            found.append(f"{host}/secret/{chance.randrange(10**6)}/*")
    return found


def _spelled(entry: str, chance: random.Random) -> str:
    """An address the entry closes, in a spelling of its own."""
    host, _, rest = entry.partition("/")
    text = f"{host.upper()}/{rest}".replace("/*", "/below/it.jpg")
    if "?" in text:
        path, _, query = text.partition("?")
        text = f"{path}?{'&'.join([*reversed(query.split('&')), 'more=1'])}"
    return f"{chance.choice(('http', 'https'))}://{text}"


def _opened(raw: bytes, public: bytes) -> tuple[Bundle, float]:
    """The bundle, and the CPU seconds of the best of three verifications."""
    times = []
    for _ in range(3):
        began = time.process_time()
        bundle = open_bundle(raw, public)
        times.append(time.process_time() - began)
    return bundle, min(times)


def _timed(ask: Callable[[Url], object], urls: Sequence[Url]) -> tuple[float, float]:
    """CPU microseconds of one question: p50 and p99."""
    times = []
    for url in urls:
        began = time.process_time_ns()
        ask(url)
        times.append((time.process_time_ns() - began) / 1e3)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


if __name__ == "__main__":
    raise SystemExit(main())
