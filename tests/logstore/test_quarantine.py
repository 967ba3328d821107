"""What is set aside can be read again, is kept no longer than the store, and is shown."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from logstore.encoding import EventKind, decode_write, encode_open
from logstore.ids import RecordIds
from logstore.quarantine import Quarantine, spool_cleaners
from logstore.reading import SpoolEvent
from tests.logstore.spooling import DELIVERED, make_record

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def age(path: Path, days: int) -> None:
    when = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (when, when))


def test_a_row_set_aside_can_be_read_again(tmp_path: Path) -> None:
    """Whole, with its reason."""
    row = make_record(RecordIds(0)), DELIVERED
    quarantine = Quarantine(tmp_path)
    quarantine.add_row("w0-1-ab", row, "ValueError: no", NOW)
    (line,) = (tmp_path / "quarantine" / "2026-11-21.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert decode_write(base64.b64decode(told["payload"])) == row
    assert (told["producer"], told["number"], told["reason"]) == ("w0-1-ab", row[0].id, "ValueError: no")
    assert quarantine.count() == 1


def test_retention_reaches_the_quarantine_and_looks_at_the_spool(tmp_path: Path) -> None:
    """Six months on, what was set aside goes; a segment that was never shipped is told, not deleted."""
    quarantine = Quarantine(tmp_path)
    row = make_record(RecordIds(0)), DELIVERED
    for day in (NOW - timedelta(days=200), NOW):
        quarantine.add_row("w0-1-ab", row, "no", day)
    old, new = sorted((tmp_path / "quarantine").iterdir())
    segment = tmp_path / "w0-1-ab.00000001.seg"
    segment.write_bytes(b"")
    age(old, 200)
    age(new, 0)
    age(segment, 200)
    limit = NOW - timedelta(days=180)
    clean_quarantine, look_at_spool = spool_cleaners(tmp_path)
    assert clean_quarantine(limit, True).removed == 1
    assert old.exists()
    assert clean_quarantine(limit, False).removed == 1
    assert not old.exists()
    assert new.exists()
    told = look_at_spool(limit, False)
    assert [(stay.what, stay.wrong) for stay in told.stayed] == [(segment.name, True)]
    assert segment.exists()


def test_what_happened_long_ago_goes_though_it_was_set_aside_lately(tmp_path: Path) -> None:
    """Shipped late: the file is young, some of its lines are not; also the one a shipper adds to."""
    quarantine = Quarantine(tmp_path)
    long_ago = int((NOW - timedelta(days=200)).timestamp() * 1e6)
    old, new = (make_record(RecordIds(0, lambda at=at: at)) for at in (long_ago, int(NOW.timestamp() * 1e6)))
    for row in (old, new):
        quarantine.add_row("w0-1-ab", (row, DELIVERED), "no", NOW - timedelta(days=1))
    quarantine.add_row("w0-1-ab", (old, DELIVERED), "no", NOW)
    before, today = sorted((tmp_path / "quarantine").iterdir())
    for path in (before, today):
        age(path, 0)
    limit = NOW - timedelta(days=180)
    assert quarantine.clean(limit, True).removed == 2
    assert quarantine.count() == 3
    assert quarantine.clean(limit, False).removed == 2
    (line,) = before.read_text().splitlines()
    assert json.loads(line)["number"] == new.id
    assert not today.exists()


def test_what_has_no_time_of_its_own_goes_by_the_day_it_was_set_aside(tmp_path: Path) -> None:
    """Taking lines out of a file makes what stays in it no younger."""
    quarantine, set_aside = Quarantine(tmp_path), NOW - timedelta(days=200)
    happened = int((set_aside - timedelta(days=40)).timestamp() * 1e6)
    quarantine.add_row("w0-1-ab", (make_record(RecordIds(0, lambda: happened)), DELIVERED), "no", set_aside)
    carried = make_record(RecordIds(0, lambda: happened))
    aside = tmp_path / "quarantine" / ".2026-05-05.jsonl.new"
    aside.write_text("what a run that was killed left")
    event = SpoolEvent("w0-1-ab", 1, int(EventKind.CARRY), encode_open(carried))
    quarantine.add_event(event, "odd", set_aside)
    path = tmp_path / "quarantine" / "2026-05-05.jsonl"
    age(path, 190)
    was = path.stat().st_mtime
    assert quarantine.clean(set_aside - timedelta(days=10), False).removed == 1
    assert path.stat().st_mtime == was
    assert not aside.exists()
    assert quarantine.count() == 1
    age(path, 0)
    assert quarantine.clean(NOW - timedelta(days=180), False).removed == 1
    assert not path.exists()


def test_a_row_set_aside_while_retention_looks_is_not_lost(tmp_path: Path) -> None:
    """It waits until the file was written anew, and goes into that one."""
    quarantine = Quarantine(tmp_path)
    long_ago = int((NOW - timedelta(days=200)).timestamp() * 1e6)
    old, new = (make_record(RecordIds(0, lambda at=at: at)) for at in (long_ago, int(NOW.timestamp() * 1e6)))
    for row in (old, new):
        quarantine.add_row("w0-1-ab", (row, DELIVERED), "no", NOW)
    (path,) = (tmp_path / "quarantine").iterdir()
    late = make_record(RecordIds(0, lambda: int(NOW.timestamp() * 1e6) + 7_000))
    with path.open("rb") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_EX)
        shipper = threading.Thread(target=quarantine.add_row, args=("w0-1-ab", (late, DELIVERED), "no", NOW))
        shipper.start()
        anew = path.with_name("anew")
        anew.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
        anew.replace(path)
    shipper.join()
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [new.id, late.id]
