"""A console over a data folder as the first start makes it; tests copy it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import firstrun, inforce
from proxy.settings import Settings
from tests.console.rig import Console


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with compiled starter lists, the preset policy and an empty record."""
    data = tmp_path_factory.mktemp("console") / "data"
    settings = Settings(data=data)
    firstrun.prepare(settings)
    inforce.accept(settings)
    return data


@pytest.fixture
def console(prepared: Path, tmp_path: Path) -> Iterator[Console]:
    """A console of the test's own."""
    made = Console(Path(shutil.copytree(prepared, tmp_path / "data")))
    yield made
    made.engine.dispose()
