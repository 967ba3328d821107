"""Every record reaches the store once, past an absent store, bad rows and damaged files.

Shows: `logstore.collecting`, `logstore.sending`, `logstore.shipping`.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy.exc

from logstore.encoding import EventKind, Fact
from logstore.ids import RecordIds
from logstore.reading import SpoolCursor, SpoolReader
from logstore.segments import INSERT, Segment, list_segments
from logstore.shipper import Shipper
from logstore.shipping import ShipperBusy, read_status, shipper_lock
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.unread import Row
from tests.logstore.spooling import DELIVERED, FaultyStore, School, fill, make_record
from tests.logstore.test_spool import wait_for

FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorname = "SQLITE_FULL"
AWAY = sqlalchemy.exc.OperationalError("INSERT", {"path": "/a-pupils-page"}, FULL)


def failing_for(
    *guilty: int, error: Callable[[], Exception] = lambda: ValueError("no")
) -> Callable[..., Exception | None]:
    """A store that will not have these records."""
    return lambda rows: error() if {row[0].id for row in rows} & set(guilty) else None


def test_what_is_spooled_is_stored(school: School) -> None:
    """While the worker lives; what is still open waits."""
    done = fill(school.writer, school.ids, 300)
    school.writer.open(make_record(school.ids))
    shipper = school.shipper()
    assert shipper.drain()
    assert school.rows() == dict.fromkeys(done, "response")
    assert shipper.status().open_records == 1
    assert shipper.status().lag_events == 0
    assert shipper.status().shipped == 300


def test_a_dead_workers_open_records_are_interrupted_and_its_files_go(school: School) -> None:
    """Nothing is left of it but its rows."""
    done = fill(school.writer, school.ids, 50)
    download = make_record(school.ids)
    school.writer.open(download)
    school.writer.shut()
    assert school.shipper().drain()
    assert school.rows() == {**dict.fromkeys(done, "response"), download.id: "interrupted"}
    assert not list(school.spool.glob("w0-*"))


def test_a_restart_of_the_shipper_loses_no_open_record(school: School) -> None:
    """Read again from the cursor, and merged with its close."""
    download = make_record(school.ids)
    school.writer.open(download)
    done = fill(school.writer, school.ids, 40)
    school.shipper().drain()
    assert school.store.cursors().get(school.writer.producer, 0) == 0
    school.writer.close(download.id, DELIVERED)
    second = school.shipper()
    assert second.drain()
    assert school.rows() == dict.fromkeys([*done, download.id], "response")
    assert second.status().shipped == 1
    assert not second.quarantine.folder.exists()


def test_a_living_workers_segments_go_once_they_are_stored(school: School) -> None:
    """A record open for long holds none of them: it is said again. The one being written stays."""
    school.writer.open(make_record(school.ids, path="/live"))
    shipper = school.shipper()

    def first_segments_gone() -> bool:
        fill(school.writer, school.ids, 120)
        shipper.drain()
        return list_segments(school.spool)[school.writer.producer][0].number > 3

    wait_for(first_segments_gone, "the first segments to go")
    assert len(list_segments(school.spool)[school.writer.producer]) < 6


def test_a_batch_delivered_twice_is_stored_once(school: School) -> None:
    """The store took the rows, the answer was lost."""
    done = fill(school.writer, school.ids, 100)
    real, lost = school.store.store.append, []

    def loses_its_answer(batch: Sequence[Row], cursor: SpoolCursor | None = None) -> int:
        count = real(batch, cursor if lost else None)
        if not lost:
            lost.append(count)
            raise ConnectionResetError("the store went away after it had taken the rows")
        return count

    school.store.store.append = loses_its_answer  # type: ignore[method-assign,assignment]
    shipper = school.shipper()
    assert not shipper.drain()
    assert shipper.drain()
    assert lost == [100]
    assert school.rows() == dict.fromkeys(done, "response")


def test_a_store_that_is_away_is_waited_for(school: School) -> None:
    """Tries come further and further apart; nothing is set aside, the spool grows, and drains in order after."""
    done = fill(school.writer, school.ids, 500)
    school.store.fault = lambda rows: AWAY
    shipper = school.shipper(jitter=lambda: 1.0)
    waits = []
    for _ in range(9):
        assert not shipper.drain()
        waits.append(shipper._delay())
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    done += fill(school.writer, school.ids, 500)
    shipper.tell()
    told = read_status(school.status)
    assert told is not None
    assert told.lag_events == 2000
    assert told.oldest_seconds > 0
    assert told.error == "OperationalError: database or disk is full"
    assert not shipper.quarantine.folder.exists()
    school.store.fault = lambda rows: None
    assert shipper.drain()
    assert shipper._delay() == 0.5
    assert school.rows() == dict.fromkeys(done, "response")


def test_a_store_that_cannot_be_opened_is_waited_for(school: School) -> None:
    """Also at the start of the shipper."""
    done = fill(school.writer, school.ids, 10)
    opens: list[Exception | None] = [OSError("no such folder"), AWAY, None]

    def open_store() -> FaultyStore:
        if (error := opens.pop(0)) is not None:
            raise error
        return school.store

    shipper = Shipper(school.spool, open_store)
    assert [shipper.drain(), shipper.drain(), shipper.drain()] == [False, False, True]
    assert school.rows() == dict.fromkeys(done, "response")


@pytest.mark.parametrize("bad", [[0], [7], [99], [3, 4, 5], [0, 50, 99]])
def test_a_row_the_store_will_never_take_goes_to_the_quarantine(school: School, bad: list[int]) -> None:
    """After three tries; its neighbours are stored, and the quarantine says why."""
    done = fill(school.writer, school.ids, 100)
    guilty = [done[place] for place in bad]
    school.store.fault = failing_for(*guilty)
    shipper = school.shipper()
    assert [shipper.drain(), shipper.drain(), shipper.drain()] == [False, False, True]
    assert school.rows().keys() == set(done) - set(guilty)
    (path,) = shipper.quarantine.folder.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["number"] for line in lines] == guilty
    assert {line["reason"] for line in lines} == {"ValueError: no"}
    assert shipper.status().quarantined == shipper.status().rejected == len(guilty)


def test_a_record_of_impossible_shape_is_named_by_the_store(school: School) -> None:
    """`BadRow` tells which; a fault of ours must not stop a school's record."""
    done = fill(school.writer, school.ids, 20)
    odd = make_record(school.ids)
    school.writer.write(odd, dataclasses.replace(DELIVERED, bytes_down=2**63 + 5))
    done += fill(school.writer, school.ids, 20)
    shipper = school.shipper()
    wait_for(shipper.drain, "the batch to get through")
    assert school.rows().keys() - {odd.id} == set(done)
    assert (odd.id in school.rows()) != bool(shipper.status().rejected)


