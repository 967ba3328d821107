"""The spool takes every record at once, on a full disk too as long as that can be, and says so when it cannot.

Shows: `logstore.disk`, `logstore.floor`, `logstore.segments`, `logstore.upkeep`.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logstore.disk import BALLAST, SpoolLimits
from logstore.encoding import EventKind, decode_close, decode_fact, decode_open
from logstore.ids import RecordIds, id_time_us
from logstore.record import Ending, EndingKind
from logstore.segments import is_alive, list_segments
from logstore.spool import SpoolFull, SpoolWriter
from tests.logstore.spooling import DELIVERED, events_of, fill, fill_until_full, make_record
from tests.rig import disks

HOUR_US = 3_600_000_000


def wait_for(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)


@pytest.fixture
def make_writer(tmp_path: Path) -> Iterator[Callable[..., SpoolWriter]]:
    """Writers into one folder; shut at the end."""
    made: list[SpoolWriter] = []

    def make(worker: str = "w0", folder: Path = tmp_path / "spool", **more: object) -> SpoolWriter:
        made.append(SpoolWriter(folder, worker, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for writer in made:
        if is_alive(writer.folder, writer.producer):
            writer.shut()


def test_events_are_on_disk_when_the_call_returns(make_writer: Callable[..., SpoolWriter]) -> None:
    """Another process reads them while the worker lives: that is what a kill leaves."""
    writer, ids = make_writer(), RecordIds(0)
    record = make_record(ids)
    writer.open(record)
    writer.fact("sign-in", {"user": "pupil-0417"})
    writer.close(record.id, DELIVERED)
    opened, fact, closed = events_of(writer.folder)
    assert [opened.seq, fact.seq, closed.seq] == [1, 2, 3]
    assert decode_open(opened.payload) == record
    assert decode_fact(fact.payload).payload == {"user": "pupil-0417"}
    assert decode_close(closed.payload) == (record.id, DELIVERED)


def test_segments_are_nobody_elses_to_read(make_writer: Callable[..., SpoolWriter]) -> None:
    """They name who asked for what; a careless umask opens no file."""
    before = os.umask(0o022)
    try:
        writer = make_writer()
        writer.open(make_record(RecordIds(0)))
        writer.flush()
    finally:
        os.umask(before)
    files = [file for file in writer.folder.iterdir() if ".seg" in file.name]
    assert files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_a_segment_ends_after_its_rows_and_the_next_is_ready(make_writer: Callable[..., SpoolWriter]) -> None:
    """Numbers run on from one to the next without a hole."""
    writer, ids = make_writer(rows=50), RecordIds(0)
    written: list[int] = []

    def filled() -> bool:
        written.extend(fill(writer, ids, 30))
        return len(list_segments(writer.folder)[writer.producer]) >= 6

    wait_for(filled, "six segments")
    assert [event.seq for event in events_of(writer.folder)] == list(range(1, 2 * len(written) + 1))
    assert writer.state().events == 2 * len(written)


def test_a_segment_ends_after_its_time(make_writer: Callable[..., SpoolWriter]) -> None:
    """A quiet worker's records do not stay in one file for a day."""
    writer, ids = make_writer(seconds=0.01), RecordIds(0)
    wait_for(lambda: fill(writer, ids, 1) and len(list_segments(writer.folder)[writer.producer]) > 3, "three segments")


def test_a_record_that_stays_open_is_said_again(make_writer: Callable[..., SpoolWriter]) -> None:
    """A six-hour WebSocket must not hold six hours of segments; one that ends soon is left alone."""
    writer, ids = make_writer(rows=40), RecordIds(0)
    websocket = make_record(ids, path="/live")
    writer.open(websocket)

    def filled() -> bool:
        fill(writer, ids, 25)
        return len(list_segments(writer.folder)[writer.producer]) >= 8

    wait_for(filled, "eight segments")
    carried = [event for event in events_of(writer.folder) if event.kind == EventKind.CARRY]
    assert len(carried) >= 2
    assert all(decode_open(event.payload) == websocket for event in carried)


