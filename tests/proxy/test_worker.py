"""A worker that cannot go on says why and ends; one that fails at its end lets go of the spool all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logstore.encoding import EventKind
from tests.conftest import REPOSITORY
from tests.logstore.spooling import events_of

PROGRAM = """
import asyncio, socket, sys, threading
from pathlib import Path
from logstore.ids import RecordIds
from proxy import assembly, faults, inforce
from proxy.firstrun import prepare
from proxy.master import GatewayMaster
from proxy.settings import Settings
from proxy.worker import WorkerPlace, run_worker
from tests.logstore.spooling import DELIVERED, make_record

{broken}
def junk():
    supervisor.recv(65536)  # ready
    supervisor.sendall(b"jane\\n")

settings = Settings(data=Path(sys.argv[1]))
prepare(settings)
assembly.compile_lists(settings)
inforce.put_in_force(settings, *assembly.policy_text(settings))
listener = socket.create_server(("127.0.0.1", 0))
supervisor, control = socket.socketpair()
{supervisor}
port = listener.getsockname()[1]
run_worker(settings, WorkerPlace(0, port, 0, control.detach(), listeners=(listener.detach(),)))
"""

DRAIN = """
async def drain(self, seconds):
    record = make_record(RecordIds(0))
    self.live.spool.open(record)
    self.live.spool.close(record.id, DELIVERED, together=True)
    raise OSError("broken on purpose")

GatewayMaster.drain = drain
"""


def worker(data: Path, broken: str, supervisor: str) -> subprocess.CompletedProcess[str]:
    """A worker of its own, until it ends: what is broken in it, and what its supervisor does."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(broken=broken, supervisor=supervisor), str(data)],
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_worker_that_fails_while_it_ends_writes_the_endings_that_wait(tmp_path: Path) -> None:
    """Its supervisor has gone; what was delivered while its connections ended does not end as interrupted."""
    told = worker(tmp_path / "data", DRAIN, "supervisor.shutdown(socket.SHUT_WR)")
    assert "broken on purpose" in told.stderr
    assert "cannot go on" not in told.stderr, "it was asked to end"
    assert [event.kind for event in events_of(tmp_path / "data" / "spool")] == [EventKind.OPEN, EventKind.CLOSE]


QUIET = "faults.install(debug=False)"
NO_MORE_OVERLAY = f"""
{QUIET}
from proxy.worker import Worker

JANE = "jane"

async def watch(self):
    while self._supervisor is None:
        await asyncio.sleep(0.01)
    raise PermissionError(JANE)

Worker._watch_overlay = watch
"""


@pytest.mark.parametrize(
    ("broken", "supervisor", "why"),
    [
        (QUIET, "threading.Thread(target=junk).start()", "JSONDecodeError"),
        (NO_MORE_OVERLAY, "pass", "PermissionError"),
    ],
    ids=["its orders cannot be read", "decisions cannot be heard"],
)
def test_a_worker_that_cannot_go_on_ends_and_says_why(tmp_path: Path, broken: str, supervisor: str, why: str) -> None:
    """With old decisions it does not go on; its supervisor starts another. The words name the kind of error."""
    told = worker(tmp_path / "data", broken, supervisor)
    (line,) = [line for line in told.stderr.splitlines() if "cannot go on" in line]
    assert line.endswith(f"this worker cannot go on: {why}")
    assert "jane" not in told.stderr
