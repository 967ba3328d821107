"""What recording costs a request: CPU and wall time of open and close, what syncing adds, and that nothing is lost.

    python benchmarks/spool.py [--requests 20000] [--folder DIR]

Prints microseconds for an open and a close together, ours beside two floors measured in the same run on the same bytes:
one bare SQLite INSERT each, and one bare write to a file each. Ends with 1 when an event does not come back equal.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from logstore.encoding import EventKind, decode_close, decode_open, encode_close, encode_open
from logstore.ids import RecordIds
from logstore.merge import Merger
from logstore.reading import SpoolReader
from logstore.record import Ending, EndingKind, LogRecord
from logstore.segments import INSERT, create_segment
from logstore.spool import SpoolWriter

TARGET_US = 60.0
PER_BURST = 20
"""Requests between two pauses: a worker does other things in between, and the helper thread gets its turn."""


def make_requests(count: int) -> list[tuple[LogRecord, Ending]]:
    """Requests of a school, invented: paths of 20 to 160 characters, a third with a query."""
    chance, ids = random.Random(417), RecordIds(1)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-/"
    made = []
    for number in range(count):
        path = "/" + "".join(chance.choices(letters, k=chance.randint(20, 160)))
        query = "".join(chance.choices(letters, k=chance.randint(5, 60))) if number % 3 == 0 else None
        record_id = ids.next()
        record = LogRecord(
            id=record_id, time_us=1_795_251_600_000_000 + number, worker="worker0", revision="8f2c1a77", site="oakwood",
            user=f"pupil-{number % 1400:04}", user_source="basic", verified=True, band="ks2", groups=("year-4",),
            device=f"lab2-{number % 30}", client_address=f"10.4.2.{number % 250}", scheme="https",
            host=f"www{number % 300}.example.org", port=443, path=path, query=query, domain="example.org",
            page=number % 5 == 0, category="education", categories=("education",), list="ut1/education",
            entry="example.org", rule="ks2-chosen", tier="site", reason="rule",
        )  # fmt: skip
        ending = Ending(
            kind=EndingKind.RESPONSE, status=200, content_type="text/html", title="Castles of Wales",
            bytes_down=chance.randint(200, 90_000), duration_us=chance.randint(2_000, 900_000),
        )  # fmt: skip
        made.append((record, ending))
    return made


def timed(name: str, requests: list[tuple[LogRecord, Ending]], do: Callable[[LogRecord, Ending], object]) -> float:
    """CPU microseconds a request on this thread, pauses left out; prints a line."""
    walls, cpu = [], 0.0
    for start in range(0, len(requests), PER_BURST):
        began = time.thread_time()
        for record, ending in requests[start : start + PER_BURST]:
            before = time.perf_counter()
            do(record, ending)
            walls.append(time.perf_counter() - before)
        cpu += time.thread_time() - began
        time.sleep(0.001)
    walls.sort()
    each = cpu / len(requests) * 1e6
    p50, p99 = walls[len(walls) // 2] * 1e6, walls[int(len(walls) * 0.99)] * 1e6
    print(f"{name:<34}{each:8.1f} {p50:8.1f} {p99:8.1f} {walls[-1] * 1e3:8.2f}")
    return each


def through_spool(folder: Path, requests: list[tuple[LogRecord, Ending]], *, strict: bool) -> float:
    """Open and close through `SpoolWriter`; then everything is read back and compared."""
    writer = SpoolWriter(folder, "worker0", strict=strict, rows=20_000)

    def both(record: LogRecord, ending: Ending) -> None:
        writer.open(record)
        writer.close(record.id, ending)
        if strict:
            writer.durable().result()

    each = timed("spool, strict (open + close)" if strict else "spool (open + close)", requests, both)
    writer.shut()
    check(folder, requests)
    return each


def check(folder: Path, requests: list[tuple[LogRecord, Ending]]) -> None:
    """Every record and every ending is there, once, and equal. Exits with 1 otherwise."""
    reader, merger, rows = SpoolReader(folder), Merger(), []
    for producer in reader.producers():
        for event in reader.read(producer, 10**9):
            merged = merger.feed(event)
            if event.kind == EventKind.CLOSE:
                rows.append(merged)
    if rows != requests:
        sys.exit(f"{len(requests)} requests went in, {len(rows)} came out, or one was changed")


def bare_sqlite(folder: Path, requests: list[tuple[LogRecord, Ending]]) -> float:
    """One INSERT an event, bytes made beforehand: what SQLite alone costs."""
    connection = create_segment(folder / "bare-1-a.00000001.seg")
    ready = {record.id: (encode_open(record), encode_close(record.id, ending)) for record, ending in requests}
    numbers = iter(range(1, 10**9))

    def both(record: LogRecord, ending: Ending) -> None:
        first, last = ready[record.id]
        connection.execute(INSERT, (next(numbers), 1, first))
        connection.execute(INSERT, (next(numbers), 2, last))

    each = timed("two bare SQLite INSERTs", requests, both)
    connection.close()
    return each


def bare_file(folder: Path, requests: list[tuple[LogRecord, Ending]]) -> float:
    """One write an event, bytes made beforehand: what the kernel alone costs."""
    file = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ready = {record.id: (encode_open(record), encode_close(record.id, ending)) for record, ending in requests}

    def both(record: LogRecord, ending: Ending) -> None:
        first, last = ready[record.id]
        os.write(file, first)
        os.write(file, last)

    each = timed("two bare writes", requests, both)
    os.close(file)
    return each


def encoding(requests: list[tuple[LogRecord, Ending]]) -> None:
    """Cost of bytes alone, both ways."""
    opens = [encode_open(record) for record, _ in requests]
    closes = [encode_close(record.id, ending) for record, ending in requests]
    began = time.thread_time()
    for record, ending in requests:
        encode_open(record)
        encode_close(record.id, ending)
    middle = time.thread_time()
    for first, last in zip(opens, closes, strict=True):
        decode_open(first)
        decode_close(last)
    count = len(requests) / 1e6
    size = statistics.mean(map(len, opens)) + statistics.mean(map(len, closes))
    print(f"encoding {(middle - began) / count:.1f} us, decoding {(time.thread_time() - middle) / count:.1f} us, "
          f"{size:.0f} bytes a request")  # fmt: skip


def main() -> int:
    """Measure; 0 when the target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; else the temporary folder")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="spool-bench-", dir=args.folder))
    requests = make_requests(args.requests)
    print(f"SQLite {sqlite3.sqlite_version}, {args.requests} requests")
    print(f"{'us a request':<34}{'CPU':>8} {'p50':>8} {'p99':>8} {'max ms':>8}")
    try:
        for name in ("warm", "spool", "strict", "sqlite"):
            (folder / name).mkdir()
        bare_sqlite(folder / "warm", requests[:2000])
        ours = through_spool(folder / "spool", requests, strict=False)
        sqlite = bare_sqlite(folder / "sqlite", requests)
        bare_file(folder, requests)
        through_spool(folder / "strict", requests[:2000], strict=True)
    finally:
        shutil.rmtree(folder)
    encoding(requests)
    met = ours <= TARGET_US
    print(f"every event came back equal; target {TARGET_US:.0f} us: {'met' if met else 'MISSED'}, "
          f"{ours / TARGET_US:.2f} of it, {ours / sqlite:.2f} x two bare INSERTs")  # fmt: skip
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
