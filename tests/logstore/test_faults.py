"""What goes wrong on the way to the store, counted row by row: lost 0, doubled 0, and what was destroyed is told."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstore.db import catalog_path, days_folder, head, migrate, upgrade
from logstore.ids import EPOCH_US, RecordIds
from logstore.segments import list_segments
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import Store
from tests.logstore.spooling import DELIVERED, fill, make_record, stored
from tests.logstore.test_spool import wait_for
from tests.rig.disks import break_disk, breakable_disk, fill_disk, mend_disk, small_disk

HOUR_US = 3_600_000_000
NINE_O_CLOCK = EPOCH_US + 690 * 24 * HOUR_US + 9 * HOUR_US


def worker(spool: Path, name: str = "w0", **more: object) -> SpoolWriter:
    """A worker with a spool of small segments."""
    usual: dict[str, object] = {"limits": SpoolLimits(ballast_bytes=0), "rows": 200}
    return SpoolWriter(spool, name, **usual | more)  # type: ignore[arg-type]


class Clock:
    """Microseconds: goes on by itself, and is set by hand."""

    def __init__(self) -> None:
        self.now = NINE_O_CLOCK

    def __call__(self) -> int:
        self.now += 700
        return self.now


def test_a_clock_that_jumps_gives_no_id_twice_and_loses_no_row(tmp_path: Path) -> None:
    """An hour back, an hour forward, back again; within one life of a worker and from one life to the next."""
    clock, spool, given = Clock(), tmp_path / "spool", list[int]()
    for jumps in ((0, -1, 1), (-1, 0, 2), (-2, -1, 1, 0)):
        writer = worker(spool, clock=clock)
        ids = RecordIds(3, clock, floor=writer.id_floor)
        for hours in jumps:
            clock.now += hours * HOUR_US
            given += fill(writer, ids, 700)
        writer.shut()
    assert given == sorted(set(given)), "ids rise, whatever the clock does"
    with_store = Shipper(spool, lambda: Store(tmp_path / "store"), clock=clock)
    assert with_store.drain()
    with_store.close()
    assert stored(tmp_path / "store").keys() == set(given)
    assert not list_segments(spool)


@pytest.fixture
def store_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB that holds nothing but the store."""
    with small_disk(tmp_path / "disk", 12) as disk:
        yield disk


def test_a_store_whose_disk_is_full_gets_everything_later(tmp_path: Path, store_disk: Path) -> None:
    """Lessons go on meanwhile; nothing is set aside, and each row comes once."""
    spool, store = tmp_path / "spool", store_disk / "store"
    writer, ids = worker(spool), RecordIds(0)
    shipper = Shipper(spool, lambda: Store(store), rows=300)
    given = fill(writer, ids, 500)
    assert shipper.drain()
    hog = fill_disk(store_disk)
    given += fill(writer, ids, 3_000)
    for _ in range(8):
        report = shipper.run_once()
    assert not report.ok
    assert "full" in report.error
    before = len(stored(store))
    assert 500 <= before < 3_500
    hog.unlink()
    given += fill(writer, ids, 100)
    assert shipper.drain()
    shipper.close()
    writer.shut()
    assert stored(store).keys() == set(given)
    assert shipper.quarantine.count() == 0


def test_a_store_whose_disk_breaks_gets_everything_after_it_is_mended(tmp_path: Path) -> None:
    """Read-only in the middle of a school day; unmounted, checked and mounted again beside the running shipper."""
    with breakable_disk(tmp_path / "disk", 64) as disk:
        spool, store = tmp_path / "spool", disk / "store"
        writer, ids = worker(spool), RecordIds(0)
        shipper = Shipper(spool, lambda: Store(store), rows=300)
        given = fill(writer, ids, 1_000)
        assert shipper.drain()
        break_disk(disk)
        given += fill(writer, ids, 1_000)
        for _ in range(5):
            assert not shipper.run_once().ok
        mend_disk(disk)
        given += fill(writer, ids, 1_000)
        assert shipper.drain()
        shipper.close()
        writer.shut()
        assert stored(store).keys() == set(given)
        assert shipper.quarantine.count() == 0


