"""Reading the spool beside its writers: in order, past damage, never losing what came between two looks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from logstore.ids import RecordIds
from logstore.reading import SpoolCursor, SpoolReader
from logstore.segments import INSERT, Segment, create_segment, list_segments
from logstore.spool import SpoolLimits, SpoolWriter
from tests.logstore.spooling import fill

NO_BALLAST = SpoolLimits(ballast_bytes=0)
PRODUCER = "w0-77-abc"


def make_segment(folder: Path, number: int, first: int, last: int) -> sqlite3.Connection:
    """A segment with events `first` to `last`; the connection stays open, as a writer's does."""
    folder.mkdir(exist_ok=True)
    connection = create_segment(Segment(PRODUCER, number).path(folder))
    append(connection, first, last)
    return connection


def append(connection: sqlite3.Connection, first: int, last: int) -> None:
    connection.executemany(INSERT, [(seq, 1, b"x" * 300) for seq in range(first, last + 1)])


def numbers(reader: SpoolReader, limit: int = 10**6) -> list[int]:
    return [event.seq for producer in reader.producers() for event in reader.read(producer, limit)]


def spoil(path: Path, at: float) -> None:
    """Overwrite a page of the file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * at) // 4096 * 4096)
        file.write(b"\xa5" * 4096)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_events_come_in_order_and_once(folder: Path) -> None:
    """Over the border of segments, in pieces, while more arrive."""
    writer = make_segment(folder, 1, 1, 100)
    reader = SpoolReader(folder)
    assert numbers(reader, 60) == list(range(1, 61))
    later = make_segment(folder, 2, 101, 150)
    assert numbers(reader, 60) == list(range(61, 121))
    append(later, 151, 160)
    assert numbers(reader, 60) == list(range(121, 161))
    assert numbers(reader, 60) == []
    writer.close()
    later.close()


def test_reading_goes_on_after_the_cursor(folder: Path) -> None:
    """What the store has is not read again."""
    make_segment(folder, 1, 1, 100).close()
    make_segment(folder, 2, 101, 200).close()
    reader = SpoolReader(folder)
    reader.seek(SpoolCursor(PRODUCER, 130))
    assert numbers(reader) == list(range(131, 201))


def test_what_a_writer_put_into_a_segment_before_it_went_on_is_not_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader has looked at segment 1; before it looks at 2, the writer adds to 1 and goes on to 2."""
    first = make_segment(folder, 1, 1, 10)
    second = make_segment(folder, 2, 1, 0)
    reader = SpoolReader(folder)
    (producer,) = reader.producers()
    plain = reader._read_segment

    def between(segment: Segment, after: int, limit: int) -> object:
        if segment.number == 2 and after == 10:
            append(first, 11, 15)
            append(second, 16, 20)
        return plain(segment, after, limit)

    monkeypatch.setattr(reader, "_read_segment", between)
    assert [event.seq for event in reader.read(producer, 1000)] == list(range(1, 21))
    assert not reader.gaps
    first.close()
    second.close()


def test_a_segment_damaged_in_the_middle_gives_both_its_ends(folder: Path) -> None:
    """Only what is damaged is lost; it is counted, and told with its reason."""
    make_segment(folder, 1, 1, 2000).close()
    make_segment(folder, 2, 2001, 2100).close()
    spoil(Segment(PRODUCER, 1).path(folder), 0.5)
    reader = SpoolReader(folder)
    read = numbers(reader)
    assert read == sorted(set(read))
    assert read[0] == 1
    assert read[-1] == 2100
    assert 1500 < len(read) < 2100
    assert reader.gaps == {PRODUCER: 2100 - len(read)}
    assert "malformed" in reader.damaged[Segment(PRODUCER, 1)]


@pytest.mark.parametrize("content", [b"", b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_segment_stops_nobody(folder: Path, content: bytes) -> None:
    """Empty: a worker killed while making it. Otherwise damaged."""
    make_segment(folder, 1, 1, 10).close()
    Segment(PRODUCER, 2).path(folder).write_bytes(content)
    make_segment(folder, 3, 11, 20).close()
    reader = SpoolReader(folder)
    assert numbers(reader) == list(range(1, 21))
    assert bool(reader.damaged) == bool(content)


@pytest.mark.parametrize("companion", ["-journal", "-wal", "-shm"])
def test_a_segment_whose_making_was_killed_is_empty(folder: Path, companion: str) -> None:
    """Whatever SQLite had laid beside it by then."""
    make_segment(folder, 1, 1, 10).close()
    unmade = Segment(PRODUCER, 2).path(folder)
    connection = sqlite3.connect(unmade, isolation_level=None)
    connection.execute("PRAGMA user_version=1")
    connection.close()
    assert unmade.stat().st_size == 4096
    Path(f"{unmade}{companion}").write_bytes(
        b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504) if companion == "-journal" else b""
    )
    reader = SpoolReader(folder)
    assert numbers(reader) == list(range(1, 11))
    assert not reader.damaged
    assert not reader.busy


def test_a_torn_log_loses_its_end_only(folder: Path, tmp_path: Path) -> None:
    """A power cut in the middle of a write: the part before is whole."""
    writer = make_segment(folder, 1, 1, 500)
    source = Segment(PRODUCER, 1).path(folder)
    torn = tmp_path / "torn"
    torn.mkdir()
    target = Segment(PRODUCER, 1).path(torn)
    target.write_bytes(source.read_bytes())
    log = Path(f"{source}-wal").read_bytes()
    Path(f"{target}-wal").write_bytes(log[: len(log) - 3000])
    writer.close()
    reader = SpoolReader(torn)
    read = numbers(reader)
    assert read == list(range(1, len(read) + 1))
    assert not reader.damaged


def test_a_live_writer_is_never_in_the_way(folder: Path) -> None:
    """Read while it writes, from the first event to the last."""
    writer = SpoolWriter(folder, "w0", limits=NO_BALLAST, rows=200)
    ids, reader = RecordIds(0), SpoolReader(folder)
    read: list[int] = []
    for _ in range(60):
        fill(writer, ids, 25)
        read += numbers(reader)
    assert read == list(range(1, 3001))
    (producer,) = reader.producers()
    assert producer.alive
    writer.shut()
    (producer,) = reader.producers()
    assert not producer.alive
    assert reader.newest(producer) == 3000


def test_other_files_of_the_folder_are_nobodys_segments(folder: Path) -> None:
    """The shipper's lock, the ballast, notes and strangers."""
    folder.mkdir()
    for name in ("shipper.lock", "ballast", "w0.floor", "x.seg", "w0-1-zz.1.seg", "w0-1-ab.1.seg-wal", ".seg"):
        (folder / name).write_bytes(b"")
    assert list_segments(folder) == {}
    assert SpoolReader(folder / "missing").producers() == ()
