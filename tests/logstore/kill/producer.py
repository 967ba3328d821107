"""A worker that records as fast as it may and notes each record once the spool has taken it. Runs until it is killed.

    python -m tests.logstore.kill.producer <spool> <worker> <node> <notes>

The notes hold `o <id>` after an open and `c <id>` after a close or a write, each line written before the next event;
of an ending given `together`, after the event it is written with.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from logstore.ids import RecordIds
from logstore.record import LogRecord
from logstore.spool import SpoolLimits, SpoolWriter
from tests.logstore.spooling import DELIVERED, make_record

PACE = float(os.environ.get("SCHOOLGATE_PACE", "0"))
"""Seconds between two records, at least; for tests that last."""


def main(spool: str, worker: str, node: str, notes: str) -> None:
    """Up to 60 are open at a time, some of them for long; one in ten is written whole; half the endings wait."""
    writer = SpoolWriter(Path(spool), worker, limits=SpoolLimits(ballast_bytes=0), rows=300)
    ids = RecordIds(int(node), floor=writer.id_floor)
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    still_open: list[LogRecord] = []
    waiting: list[int] = []

    def note(*lines: str) -> None:
        """Something was written, and what waited with it."""
        os.write(file, "".join((*(f"c {one}\n" for one in waiting), *lines)).encode())
        waiting.clear()

    while True:
        record = make_record(ids, worker)
        if random.random() < 0.1:
            writer.write(record, DELIVERED)
            note(f"o {record.id}\n", f"c {record.id}\n")
            continue
        writer.open(record)
        note(f"o {record.id}\n")
        still_open.append(record)
        while len(still_open) > random.randrange(60):
            ending = still_open.pop(random.randrange(len(still_open)) if random.random() < 0.5 else -1)
            if random.random() < 0.5:
                writer.close(ending.id, DELIVERED, together=True)
                waiting.append(ending.id)
            else:
                writer.close(ending.id, DELIVERED)
                note(f"c {ending.id}\n")
        if random.random() < 0.1:
            time.sleep(max(0.002, 10 * PACE))
            if random.random() < 0.5:
                writer.bring()
                note()


if __name__ == "__main__":
    main(*sys.argv[1:])
