"""What is over is written down once, and the overlay forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from categories.taxonomy import load_taxonomy
from logstore.db import open_catalog, upgrade
from policy.model import Action
from policy.overrides import Override
from proxy.expiry import WHO, Expiry
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
