"""What is over is written down once, and the overlay forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from categories.taxonomy import load_taxonomy
from logstore.db import open_catalog, upgrade
from logstore.place import Database
from policy.model import Action
from policy.overrides import Override
from proxy.expiry import PAUSE, WHO, Expiry
from registry import entries, overrides
from registry.overlay import write_overlay
from tests.registry.conftest import AT, OFFICE, trail

END = AT + timedelta(minutes=40)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    upgrade(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def engine(store: Path) -> Iterator[Engine]:
    engine = open_catalog(store)
    yield engine
    engine.dispose()


def test_it_looks_at_the_overlay_and_writes_to_the_register(engine: Engine, store: Path) -> None:
    expiry = Expiry(store, store.parent / "overlay")
    assert expiry.look(AT) == 0
    with engine.begin() as connection:
        overrides.add(connection, Override(0, Action.ALLOW, "host:a.example", until=END), OFFICE)
        entries.add(connection, "games", "b.example", OFFICE, categories=load_taxonomy(), reserved={}, until=END)
        entries.add(connection, "games", "c.example", OFFICE, categories=load_taxonomy(), reserved={})
    with engine.connect() as connection:
        write_overlay(connection, store.parent / "overlay")
    assert expiry.look(END - timedelta(seconds=1)) == 0
    assert expiry.look(END) == 2
    assert expiry.look(END) == 0
    with engine.connect() as connection:
        ends = [line[:3] for line in trail(connection)[3:]]
        assert write_overlay(connection, store.parent / "overlay").decided["overrides"] == []
    assert ends == [(WHO, "override.end", "override-1"), (WHO, "entry.remove", "games: b.example")]


def test_a_broken_overlay_ends_nothing(store: Path) -> None:
    (store.parent / "overlay").mkdir()
    (store.parent / "overlay" / "overlay.msgpack").write_bytes(b"rubbish")
    assert Expiry(store, store.parent / "overlay").look(END) == 0


def test_a_database_that_is_away_is_not_asked_all_the_time(database: Database, tmp_path: Path) -> None:
    """Three times a second somebody looks; each try would wait for it and fill the log."""
    folder = tmp_path / "overlay"
    with open_catalog(database).begin() as connection:
        overrides.add(connection, Override(0, Action.ALLOW, "host:a.example", until=END), OFFICE)
    with open_catalog(database).connect() as connection:
        write_overlay(connection, folder)
    away = Database("postgresql://owner@/nowhere?host=/nonexistent")
    expiry = Expiry(away, folder)
    with pytest.raises(OperationalError):
        expiry.look(END)
    assert expiry.look(END + timedelta(seconds=1)) == 0
    with pytest.raises(OperationalError):
        expiry.look(END + PAUSE)
    expiry = Expiry(database, folder)
    assert expiry.look(END) == 1
