"""The record, empty, once in each engine: every test of this folder runs on all of them.

`clickhouse` has its names in a folder; `trust` has them in PostgreSQL, as the settings do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from logstore.place import ClickHouse, Where
from tests.rig import clickhouse

ENGINES = ("sqlite", "postgresql", "clickhouse", "trust")


@pytest.fixture(params=ENGINES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """Where the record is."""
    if request.param == "postgresql":
        found: Where = request.getfixturevalue("database")
        return found
    if request.param == "trust":
        return ClickHouse(clickhouse.fresh(tmp_path / "catalog").address, request.getfixturevalue("database"))
    if request.param == "clickhouse":
        return clickhouse.fresh(tmp_path / "catalog")
    return tmp_path / "store"
