"""The last in the chain: without a verdict and a row nothing passes, and a worker that keeps failing ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.test import tflow

from addons.flownotes import connection_notes, flow_notes
from addons.gatekeeper import BURST, EXIT_STATUS, Gatekeeper
from addons.live import Live
from logstore.encoding import EventKind
from policy.model import Action, Reason, Verdict
from tests.logstore.spooling import events_of

ALLOW = Verdict(Action.ALLOW, Reason.DEFAULT, "fine")
BLOCK = Verdict(Action.BLOCK, Reason.RULE, "closed")
WARN = Verdict(Action.WARN, Reason.RULE, "think")
BYPASS = Verdict(Action.BYPASS, Reason.RULE, "private")


@pytest.mark.parametrize(
    ("verdict", "recorded", "passes"),
    [
        (ALLOW, True, True),
        (BYPASS, True, True),
        (ALLOW, False, False),  # decided, not recorded
        (None, True, False),  # recorded, not decided
        (None, False, False),
        (BLOCK, True, False),  # blocked, but nobody answered
        (WARN, True, False),
    ],
)
@pytest.mark.parametrize("hook", ["requestheaders", "request"])
def test_only_what_was_allowed_and_recorded_passes(
    live: Live, verdict: Verdict | None, recorded: bool, passes: bool, hook: str
) -> None:
    """Everything else is 503, and counted."""
    flow = tflow.tflow()
    notes = flow_notes(flow)
    notes.verdict, notes.recorded = verdict, recorded
    before = live.metrics.undecided._value.get()
    getattr(Gatekeeper(live), hook)(flow)
    assert (flow.response is None) is passes
    assert live.metrics.undecided._value.get() - before == (0 if passes else 1)
    if flow.response is not None:
        assert (flow.response.status_code, flow.request.stream) == (503, False)


def test_an_answer_of_ours_is_left_as_it_is(live: Live) -> None:
    """And its upload is never streamed: the host would crash."""
    flow = tflow.tflow(resp=True)
    flow.request.stream = True
    answer = flow.response
    Gatekeeper(live).requestheaders(flow)
    assert (flow.response, flow.request.stream) == (answer, False)


def test_an_origin_s_answer_to_an_undecided_request_is_killed(live: Live) -> None:
    """It never reaches the client."""
    flow = tflow.tflow(resp=True)
    flow.live = True
    Gatekeeper(live).responseheaders(flow)
    assert flow.error is not None
    assert flow.error.msg == flow.error.KILLED_MESSAGE


@pytest.mark.parametrize(
    ("verdict", "record", "unrecorded", "passes"),
    [
        (BYPASS, 1, False, True),
        (BYPASS, None, True, True),  # spool full, and the school chose to go on
        (BYPASS, None, False, False),
        (ALLOW, 1, False, False),
        (None, 1, False, False),
    ],
)
def test_only_a_recorded_bypass_is_not_decrypted(
    live: Live, verdict: Verdict | None, record: int | None, unrecorded: bool, passes: bool
) -> None:
    """Whatever another addon set."""
    client = tflow.tclient_conn()
    notes = connection_notes(client)
    notes.connect_verdict, notes.tunnel_record, notes.tunnel_unrecorded = verdict, record, unrecorded
    data: Any = SimpleNamespace(context=SimpleNamespace(client=client), ignore_connection=True)
    Gatekeeper(live).tls_clienthello(data)
    assert data.ignore_connection is passes


@pytest.mark.parametrize(("verdict", "requests", "error"), [(ALLOW, 0, None), (None, 1, None), (None, 0, "undecided")])
def test_no_socket_before_a_decision(live: Live, verdict: Verdict | None, requests: int, error: str | None) -> None:
    """A connection on which nothing was decided opens none."""
    client = tflow.tclient_conn()
    notes = connection_notes(client)
    notes.connect_verdict, notes.requests = verdict, requests
    data: Any = SimpleNamespace(client=client, server=tflow.tserver_conn())
    data.server.error = None
    Gatekeeper(live).server_connect(data)
    assert data.server.error == error


@pytest.mark.parametrize(("verdict", "answered"), [(None, 503), (ALLOW, None), (BLOCK, None)])
def test_a_connect_needs_a_verdict(live: Live, verdict: Verdict | None, answered: int | None) -> None:
    """A blocked one is opened, so that its page can be read inside TLS."""
    flow = tflow.tflow()
    connection_notes(flow.client_conn).connect_verdict = verdict
    Gatekeeper(live).http_connect(flow)
    assert (flow.response.status_code if flow.response else None) == answered


PROGRAM = """
import sys
from types import SimpleNamespace
from mitmproxy.test import tflow
from prometheus_client import CollectorRegistry
from addons.gatekeeper import Gatekeeper
from addons.metrics import Metrics

keeper = Gatekeeper(SimpleNamespace(metrics=Metrics(CollectorRegistry())))
for number in range(int(sys.argv[1])):
    keeper.request(tflow.tflow())
print("still here")
"""


@pytest.mark.parametrize(("failures", "status"), [(BURST - 1, 0), (BURST, EXIT_STATUS)])
def test_a_worker_that_keeps_failing_ends(failures: int, status: int) -> None:
    """Design 5.1: with a status that says so, in a process of its own, also under `python -O`."""
    ended = subprocess.run(
        [sys.executable, "-O", "-c", PROGRAM, str(failures)], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, "still here" in ended.stdout) == (status, status == 0)


WAITING = """
import sys
from pathlib import Path
from types import SimpleNamespace
from mitmproxy.test import tflow
from prometheus_client import CollectorRegistry
from addons.gatekeeper import BURST, Gatekeeper
from addons.metrics import Metrics
from logstore.ids import RecordIds
from logstore.spool import SpoolWriter
from tests.logstore.spooling import DELIVERED, make_record

spool, record = SpoolWriter(Path(sys.argv[1]), "w0"), make_record(RecordIds(0))
spool.open(record)
spool.close(record.id, DELIVERED, together=True)
keeper = Gatekeeper(SimpleNamespace(metrics=Metrics(CollectorRegistry()), spool=spool))
for number in range(BURST):
    keeper.request(tflow.tflow())
"""


def test_a_worker_that_gives_up_writes_the_endings_that_wait(tmp_path: Path) -> None:
    """Nothing else ends it so: what it delivered does not end as interrupted."""
    told = subprocess.run([sys.executable, "-c", WAITING, str(tmp_path)], check=False, capture_output=True, timeout=60)
    assert told.returncode == EXIT_STATUS
    assert [event.kind for event in events_of(tmp_path)] == [EventKind.OPEN, EventKind.CLOSE]


def test_failures_far_apart_do_not_end_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """One an hour is for the log, not for a restart."""
    ended: list[int] = []
    clock = iter(range(0, 3600 * BURST * 3, 3600))
    monkeypatch.setattr("addons.gatekeeper.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("addons.gatekeeper.os._exit", ended.append)
    keeper = Gatekeeper(live)
    for _ in range(BURST * 2):
        keeper.request(tflow.tflow())
    assert ended == []
