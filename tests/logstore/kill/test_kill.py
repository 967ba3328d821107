"""Nothing lost, nothing doubled: workers and shipper die by SIGKILL, again and again, in the middle of their work."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstore.segments import TOGETHER, list_segments
from logstore.shipper import Shipper
from logstore.shipping import read_status
from logstore.store import Store
from tests.conftest import REPOSITORY
from tests.logstore.spooling import stored
from tests.logstore.test_spool import wait_for

WORKERS = 3
SECONDS = 6.0


@contextlib.contextmanager
def running() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Processes by name; whatever is left of them is killed at the end."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def start(module: str, *args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *map(str, args)], cwd=REPOSITORY)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL; a process that had ended by itself is a fault of its own."""
    assert process.poll() is None, f"{process.args} ended with {process.returncode}"
    process.kill()
    process.wait()


def has_shipped(status: Path, pid: int) -> bool:
    """Whether that shipper has brought rows into the store: only then is its death a test."""
    told = read_status(status)
    return told is not None and told.pid == pid and told.shipped > 0


def read_notes(folder: Path) -> tuple[dict[int, str], set[int], int]:
    """Ids opened and by whom, ids closed, and how many lives the workers had."""
    opened: dict[int, str] = {}
    closed: set[int] = set()
    lives = 0
    for path in folder.glob("*.notes"):
        lives += 1
        for line in path.read_text().splitlines():
            what, _, number = line.partition(" ")
            if what == "o":
                opened[int(number)] = path.stem
            else:
                closed.add(int(number))
    return opened, closed, lives


@pytest.mark.slow
def test_every_acknowledged_record_is_stored_once(tmp_path: Path) -> None:
    """Three workers and the shipper, killed at random moments; rows equal what the workers were told is recorded."""
    spool, store, status = tmp_path / "spool", tmp_path / "store", tmp_path / "shipper.json"
    lives: dict[str, int] = defaultdict(int)

    def worker(number: int) -> subprocess.Popen[bytes]:
        name = f"w{number}"
        lives[name] += 1
        notes = tmp_path / f"{name}.{lives[name]}.notes"
        return start("tests.logstore.kill.producer", spool, name, number, notes)

    with running() as processes:
        for number in range(WORKERS):
            processes[f"w{number}"] = worker(number)
        processes["shipper"] = start("tests.logstore.kill.shipping", spool, store, status)
        end = time.monotonic() + SECONDS
        shipper_killed = 0
        while time.monotonic() < end:
            time.sleep(random.uniform(0.2, 0.6))  # the moment of death is what this test varies
            victim = random.choice([*processes, "shipper"])
            if victim == "shipper":
                wait_for(lambda: has_shipped(status, processes["shipper"].pid), "the shipper to be at work", 30)
                time.sleep(random.uniform(0, 0.1))
            kill(processes[victim])
            if victim == "shipper":
                shipper_killed += 1
                processes[victim] = start("tests.logstore.kill.shipping", spool, store, status)
            else:
                processes[victim] = worker(int(victim[1:]))
        for process in processes.values():
            kill(process)

    opened, closed, count = read_notes(tmp_path)
    before = len(stored(store)) if (store / "catalog.db").exists() else 0
    shipper = Shipper(spool, lambda: Store(store))
    assert shipper.drain()
    shipper.close()
    rows = stored(store)

    assert len(opened) > 2_000, "the workers hardly recorded anything"
    assert before > 0 or not shipper_killed, "the shipper said it had stored rows and has not"
    lost = sorted(opened.keys() - rows.keys())
    assert not lost, f"acknowledged and lost: {len(lost)} of {sorted({opened[one] for one in lost})}, first {lost[0]}"
    assert len(rows.keys() - opened.keys()) <= count, "a life may end between the spool's yes and its note, once"
    assert not [one for one in closed if rows[one] != "response"], "an ending that was acknowledged is missing"
    interrupted = {one for one, ending in rows.items() if ending == "interrupted"}
    never_closed = opened.keys() - closed
    assert len(never_closed - interrupted) <= count * (TOGETHER + 1), "one append writes so many endings, not yet noted"
    assert interrupted, "nobody died in the middle of a download"
    assert not list_segments(spool), "everything is shipped and the spool is not empty"
    print(f"{len(opened)} acknowledged, {len(rows)} rows, {len(interrupted)} interrupted, {count} lives, "
          f"shipper killed {shipper_killed + 1} times, {before} rows before the last drain")  # fmt: skip