def test_flush_and_durable_bring_records_to_the_disk(make_writer: Callable[..., SpoolWriter]) -> None:
    """`durable` is one sync for everybody who waits."""
    writer, ids = make_writer(), RecordIds(0)
    fill(writer, ids, 10)
    waiting = [writer.durable() for _ in range(50)]
    for future in waiting:
        assert future.result(timeout=10) is None
    writer.flush()
    (active, *_) = list_segments(writer.folder)[writer.producer]
    with sqlite3.connect(active.path(writer.folder)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_whoever_waits_for_the_disk_gets_a_sync(make_writer: Callable[..., SpoolWriter], tmp_path: Path) -> None:
    """Counted by the kernel: one for each that waits alone, one a second when nobody waits."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom logstore.ids import RecordIds\n"
        "from logstore.spool import SpoolLimits, SpoolWriter\nfrom tests.logstore.spooling import fill\n"
        "writer, ids = SpoolWriter(Path(sys.argv[1]), 'w0', limits=SpoolLimits(ballast_bytes=0)), RecordIds(0)\n"
        "for _ in range(100):\n    fill(writer, ids, 1)\n    sys.argv[2] == 'waits' and writer.durable().result()\n"
        "writer.shut()\n"
    )
    if subprocess.run(["sh", "-c", "command -v strace"], capture_output=True).returncode:
        pytest.skip("strace is not installed; it counts the syncs")
    counts = {}
    for mode in ("waits", "usual"):
        trace = tmp_path / f"{mode}.trace"
        command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        subprocess.run([*command, sys.executable, "-c", script, str(tmp_path / mode), mode], check=True)
        counts[mode] = sum("sync(" in line for line in trace.read_text().splitlines())
    assert counts["waits"] >= 100
    assert counts["usual"] < 50


def test_the_lock_tells_who_lives(make_writer: Callable[..., SpoolWriter]) -> None:
    """Held from the start to the end."""
    writer = make_writer()
    assert is_alive(writer.folder, writer.producer)
    writer.shut()
    assert not is_alive(writer.folder, writer.producer)


def test_two_lives_of_a_worker_are_two_producers(make_writer: Callable[..., SpoolWriter]) -> None:
    """Also within the same microsecond of a clock that stands still."""
    first = make_writer(clock=lambda: 1_795_251_600_000_000)
    clock = iter([1_795_251_600_000_000, 1_795_251_600_000_000, *range(1_795_251_600_000_001, 1_795_251_600_001_000)])
    second = make_writer(clock=lambda: next(clock))
    assert first.producer != second.producer


def test_a_worker_started_again_with_the_clock_set_back_gives_no_id_twice(
    make_writer: Callable[..., SpoolWriter],
) -> None:
    """Its first life noted how far it came."""
    now = 1_795_251_600_000_000
    first = make_writer(clock=lambda: now)
    before = fill(first, RecordIds(5, lambda: now, first.id_floor), 20_000)
    first.shut()
    second = make_writer(clock=lambda: now - HOUR_US)
    after = fill(second, RecordIds(5, lambda: now - HOUR_US, second.id_floor), 100)
    assert min(after) > max(before)


def test_a_note_from_a_clock_that_ran_wild_is_not_believed(make_writer: Callable[..., SpoolWriter]) -> None:
    """A year ahead: ids go back to the true time."""
    now = 1_795_251_600_000_000
    wild = make_writer(clock=lambda: now + 365 * 24 * HOUR_US)
    fill(wild, RecordIds(5, lambda: now + 365 * 24 * HOUR_US, wild.id_floor), 1)
    wild.shut()
    sane = make_writer(clock=lambda: now)
    assert id_time_us(RecordIds(5, lambda: now, sane.id_floor).next()) == now


def test_the_limit_is_kept_and_told(make_writer: Callable[..., SpoolWriter]) -> None:
    """ok, warn at 70 %, alert at 85 %, then full: the ballast first, then `SpoolFull`, and it recovers by itself."""
    limits = SpoolLimits(max_bytes=40_000_000, ballast_bytes=1_000_000)
    writer, ids = make_writer(limits=limits), RecordIds(0)
    levels: list[str] = []
    recorded: list[int] = []
    with pytest.raises(SpoolFull, match="limit of 40000000 bytes"):
        for _ in range(100_000):
            record = make_record(ids, path="/" + "x" * 30_000)
            writer.write(record, DELIVERED)
            recorded.append(record.id)
            levels.append(writer.state().level)
    assert list(dict.fromkeys(levels)) == ["ok", "warn", "alert"]
    assert writer.state().level == "full"
    assert writer.state().full
    assert not (writer.folder / BALLAST).exists()
    assert len(events_of(writer.folder)) == len(recorded)
    writer.limits = SpoolLimits(max_bytes=80_000_000)
    fill(writer, ids, 1)
    assert not writer.state().full


def test_endings_wait_for_room_in_memory(make_writer: Callable[..., SpoolWriter]) -> None:
    """The response is out already: its ending is kept and written as soon as there is room, once."""
    writer, ids = make_writer(), RecordIds(0)
    downloads = [make_record(ids) for _ in range(20)]
    for record in downloads:
        writer.open(record)
    writer.limits = SpoolLimits(max_bytes=1000)
    assert not fill_until_full(writer, ids, "/")
    for record in downloads:
        writer.close(record.id, DELIVERED)
    assert not [event for event in events_of(writer.folder) if event.kind == EventKind.CLOSE]
    writer.limits = SpoolLimits(max_bytes=20_000_000)
    writer.fact("sign-in", {})
    closes = [event for event in events_of(writer.folder) if event.kind == EventKind.CLOSE]
    assert [decode_close(event.payload)[0] for event in closes] == [record.id for record in downloads]


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """Where and why."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpoolFull, match=r"spool folder .*file.* cannot be written"):
        SpoolWriter(tmp_path / "file", "w0")


def test_nothing_is_taken_after_the_end(make_writer: Callable[..., SpoolWriter]) -> None:
    """A record after `shut` is refused, not lost in silence."""
    writer, ids = make_writer(), RecordIds(0)
    writer.shut()
    with pytest.raises(SpoolFull, match="shut"):
        writer.open(make_record(ids))


def test_a_leak_of_open_records_does_not_eat_the_worker(
    make_writer: Callable[..., SpoolWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than may be open, and the oldest is closed as interrupted."""
    monkeypatch.setattr("logstore.spool.OPENS", 10)
    writer, ids = make_writer(), RecordIds(0)
    records = [make_record(ids) for _ in range(12)]
    for record in records:
        writer.open(record)
    closes = [decode_close(event.payload) for event in events_of(writer.folder) if event.kind == EventKind.CLOSE]
    ending = Ending(kind=EndingKind.INTERRUPTED, error="too many open records")
    assert closes == [(records[0].id, ending), (records[1].id, ending)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes."""
    with disks.small_disk(tmp_path / "disk", 6) as disk:
        yield disk


def test_a_disk_that_is_really_full(make_writer: Callable[..., SpoolWriter], small_disk: Path) -> None:
    """Every record that was taken stays, the ballast buys some more, the rest is refused, and room heals it."""
    hog = small_disk / "hog"
    limits = SpoolLimits(ballast_bytes=1024 * 1024)
    writer, ids = make_writer(folder=small_disk / "spool", limits=limits), RecordIds(0)
    assert (small_disk / "spool" / BALLAST).stat().st_size == 1024 * 1024
    fill(writer, ids, 100)
    with hog.open("wb") as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 65536)
            file.flush()
    recorded = fill_until_full(writer, ids, "/" + "x" * 500)
    assert len(recorded) > 100, "the ballast bought nothing"
    assert not (small_disk / "spool" / BALLAST).exists()
    assert writer.state().level == "full"
    assert "full" in writer.state().trouble
    with pytest.raises(SpoolFull):
        for _ in range(50):
            writer.open(make_record(ids, path="/" + "x" * 5000))
    hog.unlink()
    recorded += fill(writer, ids, 500)
    assert not writer.state().full
    ids_read = {decode_open(e.payload).id for e in events_of(small_disk / "spool") if e.kind == EventKind.OPEN}
    written = [e for e in events_of(small_disk / "spool") if e.kind == EventKind.WRITE]
    assert len(written) + len(ids_read) >= len(recorded) + 100
    for segment in list_segments(small_disk / "spool")[writer.producer]:
        with sqlite3.connect(f"file:{segment.path(small_disk / 'spool')}?mode=ro", uri=True) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_full_at_the_start(make_writer: Callable[..., SpoolWriter], small_disk: Path) -> None:
    """The worker starts, refuses to record, and records as soon as there is room."""
    hog = small_disk / "hog"
    (small_disk / "spool").mkdir()
    with hog.open("wb") as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)
            file.flush()
    writer, ids = make_writer(folder=small_disk / "spool"), RecordIds(0)
    with pytest.raises(SpoolFull):
        writer.open(make_record(ids))
    hog.unlink()

    def recorded() -> bool:
        try:
            fill(writer, ids, 1)
        except SpoolFull:
            return False
        return True

    wait_for(recorded, "the spool to find the room")
    assert len(events_of(small_disk / "spool")) == 2
