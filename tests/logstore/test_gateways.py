"""Several gateways ship into one store: every row of each is there, and a number given twice is told, not suffered."""

from __future__ import annotations

from pathlib import Path

import pytest

from logstore.gateways import LEASE_US, RENEW_US, Gateway, GatewayClash, identity_in, node_of
from logstore.ids import NODES, NUMBERS, WORKERS, RecordIds
from logstore.sending import TRIES
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import BadRow, Store

from .rows import AT, ended, request
from .spooling import fill, make_record, stored

OAKWOOD = Gateway(0, "a" * 32, "oakwood-1")
HILLVIEW = Gateway(1, "b" * 32, "hillview-1")


class Clock:
    """Nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = AT * 1000

    def __call__(self) -> int:
        return self.now


def test_every_worker_of_every_gateway_has_a_node_of_its_own() -> None:
    """And all of them fit."""
    nodes = {node_of(number, worker) for number in range(NUMBERS) for worker in range(WORKERS)}
    assert nodes == set(range(NODES))
    with pytest.raises(ValueError, match="64 workers"):
        node_of(0, WORKERS)


def test_a_gateway_stays_itself(tmp_path: Path) -> None:
    """Its identity is made once and read again; another gateway has another."""
    (tmp_path / "other").mkdir()
    assert identity_in(tmp_path) == identity_in(tmp_path) != identity_in(tmp_path / "other")


def test_two_gateways_at_the_same_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    """Clocks that stand at the same millisecond, spools of their own, one store."""
    ids: set[int] = set()
    shippers = []
    for gateway in (OAKWOOD, HILLVIEW):
        spool = tmp_path / gateway.name
        writer = SpoolWriter(spool, f"gateway{gateway.number}_worker0", limits=SpoolLimits(ballast_bytes=0))
        ids |= set(fill(writer, RecordIds(node_of(gateway.number, 0), lambda: AT), 2_000))
        writer.shut()
        shippers.append(Shipper(spool, lambda gateway=gateway: Store(tmp_path / "store", gateway=gateway), rows=300))
    for _ in range(10):
        for shipper in shippers:
            shipper.run_once()
    for shipper in shippers:
        assert shipper.drain()
        shipper.close()
    assert len(ids) == 4_000
    assert stored(tmp_path / "store").keys() == ids


def test_a_number_in_use_is_refused_and_the_records_wait(tmp_path: Path) -> None:
    """The second gateway is told by name what to change; its spool keeps everything; with its own number it ships."""
    clock = Clock()
    double = Gateway(OAKWOOD.number, HILLVIEW.identity, HILLVIEW.name)
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, "gateway0_worker0", limits=SpoolLimits(ballast_bytes=0))
    ids = fill(writer, RecordIds(0, lambda: AT), 10)
    writer.shut()
    with Store(tmp_path / "store", clock, OAKWOOD):
        shipper = Shipper(spool, lambda: Store(tmp_path / "store", clock, double))
        for _ in range(5):
            report = shipper.run_once()
        assert not report.ok
        assert "gateway number 0 is in use by another gateway (oakwood-1)" in report.error
        assert shipper.quarantine.count() == 0
        assert stored(tmp_path / "store") == {}
        shipper.close()
        moved = Shipper(spool, lambda: Store(tmp_path / "store", clock, HILLVIEW))
        assert moved.drain()
        moved.close()
    assert stored(tmp_path / "store").keys() == set(ids)


def test_a_gateway_made_anew_takes_its_number_after_a_while(tmp_path: Path) -> None:
    """Its disk was lost, and its identity with it; the old one is silent. One that still works keeps its number."""
    clock = Clock()
    anew = Gateway(OAKWOOD.number, "c" * 32, OAKWOOD.name)
    with Store(tmp_path, clock, OAKWOOD) as old:
        clock.now += (LEASE_US - RENEW_US) * 1000
        old.append([])
        clock.now += 2 * RENEW_US * 1000
        with pytest.raises(GatewayClash):
            Store(tmp_path, clock, anew)
        clock.now += LEASE_US * 1000
        with Store(tmp_path, clock, anew), pytest.raises(GatewayClash):
            old.append([])


def test_two_records_with_one_id_are_both_kept(tmp_path: Path) -> None:
    """Should it happen all the same: the second goes to the quarantine with its reason, its neighbours are stored."""
    with Store(tmp_path / "store") as store:
        ids = RecordIds(0, lambda: AT)
        first = [(request(ids.next(), host="www.oakwood.example"), ended()) for _ in range(3)]
        store.append(first)
        assert store.append(first) == 0, "the same record again is no clash"
        other = (request(first[1][0].id, host="www.hillview.example"), ended())
        with pytest.raises(BadRow, match="another record has this id") as told:
            store.append([other, (request(ids.next()), ended())])
        assert told.value.id == other[0].id
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, "w0", limits=SpoolLimits(ballast_bytes=0))
    again, new = RecordIds(0, lambda: AT), RecordIds(7, lambda: AT)
    fill(writer, again, 2)
    kept = make_record(new)
    writer.write(kept, ended())
    writer.shut()
    shipper = Shipper(spool, lambda: Store(tmp_path / "store"))
    for _ in range(TRIES + 1):
        shipper.run_once()
    shipper.close()
    assert shipper.quarantine.count() == 2
    assert stored(tmp_path / "store").keys() == {row[0].id for row in first} | {kept.id}
