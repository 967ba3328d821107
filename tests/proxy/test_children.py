"""Child processes: kept running, told, and never left behind. Real processes, real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from proxy.children import FIRST_PAUSE, LONGEST_PAUSE, STANDING, Child, next_pause
from tests.rig.waiting import wait_for

PROGRAMS = {
    "stands": "import time\nwhile True: time.sleep(0.1)",
    "crashes": "raise SystemExit(3)",
    "deaf": """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: time.sleep(0.1)
    """,
    "talks": """
        import json, socket, sys
        end = socket.socket(fileno=int(sys.argv[sys.argv.index("--control") + 1]))
        stream = end.makefile("rw")
        def say(**what): stream.write(json.dumps(what) + "\\n"); stream.flush()
        say(ready=1, revision="one")
        for line in stream:
            order = json.loads(line)["do"]
            if order == "reload": say(reloaded="two", revision="two")
            if order == "die": sys.exit(1)
    """,
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Child]:
    """A child that runs one of the programs instead of a gateway's process."""
    package = tmp_path / "proxy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (tmp_path / "run").mkdir()

    def made(program: str, *, control: bool = False) -> Child:
        (package / "__main__.py").write_text(textwrap.dedent(PROGRAMS[program]))
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
        return Child("child", [], run_folder=tmp_path / "run", environment=environment, control=control)

    return made


async def until(look: Callable[[], object], seconds: float = 15) -> None:
    """Wait for a condition without holding up the loop."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.01)


def alive(pid: int | None) -> bool:
    return pid is not None and psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_pause_grows_and_is_forgotten() -> None:
    """0.2 s, doubling to 30 s; a child that stood for a minute begins anew."""
    pauses = [0.0]
    for _ in range(10):
        pauses.append(next_pause(pauses[-1], stood=1.0))
    assert pauses[1:4] == [FIRST_PAUSE, 0.4, 0.8]
    assert pauses[-1] == LONGEST_PAUSE
    assert next_pause(LONGEST_PAUSE, stood=STANDING + 1) == FIRST_PAUSE


async def test_a_crash_is_restarted_with_a_growing_pause(make: Callable[..., Child]) -> None:
    """Each death is told; the pid file goes with it."""
    child = make("crashes")
    dead: list[int] = []
    loop = asyncio.get_running_loop()
    times: list[float] = []
    keeping = asyncio.create_task(child.keep_running(lambda pid: (dead.append(pid), times.append(loop.time()))[0]))
    await until(lambda: child.restarts >= 3)
    keeping.cancel()
    assert len(set(dead)) >= 3
    assert times[2] - times[1] > times[1] - times[0] - 0.15
    assert times[1] - times[0] >= FIRST_PAUSE
    assert not (child._run_folder / "child.pid").exists()


async def test_a_killed_child_comes_back_under_another_number(make: Callable[..., Child]) -> None:
    """And its pid file follows."""
    child = make("stands")
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(lambda: alive(child.pid))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.restarts == 1 and alive(child.pid))
    assert child.pid != first
    await until(lambda: (child._run_folder / "child.pid").read_text() == f"{child.pid}\n")
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)
    assert child.pid is None


async def test_a_full_disk_does_not_keep_it_from_coming_back(make: Callable[..., Child]) -> None:
    """The pid file is a convenience: here its folder is gone."""
    child = make("stands")
    child._run_folder.rmdir()
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(lambda: child.ready.is_set() and alive(child.pid))
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)
    assert child.restarts == 0


async def test_what_cannot_be_started_is_tried_again(
    make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process left, no memory: a crash like any other."""
    child = make("stands")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        keeping = asyncio.create_task(child.keep_running(lambda _: None))
        await until(lambda: child.restarts >= 1)
    await until(lambda: alive(child.pid))
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)


async def test_a_deaf_child_is_killed_in_the_end(make: Callable[..., Child]) -> None:
    """Stopping is bounded."""
    child = make("deaf")
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(lambda: alive(child.pid))
    process = psutil.Process(child.pid)
    await until(lambda: "SigIgn" in Path(f"/proc/{process.pid}/status").read_text() and ignores_term(process.pid))
    await child.stop(0.3)
    await asyncio.wait_for(keeping, 5)
    assert not alive(process.pid)
    assert child.restarts == 0


def ignores_term(pid: int) -> bool:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(line.split()[1], 16) & (1 << (signal.SIGTERM - 1)))


async def test_orders_are_answered_and_say_the_revision(make: Callable[..., Child]) -> None:
    """`ready` first, then what the reload put in force."""
    child = make("talks", control=True)
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(child.ready.is_set)
    assert child.revision == "one"
    assert (await child.ask({"do": "reload"}, 10))["reloaded"] == "two"
    assert child.revision == "two"
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)
    assert "not running" in (await child.ask({"do": "reload"}, 10))["failed"]


async def test_who_dies_over_an_order_keeps_nobody_waiting(make: Callable[..., Child]) -> None:
    """A reload must not hang for a minute because one worker crashed meanwhile; the next one answers again."""
    child = make("talks", control=True)
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(child.ready.is_set)
    began = asyncio.get_running_loop().time()
    assert "ended" in (await child.ask({"do": "die"}, 60))["failed"]
    assert asyncio.get_running_loop().time() - began < 10
    await until(lambda: child.restarts == 1 and child.ready.is_set())
    assert (await child.ask({"do": "reload"}, 10))["reloaded"] == "two"
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)


async def test_an_order_that_is_never_answered_ends(make: Callable[..., Child]) -> None:
    """In the time given."""
    child = make("talks", control=True)
    keeping = asyncio.create_task(child.keep_running(lambda _: None))
    await until(child.ready.is_set)
    assert "TimeoutError" in (await child.ask({"do": "nothing"}, 0.2))["failed"]
    await child.stop(5)
    await asyncio.wait_for(keeping, 5)


PARENT = """
import asyncio, os, sys
from pathlib import Path
from proxy.children import Child

child = Child("child", sys.argv[2:], run_folder=Path(sys.argv[1]), environment=dict(os.environ), control=False)
asyncio.run(child.keep_running(lambda _: None))
"""


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time for goodbyes: the kernel tells the child (prctl(2), PR_SET_PDEATHSIG)."""
    (tmp_path / "run").mkdir()
    words = ["--data", str(tmp_path), "shipper"]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "run"), *words])
    file = tmp_path / "run" / "child.pid"
    pid = int(wait_for(lambda: file.exists() and file.read_text().strip(), "the child to start"))
    wait_for(lambda: alive(pid) and os.getsid(pid) == pid, "the child to be on its own")
    parent.kill()
    parent.wait(10)
    wait_for(lambda: not alive(pid), "the child to follow")
