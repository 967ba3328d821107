"""Which structure should hold four million hosts: a trie, a hash table or a B-tree, each in a mapped file?

    python -m benchmarks.lookup [--lists FOLDER] [--urls FILE] [--entries N] [trie|hash|lmdb …]

In come a UT1 tree and real request URLs (those beside the clone, else made-up ones); out comes a table: build time and
peak memory, file size, time to open, and the latency of finding every list that has a host or one of its parents. Each
candidate runs in a process of its own and must give the same number of hits as the others. `lmdb` is no dependency of
the product: it is measured when it is installed. The outcome is docs/decisions/0002.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import struct
import sys
import tempfile
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.corpus import REAL, is_real, lists_tree, request_urls
from benchmarks.targets import Target, machine
from categories.domains import DomainTable, KeyFile, build_trie, domain_key, map_trie
from categories.model import EntryKind
from categories.names import NameProblem, canonical_url, host_suffixes
from categories.parse import Entry, parse
from categories.postings import Postings
from categories.sources import ListFile, ListSource, list_files
from categories.taxonomy import load_taxonomy

SAME = Target("different numbers of hits among the candidates", 1)
BUILD = Target("trie: building it", 60.0, "s")
MAPPED = Target("trie: mapped", 150.0, "MB")
OPEN = Target("trie: opening it", 3.0, "s")
BEST = Target("trie: p50 to the best of the others", 1.0)
Row = tuple[str, int, int]
Lookup = Callable[[str], int]


class Measured(NamedTuple):
    """One line of the table."""

    build_s: float
    peak_mb: float
    file_mb: float
    open_ms: float
    p50_us: float
    p99_us: float
    hits: int


def main() -> int:
    """Measure the candidates named, print the table, fail when they disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="*", choices=[*CANDIDATES, []], help="default: all that are installed")
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, last column")
    parser.add_argument("--entries", type=int, default=10_000_000, help="take only so many entries")
    args = parser.parse_args()
    results: dict[str, Measured] = {}
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        tree = lists_tree(args.lists, Path(scratch))
        urls = request_urls(args.urls, tree)
        heads = (
            ("build s", 8),
            ("peak MB", 8),
            ("file MB", 8),
            ("open ms", 8),
            ("p50 us", 7),
            ("p99 us", 7),
            ("hits", 8),
        )
        print(f"{'':6} " + " ".join(f"{head:>{width}}" for head, width in heads))
        for name in args.candidates or CANDIDATES:
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                measured = alone.apply(_measure, (name, tree, urls, args.entries, Path(scratch) / name))
            if isinstance(measured, str):
                print(f"{name:6} {measured}")
                continue
            results[name] = measured
            *numbers, hits = measured
            print(
                f"{name:6} " + " ".join(f"{n:{w}.1f}" for n, w in zip(numbers, (8, 8, 8, 8, 7, 7), strict=True)),
                f"{hits:8,}",
            )
    met = [SAME.tell(len({result.hits for result in results.values()}))]
    if (ours := results.get("trie")) is not None:
        met += [BUILD.tell(ours.build_s), MAPPED.tell(ours.file_mb), OPEN.tell(ours.open_ms / 1e3)]
        if others := [result.p50_us for name, result in results.items() if name != "trie"]:
            met.append(BEST.tell(ours.p50_us / min(others), judged=is_real(args.lists)))
    return 0 if all(met) else 1


def _rows(tree: Path, entries: int) -> Iterator[Row]:
    """Host, list and line of the tree's domain entries."""
    files = [file for file in list_files(ListSource("ut1", tree, "ut1"), load_taxonomy()) if isinstance(file, ListFile)]
    for number, file in enumerate(files):
        if file.format == "domains":
            with file.path.open("rb") as stream:
                for item in parse("domains", stream, file.name):
                    if isinstance(item, Entry) and item.kind is EntryKind.DOMAIN:
                        yield item.value, number, item.line


def _hosts(urls: list[str]) -> list[str]:
    hosts = []
    for text in urls:
        try:
            url = canonical_url(text)
        except NameProblem:
            continue
        if not url.is_address:
            hosts.append(url.host)
    return hosts


