"""The control process keeps the overlay new, and writes it only when there is something new."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import Engine

from identity.directory import Place
from identity.overlay import FILE_NAME, read_overlay
from registry import people
from registry.people import Details
from registry.watch import OverlayWriter
from tests.registry.conftest import OFFICE


def change(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        people.add(connection, name, Details(), OFFICE)


def test_it_writes_when_something_changed(engine: Engine, store: Path, tmp_path: Path) -> None:
    """At the start, after a change, when the settings' places change and when the file is gone; else not."""
    writer = OverlayWriter(store, tmp_path / "overlay")
    file = tmp_path / "overlay" / FILE_NAME
    assert writer.write_if_changed() is not None
    assert writer.write_if_changed() is None
    change(engine, "pupil-0417")
    written = writer.write_if_changed()
    assert written is not None
    assert (written.number, list(written.directory.people)) == (1, ["pupil-0417"])
    assert writer.write_if_changed() is None
    writer.places = (Place("10.4.0.0/16", "oakwood"),)
    assert writer.write_if_changed() is not None
    assert read_overlay(file).directory.place("10.4.1.1") is not None
    assert writer.write_if_changed() is None
    file.unlink()
    assert writer.write_if_changed() is not None
    assert file.exists()


def test_a_database_that_is_away_changes_nothing(
    engine: Engine, store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Lessons go on with the people known before; it is said once, and work goes on when the database is back."""
    writer = OverlayWriter(store, tmp_path / "overlay")
    change(engine, "pupil-0417")
    writer.write_if_changed()
    catalog, aside = store / "catalog.db", store / "aside.db"
    engine.dispose()
    catalog.rename(aside)
    with caplog.at_level(logging.ERROR):
        assert writer.write_if_changed() is None
        assert writer.write_if_changed() is None
    assert "does not reach the workers" in writer.trouble
    assert len(caplog.records) == 1
    assert read_overlay(tmp_path / "overlay" / FILE_NAME).directory.person("pupil-0417") is not None
    aside.rename(catalog)
    change(engine, "pupil-0418")
    assert writer.write_if_changed() is not None
    assert writer.trouble == ""


def test_a_damaged_database_changes_nothing(store: Path, tmp_path: Path) -> None:
    """Nonsense in place of the catalog leaves the overlay alone."""
    writer = OverlayWriter(store, tmp_path / "overlay")
    writer.write_if_changed()
    before = (tmp_path / "overlay" / FILE_NAME).read_bytes()
    for path in store.glob("catalog.db*"):
        path.write_bytes(b"nonsense" * 1000)
    assert writer.write_if_changed() is None
    assert writer.trouble
    assert (tmp_path / "overlay" / FILE_NAME).read_bytes() == before
