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
