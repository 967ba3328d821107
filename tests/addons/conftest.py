"""A host for every test module of this folder, with the session's origins behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from addons.live import Live
from tests.addons.host import Host
from tests.addons.people import EVERYBODY
from tests.rig.certificates import Authority
from tests.rig.origin import Origin


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Host]:
    """A running host; tests that change `host.live` put it back with `monkeypatch`."""
    made = Host(tmp_path_factory.mktemp("host"), origin.address, people=EVERYBODY, trust=authority.pem)
    with made.running() as running:
        yield running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The parts of a worker that serves nobody: for what is asked about one flow."""
    made = Host(tmp_path_factory.mktemp("parts"), "127.0.0.1:9").live
    yield made
    made.spool.shut()