def _measure(name: str, tree: Path, urls: list[str], entries: int, folder: Path) -> Measured | str:
    folder.mkdir()
    try:
        build, reopen = CANDIDATES[name]
        started = time.perf_counter()
        build(islice(_rows(tree, entries), entries), folder)
    except ImportError as missing:
        return f"not measured: {missing}"
    build_s = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    lookup = reopen(folder)
    open_ms = (time.perf_counter() - started) * 1e3
    hosts = _hosts(urls)
    hits = sum(map(lookup, hosts))
    taken = []
    for host in hosts:
        before = time.perf_counter_ns()
        lookup(host)
        taken.append(time.perf_counter_ns() - before)
    taken.sort()
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return Measured(
        build_s, peak, size, open_ms, taken[len(taken) // 2] / 1e3, taken[len(taken) * 99 // 100] / 1e3, hits
    )


def _build_trie(rows: Iterator[Row], folder: Path) -> None:
    """What the product does."""
    with tempfile.TemporaryFile() as spill:
        keys = KeyFile(spill)
        for host, which, line in rows:
            keys.add(domain_key(host), which, line)
        trie = build_trie(keys.keys(), folder / "trie")
        columns = keys.columns(trie.get, len(trie))
    for column, name in zip(columns, ("starts", "lists", "lines"), strict=True):
        (folder / name).write_bytes(column.tobytes())


def _open_trie(folder: Path) -> Lookup:
    def column(name: str, kind: str) -> memoryview:
        return memoryview(_mapped(folder / name)).cast(kind)  # type: ignore[call-overload,no-any-return]

    postings = Postings(column("starts", "I"), column("lists", "H"), column("lines", "I"))
    table = DomainTable(map_trie(folder / "trie"), postings, (False,) * 200, 1)
    return lambda host: len(table.hits(host, "/", ""))


HASH_BITS = 23
RECORD = struct.Struct("<HIB")


def _build_hash(rows: Iterator[Row], folder: Path) -> None:
    """Open addressing over CRC-32, keys compared: exact. Equal hosts of several lists stand in a row of slots."""
    slots = array("I", bytes(4 << HASH_BITS))
    mask = (1 << HASH_BITS) - 1
    with (folder / "records").open("wb") as records:
        at = records.write(b"\0")
        for host, which, line in rows:
            key = host.encode()
            place = zlib.crc32(key) & mask
            while slots[place]:
                place = (place + 1) & mask
            slots[place] = at
            at += records.write(RECORD.pack(which, line, len(key)) + key)
    (folder / "slots").write_bytes(slots.tobytes())


def _open_hash(folder: Path) -> Lookup:
    slots, records = memoryview(_mapped(folder / "slots")).cast("I"), _mapped(folder / "records")
    mask, head = (1 << HASH_BITS) - 1, RECORD.size

    def lookup(host: str) -> int:
        found: set[tuple[str, int]] = set()
        for suffix in host_suffixes(host):
            key = suffix.encode()
            place = zlib.crc32(key) & mask
            while at := slots[place]:
                which, _, length = RECORD.unpack_from(records, at)
                if records[at + head : at + head + length] == key:
                    found.add((suffix, which))
                place = (place + 1) & mask
        return len(found)

    return lookup


def _build_lmdb(rows: Iterator[Row], folder: Path) -> None:
    import lmdb

    environment = lmdb.open(str(folder), map_size=2 << 30, subdir=True, sync=False)
    with environment.begin(write=True) as writing:
        for host, which, line in rows:
            key = host.encode()
            writing.put(key, (writing.get(key) or b"") + struct.pack("<HI", which, line))
    environment.close()
    data = folder / "data.mdb"
    with lmdb.open(str(folder), readonly=True) as full:
        (folder / "compact").mkdir()
        full.copy(str(folder / "compact"), compact=True)
    (folder / "compact" / "data.mdb").replace(data)
    for left in (folder / "compact").iterdir():
        left.unlink()
    (folder / "compact").rmdir()


def _open_lmdb(folder: Path) -> Lookup:
    import lmdb

    reading: Any = lmdb.open(str(folder), readonly=True, lock=False, map_size=2 << 30).begin(buffers=True)

    def lookup(host: str) -> int:
        found: set[tuple[str, int]] = set()
        for suffix in host_suffixes(host):
            if value := reading.get(suffix.encode()):
                found.update((suffix, which) for which, _ in struct.iter_unpack("<HI", value))
        return len(found)

    return lookup


def _mapped(file: Path) -> mmap:
    with file.open("rb") as stream:
        return mmap(stream.fileno(), 0, access=ACCESS_READ)


CANDIDATES: dict[str, tuple[Callable[[Iterator[Row], Path], None], Callable[[Path], Lookup]]] = {
    "trie": (_build_trie, _open_trie),
    "hash": (_build_hash, _open_hash),
    "lmdb": (_build_lmdb, _open_lmdb),
}

if __name__ == "__main__":
    sys.exit(main())
