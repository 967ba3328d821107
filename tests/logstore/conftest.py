"""What several tests of the way from the spool to the store begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logstore.ids import RecordIds
from logstore.spool import SpoolLimits, SpoolWriter
from tests.logstore.spooling import BusyStore, FaultyStore, School


@pytest.fixture(params=[FaultyStore, BusyStore])
def school(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[School]:
    """With a store that is waited for, and with one during whose work the next batch is gathered."""
    spool = tmp_path / "spool"
    writer = SpoolWriter(spool, "w0", limits=SpoolLimits(ballast_bytes=0), rows=200)
    store = request.param(tmp_path / "store")
    yield School(spool, tmp_path / "store", writer, RecordIds(0), store, tmp_path / "run" / "shipper.json")
    store.store.close()
    writer.shut()
