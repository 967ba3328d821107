"""Every hook of every addon, broken on purpose, over HTTP and HTTPS: nothing that was not allowed gets through.

mitmproxy swallows an exception in a hook and forwards the flow. Each row of the matrix replaces one hook by one that
raises; a blocked address must stay blocked, the origin must not hear of it, and whatever did pass must have a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons import build_addons
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import curl
from tests.rig.origin import Origin

BLOCKED = "games.schoolgate.test"
ALLOWED = "fine.example"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    with Origin(Authority(tmp_path_factory.mktemp("authority"))) as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, origin: Origin) -> Iterator[Host]:
    made = Host(tmp_path, origin.address)
    origin.arrivals.clear()
    origin.names.clear()
    with made.running() as running:
        yield running


def hooks() -> list[tuple[str, str]]:
    """Every hook an addon of ours has."""
    import mitmproxy.hooks

    import addons.httplayers  # noqa: F401 - registers our own hook

    found = []
    for addon in build_addons(None):  # type: ignore[arg-type]
        for name in mitmproxy.hooks.all_hooks:
            if callable(getattr(addon, name, None)):
                found.append((type(addon).__name__, name))
    return found


def broken(*_: Any) -> None:
    raise RuntimeError("broken on purpose")


@pytest.mark.parametrize(("addon", "hook"), hooks())
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_broken_hook_lets_nothing_through(host: Host, origin: Origin, addon: str, hook: str, scheme: str) -> None:
    """A blocked site stays blocked whichever hook fails; nothing passes without a row."""
    setattr(host.addon(addon), hook, broken)
    blocked = curl(host, f"{scheme}://{BLOCKED}/", seconds=8)
    assert blocked.status != 200
    assert not origin.contacted(BLOCKED)
    curl(host, f"{scheme}://{ALLOWED}/page", seconds=8)
    passed = len(origin.seen(ALLOWED))
    assert len(host.rows()) >= passed


def test_the_matrix_covers_the_whole_chain() -> None:
    """Every addon stands in the matrix."""
    assert {addon for addon, _ in hooks()} == {type(addon).__name__ for addon in build_addons(None)}  # type: ignore[arg-type]


class Exploding:
    """An engine that fails at every decision."""

    def __init__(self, engine: Any) -> None:
        self.revision = engine.revision
        self.policy = engine.policy

    def decide(self, *_: Any) -> None:
        raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_engine_that_fails_blocks_everything(host: Host, origin: Origin, scheme: str) -> None:
    """An exception while deciding is a refusal, with a row whose reason is *failure*."""
    host.live.engine = Exploding(host.live.engine)  # type: ignore[assignment]
    answer = curl(host, f"{scheme}://{ALLOWED}/page", seconds=8)
    assert 503 in (answer.status, answer.connect_status)
    assert not origin.contacted(ALLOWED)
    assert host.rows()[-1].reason == "failure"
