"""PostgreSQL dies by SIGKILL while records are shipped into it: nothing is lost, nothing doubled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstore.filter import LogFilter
from logstore.ids import RecordIds
from logstore.query import Archive
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.spooling import DELIVERED, make_record
from tests.rig.postgres import Postgres

DEATHS = 3
RECORDS = 4_000


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of the test's own, because it is killed."""
    made = Postgres("-c", "fsync=on")
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_killed_under_load(server: Postgres, tmp_path: Path) -> None:
    """Each death comes as soon as rows went in since the last; some records are open all the while, so that what ended
    after them comes again with every new connection."""
    database = server.database()
    writer = SpoolWriter(tmp_path, "w1", limits=SpoolLimits(ballast_bytes=0), rows=500)
    ids = RecordIds(1)
    records = [make_record(ids, "w1") for _ in range(RECORDS)]
    for number, record in enumerate(records):
        if number % 50:
            writer.write(record, DELIVERED)
        else:
            writer.open(record)
    shipper = Shipper(tmp_path, lambda: open_store(database), rows=150)
    died = failed = 0
    while died < DEATHS:
        before = shipper.status().shipped
        while shipper.status().shipped < before + 300:
            shipper.run_once()
        killer = threading.Thread(target=server.kill)
        killer.start()
        while killer.is_alive():
            failed += not shipper.run_once().ok
        assert not shipper.run_once().ok, "a server that is dead took rows"
        server.start()
        died += 1
    for record in records[::50]:
        writer.close(record.id, DELIVERED)
    writer.shut()
    while not (report := shipper.run_once()).ok or report.more or report.events:
        pass
    shipper.close()
    with Archive(database, seconds=100) as archive:
        found = Counter(row.id for row in archive.walk(LogFilter()))
    assert found == Counter(record.id for record in records)
    report_of_all = verify(database)
    assert (report_of_all.problems, report_of_all.rows) == ([], RECORDS), "each of them in one batch of the chain"
    assert shipper.status().rejected == 0
