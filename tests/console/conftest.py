"""A console over a data folder as the first start makes it; tests copy it."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy import firstrun, inforce
from proxy.control import socket_path
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


@pytest.fixture
def orders(console: Console) -> Iterator[list[dict[str, Any]]]:
    """A control socket that takes orders as a gateway's does; the orders it got."""
    path = socket_path(console.data)
    path.parent.mkdir(parents=True, exist_ok=True)
    end = socket.socket(socket.AF_UNIX)
    end.bind(str(path))
    end.listen()
    got: list[dict[str, Any]] = []

    def serve() -> None:
        while True:
            try:
                other, _ = end.accept()
            except OSError:
                return
            with other, other.makefile("rwb") as stream:
                got.append(json.loads(stream.readline()))
                stream.write(json.dumps({"revision": "r", "lists": {"running": "updating"}}).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield got
    end.shutdown(socket.SHUT_RDWR)
    end.close()
    thread.join()