def test_a_migration_while_rows_arrive_loses_and_doubles_none(tmp_path: Path) -> None:
    """Catalog and the open day go back a revision and forward again, five times, while a shipper is at work."""
    spool, store = tmp_path / "spool", tmp_path / "store"
    upgrade(store)
    writer, ids = worker(spool), RecordIds(0)
    shipper = Shipper(spool, lambda: Store(store), rows=100, jitter=lambda: 0.0)
    stop = threading.Event()
    shipping = threading.Thread(target=shipper.run, args=(stop,))
    shipping.start()
    try:
        given = fill(writer, ids, 500)
        wait_for(lambda: len(stored(store)) > 0, "the first rows")
        for _ in range(5):
            given += fill(writer, ids, 300)
            migrate(catalog_path(store), "catalog", "-1", down=True)
            for day in days_folder(store).glob("[0-9]*.db"):
                migrate(day, "day", "-1", down=True)
            given += fill(writer, ids, 300)
            upgrade(store)
        wait_for(lambda: len(stored(store)) == len(given), "every row", seconds=90)
    finally:
        stop.set()
        shipping.join()
        writer.shut()
    assert stored(store).keys() == set(given)
    assert shipper.quarantine.count() == 0
    assert head("catalog")


PLACES = ("first page", "a page in the middle", "last page", "log header", "log middle", "log end", "cut", "log gone")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["zeros", "noise"])
def test_a_torn_segment_costs_only_what_was_torn(tmp_path: Path, place: str, how: str) -> None:
    """Other segments and other workers are whole; what is missing in the middle is counted; nothing comes twice."""
    spool, chance = tmp_path / "spool", random.Random(place + how)
    writer, other = worker(spool), worker(spool, "w1")
    ids = RecordIds(0)
    lives: list[list[int]] = [[], [], []]
    for part in lives:
        first = len(list_segments(spool)[writer.producer])
        while len(list_segments(spool)[writer.producer]) == first or len(part) < 250:
            part.extend(fill_slowly(writer, ids, 50))
    whole = fill(other, RecordIds(1), 300)
    segments = list_segments(spool)[writer.producer]
    torn = segments[1].path(spool)
    tear(torn, place, how, chance)
    writer.shut()
    other.shut()
    shipper = Shipper(spool, lambda: Store(tmp_path / "store"), rows=300)
    for _ in range(40):
        if not shipper.run_once().more and not list_segments(spool):
            break
    status = shipper.status()
    shipper.close()
    rows = stored(tmp_path / "store").keys()
    given = {record for part in lives for record in part}
    assert rows <= given | set(whole), "nothing is made up"
    assert set(whole) <= rows, "the other worker lost nothing"
    lost = given - rows
    assert len(lost) <= max(map(len, lives)) + 50, "one segment of several was torn"
    if lost:
        assert status.missing_events or status.quarantined, "what is lost is told"
    assert not list_segments(spool), "nobody waits for a torn segment"


def fill_slowly(writer: SpoolWriter, ids: RecordIds, count: int) -> list[int]:
    """Exchanges recorded whole, with the next segment always ready."""
    done = []
    for _ in range(count):
        record = make_record(ids, path="/" + "x" * 900)
        writer.write(record, DELIVERED)
        done.append(record.id)
    writer.flush()
    return done


def tear(segment: Path, place: str, how: str, chance: random.Random) -> None:
    """Spoil a segment as a dying disk does."""
    log = Path(f"{segment}-wal")
    if place == "log gone":
        log.unlink(missing_ok=True)
        return
    target = log if place.startswith("log") and log.exists() else segment
    size = target.stat().st_size
    if place == "cut":
        with target.open("r+b") as file:
            file.truncate(size // 2)
        return
    at = {"first page": 0, "log header": 0, "last page": max(0, size - 4096), "log end": max(0, size - 100)}.get(
        place, size // 2
    )
    with target.open("r+b") as file:
        file.seek(at)
        file.write(bytes(600) if how == "zeros" else chance.randbytes(600))
