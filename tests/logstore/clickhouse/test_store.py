"""Rows in ClickHouse are stored once, whatever dies in between, and in whatever company they come again.

Shows: `logstore.clickhouse.books`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from logstore.clickhouse import sending
from logstore.clickhouse import store as module
from logstore.clickhouse.db import open_engine
from logstore.clickhouse.partitions import drop, partitions
from logstore.clickhouse.sending import ClickHouseAway
from logstore.clickhouse.store import ClickHouseStore
from logstore.clickhouse.tables import log
from logstore.db import StoreError, open_catalog, reading
from logstore.filter import LogFilter
from logstore.folding import BadRow
from logstore.place import ClickHouse, Database
from logstore.postgres.locks import ROWS
from logstore.prunereport import PruneReport
from logstore.query import Archive
from logstore.retention import prune
from logstore.schema import day_file, log_cursor, log_sent, retention_run
from logstore.store import Store
from logstore.unread import Pair
from logstore.verify import verify
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.rig import clickhouse
from tests.rig.waiting import wait_for

NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A place in a spool."""

    producer: str
    seq: int


@pytest.fixture
def where(tmp_path: Path) -> ClickHouse:
    """An empty record; names are kept in a folder."""
    return clickhouse.fresh(tmp_path / "store")


@pytest.fixture
def rows(where: ClickHouse) -> Iterator[sa.Connection]:
    """A look at the rows."""
    ClickHouseStore(where).close()
    with open_engine(where).connect() as connection:
        yield connection


def ids_in(rows: sa.Connection) -> list[int]:
    """The ids of every row."""
    return list(rows.execute(sa.select(log.c.id).order_by(log.c.id)).scalars())


def ids_of(pairs: list[Pair]) -> list[int]:
    """The ids of a batch."""
    return sorted(record.id for record, _ in pairs)


