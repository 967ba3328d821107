"""A CA is rotated while lessons go on: every worker signs with the new one at once, and nothing open is dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.clients import Browser, curl
from tests.rig.gateway import Gateway

pytestmark = pytest.mark.e2e
WORKERS = 2
REFUSED = 60
"""What curl ends with when it does not believe the certificate."""


def believed(gateway: Gateway, url: str, trust: Path) -> set[int]:
    """How fresh handshakes end for devices that trust `trust` alone; enough of them to meet every worker."""
    return {curl(gateway, url, trust=trust).code for _ in range(5 * WORKERS)}


def test_every_worker_switches_and_open_connections_go_on(
    make_gateway: Callable[..., Gateway], name: str, tmp_path: Path
) -> None:
    """First with an EC CA made here, then back; connections opened under the old CA carry requests afterwards."""
    gateway = make_gateway({"proxy": {"workers": WORKERS}}).start()
    url = f"https://{name}/page"
    before, after = tmp_path / "before.pem", tmp_path / "after.pem"
    assert gateway.command("ca", "export", str(before)).returncode == 0
    assert gateway.command("ca", "rotate").returncode == 0
    assert gateway.command("ca", "export", str(after), "--which", "next").returncode == 0
    assert believed(gateway, url, before) == {0}
    workers = gateway.pids("worker")
    lessons = [Browser(gateway) for _ in range(4 * WORKERS)]
    try:
        sockets = []
        for lesson in lessons:
            assert lesson.fetch(url).status == 200
            sockets += [connection.sock for connection in lesson._open.values()]
        done = gateway.command("ca", "rotate", "--switch")
        assert (done.returncode, f"in force on {WORKERS} workers" in done.stderr) == (0, True), done.stderr
        assert believed(gateway, url, after) == {0}
        assert believed(gateway, url, before) == {REFUSED}
        assert [lesson.fetch(url).status for lesson in lessons] == [200] * len(lessons)
        assert [connection.sock for lesson in lessons for connection in lesson._open.values()] == sockets
    finally:
        for lesson in lessons:
            lesson.close()
    assert gateway.pids("worker") == workers
    assert gateway.command("ca", "rotate", "--back").returncode == 0
    assert believed(gateway, url, before) == {0}
    told = json.loads(gateway.command("ca", "status", "--json").stdout)
    assert "next" in told
    assert gateway.stop() == 0
