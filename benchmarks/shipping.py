"""What the way from the spool into the store costs: `python -m benchmarks.shipping [rows]`.

A school day is spooled as a worker does it (open and close), then shipped by the real shipper, in its own batches,
into a SQLite store with all its indexes, its chain and its cursors. Beside it, in the same run, the raw ceiling: the
very same values through `executemany` into files of the same schema, 5,000 rows a transaction. Prints rows a second and
processor time a row of both, and judges the ratio of processor times too, because wall time on a shared machine says
what else ran. Every row is counted, some compared.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store import DAYS, START_US, Pair, ceiling, school_days
from benchmarks.targets import Target, machine
from logstore.query import Archive
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import Store

RATE = Target("spool to SQLite store, rows a second", 25_000, at_least=True)
RATIO = Target("processor time of raw executemany to ours", 0.6, at_least=True)


def spool(folder: Path, rows: int) -> dict[int, Pair]:
    """Everything into segments, by a worker; a sample of it."""
    after = START_US + DAYS * 86_400_000_000  # behind the invented days it would look like a clock that jumps
    writer = SpoolWriter(folder, "gateway0_worker0", limits=SpoolLimits(ballast_bytes=0), clock=lambda: after)
    chance, sample, used = random.Random(4), dict[int, Pair](), 0.0
    for batch in school_days(rows):
        begin = time.thread_time()
        for record, ending in batch:
            writer.open(record)
            writer.close(record.id, ending)
        used += time.thread_time() - begin
        pair = chance.choice(batch)
        sample[pair[0].id] = pair
    writer.shut()
    print(f"spool, open and close {used / rows * 1e6:44.1f} µs CPU a row")
    return sample


def ship(folder: Path, store: Path, rows: int) -> tuple[float, float]:
    """Everything into the store; rows a second and processor seconds a row."""
    shipper = Shipper(folder, lambda: Store(store))
    begin, begin_used = time.perf_counter(), time.process_time()
    shipped = shipper.drain()
    wall, used = time.perf_counter() - begin, time.process_time() - begin_used
    taken = shipper.status().shipped
    shipper.close()
    if not shipped or taken != rows:
        raise SystemExit(f"wrong answer: {taken} rows shipped, not {rows}")
    print(f"shipper and store     {rows / wall:>14,.0f} rows/s {used / rows * 1e6:22.1f} µs CPU a row")
    return rows / wall, used / rows


def compare(store: Path, sample: dict[int, Pair]) -> None:
    """What was stored is what was spooled."""
    with Archive(store) as archive:
        for record_id, (record, ending) in sample.items():
            row = archive.show(record_id)
            if row is None or (row.record, row.ending) != (record, ending):
                raise SystemExit(f"wrong answer: record {record_id} is missing or changed")


def main() -> int:
    """Run in a temporary folder; 0 when both targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=300_000, help="rows to store (default: %(default)s)")
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="schoolgate-shipping-") as place:
        folder = Path(place)
        print(f"{rows:,} rows, {machine()}")
        sample = spool(folder / "spool", rows)
        rate, used = ship(folder / "spool", folder / "store", rows)
        compare(folder / "store", sample)
        raw = ceiling(folder / "ceiling", rows, rate)
    met = [RATE.tell(rate), RATIO.tell(raw / used)]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
