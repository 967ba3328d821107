"""A worker that fails at its end lets go of the spool all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from logstore.encoding import EventKind
from tests.conftest import REPOSITORY
from tests.logstore.spooling import events_of

PROGRAM = """
import socket, sys
from pathlib import Path
from logstore.ids import RecordIds
from proxy import assembly, inforce
from proxy.firstrun import prepare
from proxy.master import GatewayMaster
from proxy.settings import Settings
from proxy.worker import WorkerPlace, run_worker
from tests.logstore.spooling import DELIVERED, make_record

async def drain(self, seconds):
    record = make_record(RecordIds(0))
    self.live.spool.open(record)
    self.live.spool.close(record.id, DELIVERED, together=True)
    raise OSError("broken on purpose")

GatewayMaster.drain = drain
settings = Settings(data=Path(sys.argv[1]))
prepare(settings)
assembly.compile_lists(settings)
inforce.put_in_force(settings, *assembly.policy_text(settings))
listener = socket.create_server(("127.0.0.1", 0))
supervisor, control = socket.socketpair()
supervisor.shutdown(socket.SHUT_WR)
port = listener.getsockname()[1]
run_worker(settings, WorkerPlace(0, port, 0, control.detach(), listeners=(listener.detach(),)))
"""


def test_a_worker_that_fails_while_it_ends_writes_the_endings_that_wait(tmp_path: Path) -> None:
    """Its supervisor has gone; what was delivered while its connections ended does not end as interrupted."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "data")],
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "broken on purpose" in told.stderr
    assert [event.kind for event in events_of(tmp_path / "data" / "spool")] == [EventKind.OPEN, EventKind.CLOSE]
