"""What is set aside can be read again, is kept no longer than the store, and is shown."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from logstore.encoding import decode_write
from logstore.ids import RecordIds
from logstore.quarantine import Quarantine, spool_cleaners
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
    """Shipped late: the file is young, some of its lines are not. The newest file is left to the shipper."""
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
    assert quarantine.clean(limit, True).removed == 1
    assert quarantine.count() == 3
    assert quarantine.clean(limit, False).removed == 1
    (line,) = before.read_text().splitlines()
    assert json.loads(line)["number"] == new.id
    assert len(today.read_text().splitlines()) == 1
