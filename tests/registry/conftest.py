"""An empty register, made by the real migrations."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from identity.basic import Cost, hash_password
from logstore.audit import entries, verify
from logstore.db import open_catalog, upgrade
from registry.change import By
from registry.passwords import PasswordHash

AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)
"""A Tuesday in term."""
OFFICE = By("office", AT, "list from the office")
WORDS = "otter kite lamp"
CHEAP = Cost(memory=64, passes=1)
"""So that a test costs no second."""
HASH = PasswordHash(hash_password(WORDS, CHEAP))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as the migrations make it; tests copy it."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    upgrade(folder)
    return folder


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Path:
    """A store of the test's own."""
    return Path(shutil.copytree(empty_store, tmp_path / "store"))


@pytest.fixture
def engine(store: Path) -> Iterator[Engine]:
    """Opens writing connections."""
    engine = open_catalog(store)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A writing connection in a transaction."""
    with engine.begin() as connection:
        yield connection


def trail(connection: Connection) -> list[tuple[str, str, str, Any, Any]]:
    """The audit trail, oldest line first: who, what, about whom, before, after. Its chain holds."""
    assert verify(connection) is None
    lines = reversed(entries(connection, limit=1000))
    return [(line.who, line.what, line.subject, line.before, line.after) for line in lines]