def test_a_store_that_takes_nothing_blames_no_row(school: School) -> None:
    """A broken store raising the wrong kind of error does not empty the spool into the quarantine."""
    done = fill(school.writer, school.ids, 100)
    school.store.fault = lambda rows: TypeError("a bug in the store") if rows else None
    shipper = school.shipper()
    for _ in range(6):
        assert not shipper.drain()
    assert not shipper.quarantine.folder.exists()
    school.store.fault = lambda rows: None
    assert shipper.drain()
    assert school.rows().keys() == set(done)


def test_one_workers_bad_row_does_not_hold_up_another_worker(school: School) -> None:
    """And what the other one gets stored proves the lonely row guilty."""
    other = SpoolWriter(school.spool, "w1", limits=SpoolLimits(ballast_bytes=0))
    other_ids = RecordIds(1)
    (bad,) = fill(school.writer, school.ids, 1)
    school.store.fault = failing_for(bad)
    shipper = school.shipper()
    done = []
    for _ in range(3):
        done += fill(other, other_ids, 5)
        shipper.drain()
        assert school.rows().keys() == set(done)
    assert shipper.status().rejected == 1
    other.shut()


def test_an_event_nobody_can_read_goes_to_the_quarantine(school: School) -> None:
    """A later program's event, a bug: its neighbours are stored."""
    done = fill(school.writer, school.ids, 5)
    school.writer.shut()
    (segment, *_) = list_segments(school.spool)[school.writer.producer]
    with sqlite3.connect(segment.path(school.spool)) as connection:
        connection.execute(INSERT, (11, 1, b"\x92\x63\xc0"))
        connection.execute(INSERT, (12, 77, b"\x91\x01"))
    connection.close()
    shipper = school.shipper()
    assert shipper.drain()
    assert school.rows().keys() == set(done)
    (path,) = shipper.quarantine.folder.glob("*.jsonl")
    reasons = [json.loads(line)["reason"] for line in path.read_text().splitlines()]
    assert "schema version 99" in reasons[0]
    assert "kind 77 is unknown" in reasons[1]


def test_a_quarantine_that_cannot_be_written_loses_nothing(school: School) -> None:
    """What was read with the bad event is read again."""
    done = fill(school.writer, school.ids, 5)
    school.writer.shut()
    (segment, *_) = list_segments(school.spool)[school.writer.producer]
    with sqlite3.connect(segment.path(school.spool)) as connection:
        connection.execute(INSERT, (11, 77, b""))
    connection.close()
    in_the_way = school.spool / "quarantine"
    in_the_way.write_text("not a folder")
    shipper = school.shipper()
    for _ in range(3):
        assert not shipper.drain()
    in_the_way.unlink()
    assert shipper.drain()
    assert school.rows() == dict.fromkeys(done, "response")
    assert shipper.status().quarantined == 1


