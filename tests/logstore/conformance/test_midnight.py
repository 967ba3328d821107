"""At the turn of the day, whatever the clock does, every row has its own names and its day, and is found by both.

Shows: `logstore.folding`, `logstore.marks`.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logstore.filter import LogFilter
from logstore.ids import RecordIds
from logstore.place import ClickHouse, Where
from logstore.query import Archive
from logstore.record import LogRecord
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.rows import AT
from tests.logstore.spooling import DELIVERED, make_record

DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24
MIDNIGHT = AT - AT % DAY_US


class Clock:
    """Microseconds: 20 ms pass with each look, and jumps are made by hand."""

    def __init__(self) -> None:
        self.now = MIDNIGHT - 10_000_000

    def __call__(self) -> int:
        self.now += 20_000
        return self.now


def exchanges(writers: list[tuple[SpoolWriter, RecordIds]], clock: Clock, number: int) -> list[LogRecord]:
    """Pages of many people, open side by side; some names are of every day, some of one, some of one row."""
    made, running = [], []
    for turn in range(number):
        writer, ids = writers[turn % len(writers)]
        record = dataclasses.replace(
            make_record(ids, path=f"/{turn}"),
            time_us=clock.now, user=f"pupil-{turn % 7}", device=f"pad-{turn % 5}-{clock.now // HOUR_US}",
            host=f"h{clock.now}.example.org",
        )  # fmt: skip
        writer.open(record)
        made.append(record)
        running.append((writer, record.id))
        if len(running) > 9:
            ended, record_id = running.pop(turn % 3)
            ended.close(record_id, DELIVERED)
    for ended, record_id in running:
        ended.close(record_id, DELIVERED)
    return made


@pytest.mark.parametrize("restarts", [False, True])
def test_no_name_is_wrong_and_no_row_lost_when_the_clock_jumps_at_midnight(
    where: Where, tmp_path: Path, restarts: bool
) -> None:
    """Ten seconds before it on; then an hour back, over midnight once more, an hour forward, and two back."""
    clock, spool, given = Clock(), tmp_path / "spool", dict[int, LogRecord]()
    writers = []
    for number in range(2):
        writer = SpoolWriter(spool, f"w{number}", limits=SpoolLimits(ballast_bytes=0), rows=200, clock=clock)
        writers.append((writer, RecordIds(number, clock, floor=writer.id_floor)))
    shipper = Shipper(spool, lambda: open_store(where), rows=90, clock=clock)
    for jump in (0, -1, 0, 1, -2, 2):
        clock.now += jump * HOUR_US
        made = exchanges(writers, clock, 250)
        given |= {record.id: record for record in made}
        assert shipper.drain()
        if restarts:
            shipper.close()
            shipper = Shipper(spool, lambda: open_store(where), rows=90, clock=clock)
    for writer, _ in writers:
        writer.shut()
    assert shipper.drain()
    shipper.close()
    assert len(given) == 6 * 250
    with Archive(where) as archive:
        assert {row.record.id: row.record for row in archive.walk(LogFilter())} == given
        seen = datetime.fromtimestamp(MIDNIGHT / 1e6, UTC)
        for first, last in ((seen - timedelta(hours=3), seen), (seen, seen + timedelta(hours=3))):
            wanted = {
                record.id
                for record in given.values()
                if first.timestamp() * 1e6 <= record.time_us < last.timestamp() * 1e6
            }
            assert {row.record.id for row in archive.walk(LogFilter(since=first, until=last))} == wanted
        for name in ("user", "device"):
            for value in sorted({str(getattr(record, name)) for record in given.values()}):
                theirs = {record.id for record in given.values() if getattr(record, name) == value}
                assert {row.record.id for row in archive.walk(LogFilter(**{name: value}))} == theirs, value
        some = next(reversed(given.values()))
        assert [row.record.id for row in archive.walk(LogFilter(host=some.host))] == [some.id]
    if not isinstance(where, ClickHouse):
        assert verify(where).problems == []