def two_days(size: int) -> list[Pair]:
    """Rows on both sides of midnight."""
    ids = ids_from(AT - AT % 86_400_000_000 + 86_400_000_000 - size // 2 * 1_000_000, 1_000_000)
    return [(request(ids.next(), user=f"pupil-{n % 3:04}"), ended()) for n in range(size)]


def test_the_same_batch_twice_is_there_once(where: ClickHouse, rows: sa.Connection) -> None:
    with ClickHouseStore(where) as store:
        assert store.append(batch(50), Place("gateway-1", 100)) == 50
        assert store.append(batch(50), Place("gateway-1", 100)) == 0
        assert store.append(batch(70), Place("gateway-1", 140)) == 20
        assert store.cursors() == {"gateway-1": 140}
    assert ids_in(rows) == ids_of(batch(70))


def test_after_a_restart_rows_come_again_in_other_company(where: ClickHouse, rows: sa.Connection) -> None:
    """The cursor stands before the oldest open request, so what ended since is sent again, cut differently."""
    everything = batch(60)
    with ClickHouseStore(where) as store:
        store.append(everything[5:30], Place("gateway-1", 9))
        store.append(everything[30:40], Place("gateway-1", 9))
    with ClickHouseStore(where) as store:
        # The first five were open all the time: their ids are small, and they are new all the same.
        assert store.append(everything[:35], Place("gateway-1", 70)) == 5
        assert store.append(everything[35:], Place("gateway-1", 120)) == 20
    assert ids_in(rows) == ids_of(everything)


def test_the_greatest_id_is_written_down_before_its_row_is_sent(where: ClickHouse, rows: sa.Connection) -> None:
    """What a crash leaves behind is bounded by it: only rows up to it are looked for, not each of a whole trust."""
    everything = batch(40)
    rows.execute(sa.text("RENAME TABLE log TO elsewhere"))
    with ClickHouseStore(where) as store:
        with pytest.raises(ClickHouseAway):
            store.append(everything[:20], Place("gateway-1", 40))
        assert store.cursors() == {}
    rows.execute(sa.text("RENAME TABLE elsewhere TO log"))
    with open_catalog(where.catalog).connect() as catalog:
        assert catalog.execute(sa.select(log_sent.c.max_id)).scalar() == everything[19][0].id


def test_rows_of_several_days_are_each_in_their_partition(where: ClickHouse, rows: sa.Connection) -> None:
    with ClickHouseStore(where) as store:
        assert store.append(two_days(10), Place("gateway-1", 20)) == 10
        assert store.append(two_days(10), Place("gateway-1", 20)) == 0
    assert [(str(one.day), one.rows) for one in partitions(rows)] == [("2026-11-21", 5), ("2026-11-22", 5)]
    with open_catalog(where.catalog).connect() as catalog:
        known = catalog.execute(sa.select(day_file.c.file, day_file.c.state, day_file.c.rows).order_by("file")).all()
    assert [tuple(row) for row in known] == [("clickhouse-20261121", "open", 5), ("clickhouse-20261122", "open", 5)]


@pytest.mark.parametrize("moment", ["before the rows", "between two days", "after the rows"])
def test_a_writer_killed_at_any_moment_neither_loses_nor_doubles(tmp_path: Path, moment: str) -> None:
    """A real process, really killed; the next one is handed the rows again, cut differently."""
    folder = tmp_path / "engine"
    script = f"""
import os, signal, sys
from pathlib import Path
from logstore.clickhouse import store as module
from logstore.clickhouse.store import ClickHouseStore
from logstore.clickhouse.db import open_engine
from logstore.clickhouse.partitions import partitions
from logstore.clickhouse.tables import log
from logstore.filter import LogFilter
from logstore.place import ClickHouse, Database
from logstore.query import Archive
from tests.logstore.clickhouse.test_store import Place, ids_in, ids_of, two_days
from tests.rig.clickhouse import address, make_database
folder, catalog, task = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
where = ClickHouse(address(folder, "school"), catalog)
everything = two_days(40)
if task == "die":
    make_database(folder, "school")
    store = ClickHouseStore(where)
    store.append(everything[:10], Place("gateway-1", 20))
    moment, send, sent = {moment!r}, module.send, 0
    def send_and_die(*arguments):
        global sent
        if moment == "before the rows" or (moment == "between two days" and sent == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        send(*arguments)
        sent += 1
    def die(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)
    module.send, module.note_stored = send_and_die, die
    store.append(everything[10:], Place("gateway-1", 80))
with ClickHouseStore(where) as store:
    assert store.cursors() == {{"gateway-1": 20}}, store.cursors()
    new = store.append(everything[:25], Place("gateway-1", 50)) + store.append(everything[25:], Place("gateway-1", 80))
    assert new == {{"before the rows": 30, "between two days": 20, "after the rows": 0}}[{moment!r}], new
    assert store.cursors() == {{"gateway-1": 80}}
    with open_engine(where).connect() as rows:
        assert ids_in(rows) == ids_of(everything)
        assert [one.rows for one in partitions(rows)] == [20, 20]
print("whole")
"""
    arguments = [sys.executable, "-c", script, str(folder), str(tmp_path / "store")]
    died = subprocess.run([*arguments, "die"], capture_output=True, text=True, timeout=100)
    assert died.returncode == -signal.SIGKILL, died.stderr
    after = subprocess.run([*arguments, "heal"], capture_output=True, text=True, timeout=100)
    assert after.stdout == "whole\n", after.stderr


def test_a_block_sent_again_while_the_first_is_on_its_way_is_dropped(where: ClickHouse, rows: sa.Connection) -> None:
    """The look cannot see what has not arrived; then the token counts."""
    with ClickHouseStore(where) as store:
        store.append(batch(20), Place("gateway-1", 40))
    columns = [list(column) for column in zip(*rows.execute(sa.select(log)).all(), strict=True)]
    order = list(log.c.keys())
    columns[order.index("terms")] = [None] * 20
    by_id = sorted(range(20), key=lambda place: columns[order.index("id")][place])
    sending.send(rows, "gateway-1", [[column[place] for place in by_id] for column in columns])
    assert ids_in(rows) == ids_of(batch(20))


def test_a_row_outside_the_window_of_tokens_is_not_doubled(where: ClickHouse, rows: sa.Connection) -> None:
    """Tokens are kept for the last ten thousand blocks only; the look needs none."""
    rows.execute(sa.text("ALTER TABLE log MODIFY SETTING non_replicated_deduplication_window = 1"))
    with ClickHouseStore(where) as store:
        for begin in range(0, 40, 10):
            store.append(batch(40)[begin : begin + 10], Place("gateway-1", begin))
    with ClickHouseStore(where) as store:
        assert store.append(batch(10), Place("gateway-1", 40)) == 0
        assert store.append(batch(40)) == 0
    assert ids_in(rows) == ids_of(batch(40))


def test_rows_that_were_dropped_can_be_put_back(where: ClickHouse, rows: sa.Connection) -> None:
    """A token must not outlive its rows: else a day that is replayed after an accident would be lost for good."""
    with ClickHouseStore(where) as store:
        store.append(batch(30), Place("gateway-1", 60))
        drop(rows, date(2026, 11, 21))
        assert store.append(batch(30)) == 30
    assert ids_in(rows) == ids_of(batch(30))


def test_a_server_that_fails_is_no_row_s_fault(where: ClickHouse, rows: sa.Connection) -> None:
    with ClickHouseStore(where) as store:
        store.append(batch(10), Place("gateway-1", 20))
        rows.execute(sa.text("RENAME TABLE log TO elsewhere"))
        with pytest.raises(ClickHouseAway):
            store.append(batch(20), Place("gateway-1", 40))
        rows.execute(sa.text("RENAME TABLE elsewhere TO log"))
        assert store.append(batch(20), Place("gateway-1", 40)) == 10
    assert ids_in(rows) == ids_of(batch(20))


def test_a_row_that_can_never_be_stored_is_named(where: ClickHouse, rows: sa.Connection) -> None:
    good = batch(3)
    bad = (request(good[1][0].id, time_us=1 << 70), ended())
    with ClickHouseStore(where) as store:
        with pytest.raises(BadRow, match="time_us does not fit 64 bits") as found:
            store.append([good[0], bad, good[2]], Place("gateway-1", 6))
        assert found.value.id == bad[0].id
        assert store.append([good[0], good[2]], Place("gateway-1", 6)) == 2
    assert len(ids_in(rows)) == 2


def test_a_catalog_of_other_rows_is_not_taken(tmp_path: Path) -> None:
    """Else two stores would count, and remove, each other's days."""
    with Store(tmp_path) as store:
        store.append(batch(1))
    with pytest.raises(StoreError, match="belongs to rows that are not in ClickHouse"):
        ClickHouseStore(clickhouse.fresh(tmp_path))


def test_rows_of_a_day_that_is_gone_are_counted_not_stored(where: ClickHouse, rows: sa.Connection) -> None:
    with open_catalog(where.catalog).begin() as catalog:
        facts = {"started_us": 1, "cutoff_us": 1, "kept_from": "2026-11-22", "months": 6, "timezone": "UTC"}
        catalog.execute(retention_run.insert().values(**facts))
    with ClickHouseStore(where) as store:
        assert store.append(two_days(10), Place("gateway-1", 20)) == 5
        assert store.refused == 5
    with open_catalog(where.catalog).connect() as catalog:
        assert catalog.execute(sa.select(log_cursor.c.seq)).scalar() == 20
        refused = sa.select(day_file.c.state, day_file.c.refused).where(day_file.c.day == "2026-11-21")
        assert tuple(catalog.execute(refused).one()) == ("dropped", 5)


def test_gateways_side_by_side_count_each_row_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writes a whole batch while another has its rows there and not in the books yet."""
    where = ClickHouse(clickhouse.fresh(tmp_path).address, database)
    everything, really = batch(60), module.send
    with ClickHouseStore(where) as one, ClickHouseStore(where) as other:
        one.append(everything[:20], Place("gateway-1", 20))

        def send_and_be_overtaken(
            connection: sa.Connection, producer: str, columns: Sequence[Sequence[object]]
        ) -> None:
            really(connection, producer, columns)
            if producer == "gateway-1":
                assert other.append(everything[40:], Place("gateway-2", 20)) == 20

        monkeypatch.setattr(module, "send", send_and_be_overtaken)
        assert one.append(everything[20:40], Place("gateway-1", 40)) == 20
    with open_catalog(where).connect() as catalog:
        assert catalog.execute(sa.select(day_file.c.rows).where(day_file.c.state == "open")).scalar() == 60
    assert verify(where).problems == []


def test_retention_waits_for_a_batch_that_is_on_its_way(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else rows of a day that has just gone would come after it, and nobody would look for them for a day."""
    where = ClickHouse(clickhouse.fresh(tmp_path).address, database)
    old = [(request(ids_from(AT - 250 * 86_400_000_000).next(), user="long-ago"), ended())]
    report: list[PruneReport] = []
    retention = threading.Thread(target=lambda: report.append(prune(where, NOW, UTC, clock_is_right=True)))
    really = module.send

    def waiting() -> bool:
        """Whether somebody waits for the lock of the rows, as the server sees it."""
        with reading(database) as catalog:
            asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
            return bool(catalog.exec_driver_sql(asked, (ROWS,)).scalar_one())

    def send_late(connection: sa.Connection, producer: str, columns: Sequence[Sequence[object]]) -> None:
        retention.start()
        wait_for(waiting, "retention to wait for the batch", seconds=50)
        assert report == []
        really(connection, producer, columns)

    monkeypatch.setattr(module, "send", send_late)
    with ClickHouseStore(where) as store:
        assert store.append(old, Place("gateway-1", 1)) == 1
        retention.join(60)
        assert [day.rows for day in report[0].days] == [1]
        assert store.append(old, Place("gateway-1", 2)) == 0
        assert store.refused == 1
    with open_engine(where).connect() as rows:
        assert ids_in(rows) == []


def test_names_and_books_can_be_kept_in_postgresql(database: Database, tmp_path: Path) -> None:
    """As a trust does: written, killed in between, written again, found by name."""
    where = ClickHouse(clickhouse.fresh(tmp_path).address, database)
    everything = two_days(20)
    with ClickHouseStore(where) as store:
        assert store.append(everything[:12], Place("gateway-1", 24)) == 12
    with ClickHouseStore(where) as store:
        assert store.cursors() == {"gateway-1": 24}
        assert store.append(everything[5:], Place("gateway-1", 40)) == 8
        assert store.append([(request(everything[-1][0].id + 1, user="half a \ud83c"), ended())]) == 1
    with Archive(where) as archive:
        wanted = [row for row in everything if row[0].user == "pupil-0001"]
        found = archive.search(LogFilter(user="pupil-0001")).rows
        assert [(row.record, row.ending) for row in found] == wanted[::-1]
        assert archive.count(LogFilter()).rows == 21