def test_a_taker_of_facts_that_fails_loses_nothing(school: School) -> None:
    """It is asked again with the same facts."""
    done = fill(school.writer, school.ids, 5)
    school.writer.fact("sign-in", {})
    done += fill(school.writer, school.ids, 5)
    answers: list[Exception | None] = [OSError("away"), KeyError("bug"), None]

    def take(facts: Sequence[tuple[SpoolCursor, Fact]]) -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    shipper = school.shipper(facts=take)
    assert [shipper.drain(), shipper.drain(), shipper.drain()] == [False, False, True]
    assert school.rows() == dict.fromkeys(done, "response")


def test_a_damaged_segment_is_set_aside_and_the_rest_is_stored(school: School) -> None:
    """Closes whose open was lost with it are kept too."""
    done = fill(school.writer, school.ids, 2000)
    wait_for(lambda: fill(school.writer, school.ids, 1), "one more")
    school.writer.shut()
    segment = max(
        list_segments(school.spool)[school.writer.producer], key=lambda s: s.path(school.spool).stat().st_size
    )
    path = segment.path(school.spool)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)
    shipper = school.shipper()
    assert shipper.drain()
    lost = len(set(done) - school.rows().keys())
    assert 0 < lost < 40
    assert shipper.status().missing_events > 0
    assert (shipper.quarantine.folder / path.name).exists()
    assert "malformed" in (shipper.quarantine.folder / f"{path.name}.reason.txt").read_text()
    assert not list_segments(school.spool)


def test_strays_of_a_kill_are_tidied_away(school: School) -> None:
    """Half-removed segments, locks of the dead; the living keep theirs."""
    strays = [school.spool / f"w9-1-ab.00000001.seg{end}" for end in ("-wal", "-shm")]
    strays.append(school.spool / "w9-1-ab.lock")
    for stray in strays:
        stray.write_bytes(b"")
    school.shipper().drain()
    assert not [stray for stray in strays if stray.exists()]
    assert (school.spool / f"{school.writer.producer}.lock").exists()
    fill(school.writer, school.ids, 1)


def test_facts_are_handed_over_with_their_place(school: School) -> None:
    """So that the taker can tell a repeat."""
    taken: list[tuple[SpoolCursor, Fact]] = []
    school.writer.fact("sign-in", {"user": "pupil-0417"})
    fill(school.writer, school.ids, 1)
    school.writer.fact("tls-failure", {"domain": "example.org"})
    shipper = school.shipper(facts=taken.extend)
    assert shipper.drain()
    assert [(cursor.seq, fact.kind) for cursor, fact in taken] == [(1, "sign-in"), (4, "tls-failure")]
    assert shipper.status().facts == 2


def test_a_long_download_is_shown_and_its_late_end_changes_nothing(school: School) -> None:
    """The store takes rows in and changes none."""
    download = make_record(school.ids)
    school.writer.open(download)
    shipper = school.shipper(wait=0.0)
    assert shipper.drain()
    assert school.rows() == {download.id: "interrupted"}
    school.writer.close(download.id, DELIVERED)
    assert shipper.drain()
    assert school.rows() == {download.id: "interrupted"}
    assert shipper.status().orphans == 1
    assert not shipper.quarantine.folder.exists()


def test_only_one_shipper_ships_a_spool(tmp_path: Path) -> None:
    """The second is told who the first is."""
    with shipper_lock(tmp_path), pytest.raises(ShipperBusy, match=r"process [0-9]+"), shipper_lock(tmp_path):
        pass
    with shipper_lock(tmp_path):
        pass


def test_the_loop_ships_and_stops_when_told(school: School) -> None:
    """And tells how it goes."""
    stop = threading.Event()
    thread = threading.Thread(target=school.shipper().run, args=(stop,))
    thread.start()
    done = fill(school.writer, school.ids, 10)
    wait_for(lambda: (told := read_status(school.status)) and told.shipped == 10, "ten rows")
    done += fill(school.writer, school.ids, 10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert school.rows() == dict.fromkeys(done, "response")
    told = read_status(school.status)
    assert told is not None
    assert (told.shipped, told.lag_events, told.level, told.error) == (20, 0, "ok", "")


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"written_at": 1, "later_field": 2}'])
def test_a_status_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """A later program's is read as far as it is known."""
    path = tmp_path / "shipper.json"
    path.write_text(text)
    told = read_status(path)
    assert (told is not None) == ("written_at" in text)


def test_segments_are_removed_only_when_the_store_has_them(school: School) -> None:
    """Not while the cursor lags."""
    fill(school.writer, school.ids, 150)
    school.writer.shut()
    school.store.fault = lambda rows: AWAY
    assert not school.shipper().drain()
    reader = SpoolReader(school.spool)
    assert sum(len(reader.read(producer, 10**6)) for producer in reader.producers()) == 300
    assert {event.kind for producer in reader.producers() for event in reader.read(producer, 1)} <= set(EventKind)
    assert Segment(school.writer.producer, 1) in list_segments(school.spool)[school.writer.producer]
