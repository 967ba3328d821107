"""Workers of one gateway count in memory that outlives each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

from identity.attempts import Attempts
from logstore.gateways import WORKERS
from proxy.sharedcounts import make_shared, open_shared

AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)
SECRET = b"k" * 32
WORKER = """
import os, signal, sys
from datetime import UTC, datetime
from identity.attempts import Attempts
from proxy.sharedcounts import open_shared
counts = open_shared(int(sys.argv[1]))
connections, attempts = counts.connections(63, b"k" * 32), Attempts(counts.attempts(63, b"k" * 32))
for _ in range(7):
    connections.opened("10.4.1.7")
    attempts.failed("teacher", "10.4.1.7", datetime(2026, 11, 17, 10, 20, tzinfo=UTC))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_worker_leaves_its_wrong_passwords_and_takes_its_connections_along() -> None:
    """Its connections are closed once the supervisor knows; what was guessed was guessed."""
    shared = make_shared()
    assert shared is not None
    killed = subprocess.run([sys.executable, "-c", WORKER, str(shared.descriptor)], pass_fds=(shared.descriptor,))
    assert killed.returncode == -9
    other = shared.connections(0, SECRET)
    assert other.opened("10.4.1.7") == 8
    shared.gone(WORKERS - 1)
    assert other.opened("10.4.1.7") == 2
    assert Attempts(shared.attempts(0, SECRET)).wait("teacher", "10.4.1.7", AT).total_seconds() == 2


def test_without_such_memory_a_worker_counts_for_itself(caplog) -> None:
    """It says so, and starts."""
    assert open_shared(None) is None
    reader, writer = os.pipe()
    assert open_shared(reader) is None
    assert "counts connections and passwords for itself" in caplog.text
    os.close(reader), os.close(writer)
