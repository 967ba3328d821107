"""A run of tests that is killed leaves no server behind, and its folders no longer than to the next run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.rig import ties
from tests.rig.waiting import wait_for

GATEWAY = """
from pathlib import Path
from tests.rig.gateway import Gateway
server = Gateway(Path({folder!r})).start()
"""
POSTGRES = """
from tests.rig.postgres import Postgres
server = Postgres().start()
print(server.folder)
"""
CHROMIUM = """
from pathlib import Path
from tests.rig.chromium import chromium
browser = chromium(None, Path({folder!r}))
browser.__enter__()
"""
CLICKHOUSE = """
from pathlib import Path
from tests.rig import clickhouse
clickhouse.fresh(Path({folder!r}))
print(clickhouse._folder())
"""


def killed(script: str, folder: Path) -> tuple[list[psutil.Process], list[str]]:
    """Kill a process of tests that runs the script: what it had started, and what it had said."""
    words = [sys.executable, "-c", script.format(folder=str(folder)) + "print('ready', flush=True)\ninput()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True) as tests:
        assert tests.stdout is not None
        said = list(iter(lambda: tests.stdout.readline().strip(), "ready"))
        started = psutil.Process(tests.pid).children(recursive=True)
        tests.kill()
    return started, said


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; whether anybody reaps them is not ours."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("script", "servers"),
    [
        pytest.param(GATEWAY, 3, id="gateway", marks=pytest.mark.e2e),
        pytest.param(POSTGRES, 3, id="PostgreSQL"),
        pytest.param(CHROMIUM, 3, id="Chromium", marks=pytest.mark.browser),
    ],
)
def test_servers_end_with_the_process_that_started_them(tmp_path: Path, script: str, servers: int) -> None:
    """No `finally` runs in a process that is killed; the kernel ends them for it."""
    started, _ = killed(script, tmp_path)
    try:
        assert len(started) >= servers, started
        wait_for(lambda: not living(started), f"{started} to end", seconds=30)
    finally:
        for process in living(started):
            process.kill()


@pytest.mark.parametrize(("kind", "script"), [("pg", POSTGRES), ("ch", CLICKHOUSE)], ids=["PostgreSQL", "ClickHouse"])
def test_folders_of_the_dead_are_removed_and_of_no_other(tmp_path: Path, kind: str, script: str) -> None:
    """One that is used stays, and so does one that is being made this minute."""
    used = ties.own_folder(kind)
    started, (left,) = killed(script, tmp_path)
    wait_for(lambda: not living(started), f"{started} to end", seconds=30)
    try:
        ties.sweep(kind)
        assert Path(left).is_dir()
        os.utime(left, (0, 0))
        ties.sweep(kind)
        assert not Path(left).exists()
        assert used.is_dir()
    finally:
        used.rmdir()
