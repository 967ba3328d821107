"""SIGKILL under load: every response a client has in its hands has exactly one row (design §5.2).

Shows: `proxy.children`.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import threading
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import psutil
import pytest

from logstore.segments import TOGETHER
from tests.rig.clients import Browser, curl
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
CLIENTS = 6
KILLS = 3


class Load:
    """Clients that ask for one unique URL after another and remember which answers they really have."""

    def __init__(self, gateway: Gateway, host: str) -> None:
        self.gateway, self.host = gateway, host
        self.delivered: list[str] = []
        self.failures = 0
        self.stopping = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)
        self.running = [self.pool.submit(self._client, number) for number in range(CLIENTS)]

    def _client(self, number: int) -> None:
        scheme = "https" if number % 2 else "http"
        asked = 0
        while not self.stopping.is_set():
            with Browser(self.gateway, source=f"127.0.1.{number + 1}") as browser:
                try:
                    while not self.stopping.is_set():
                        asked += 1
                        path = f"/page?u={number}-{asked}"
                        if browser.fetch(f"{scheme}://{self.host}{path}").status == 200:
                            self.delivered.append(urlsplit(path).query)
                except (OSError, http.client.HTTPException):
                    self.failures += 1

    def reach(self, count: int) -> None:
        """Wait until that many more answers are in clients' hands."""
        goal = len(self.delivered) + count
        wait_for(lambda: len(self.delivered) >= goal, f"{count} more answers", seconds=40)

    def stop(self) -> list[str]:
        """End the load; the queries of everything delivered."""
        self.stopping.set()
        self.pool.shutdown(wait=True)
        for future in self.running:
            future.result()
        return self.delivered


def check_rows(gateway: Gateway, host: str, delivered: list[str], origin: Origin, killed: int) -> None:
    """One row for each delivered answer, none twice, and none for what nobody asked for.

    Of each of so many workers `killed`, endings may be missing: those that waited, and one of each client.
    """
    wanted = set(delivered)
    assert len(wanted) == len(delivered)

    def all_there() -> bool:
        return wanted <= {row["query"] for row in gateway.rows(host=host)}

    wait_for(all_there, f"rows of all {len(wanted)} delivered answers", seconds=40, every=0.5)
    rows = gateway.rows(host=host)
    twice = {query: number for query, number in Counter(row["query"] for row in rows).items() if number > 1}
    assert not twice
    assert len({row["id"] for row in rows}) == len(rows)
    asked = {f"u={arrival.query['u']}" for arrival in origin.seen(host)}
    undelivered = {row["query"] for row in rows} - wanted
    assert len(undelivered) <= CLIENTS * 4, "rows without a delivered answer: only what was under way at a kill"
    assert wanted <= asked
    endings = Counter(row["ending"] for row in rows if row["query"] in wanted)
    assert set(endings) <= {"response", "interrupted"}, endings
    assert endings["interrupted"] <= killed * (TOGETHER + CLIENTS), endings


@pytest.mark.parametrize("kind", ["worker", "shipper"])
def test_sigkill_under_load_loses_and_doubles_nothing(
    make_gateway: Callable[..., Gateway], origin: Origin, name: str, kind: str
) -> None:
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    load = Load(gateway, name)
    try:
        load.reach(150)
        for _ in range(KILLS):
            killed = gateway.kill_one(kind)
            wait_for(
                lambda dead=killed: (
                    len(gateway.pids(kind)) >= (2 if kind == "worker" else 1) and dead not in gateway.pids(kind)
                ),
                f"another {kind} in its place",
                seconds=30,
            )
            load.reach(150)
    finally:
        delivered = load.stop()
    check_rows(gateway, name, delivered, origin, killed=KILLS if kind == "worker" else 0)
    assert gateway.stop() == 0


def test_killing_everything_at_once_loses_no_row(
    make_gateway: Callable[..., Gateway], origin: Origin, name: str
) -> None:
    """A power cut without the disk: all processes die; the next start ships what the spool holds."""
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    load = Load(gateway, name)
    try:
        load.reach(200)
        gateway.kill(gateway.family())
    finally:
        delivered = load.stop()
    gateway.start()
    check_rows(gateway, name, delivered, origin, killed=2)
    assert gateway.stop() == 0


def test_the_data_plane_needs_no_shipper(make_gateway: Callable[..., Gateway], name: str) -> None:
    """The shipper held (SIGSTOP): lessons go on, rows wait in the spool and arrive later, in order."""
    gateway = make_gateway().start()
    (pid,) = wait_for(lambda: gateway.pids("shipper"), "the shipper")
    shipper = psutil.Process(pid)
    curl(gateway, f"http://{name}/page?n=first")
    gateway.wait_for_rows(1, host=name)
    shipper.suspend()
    try:
        with Browser(gateway) as browser:
            for number in range(200):
                assert browser.fetch(f"https://{name}/page?n={number}").status == 200
        assert len(gateway.rows(host=name)) == 1
    finally:
        shipper.resume()
    rows = gateway.wait_for_rows(201, host=name)
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids, reverse=True)


def test_a_supervisor_that_is_killed_takes_its_workers_along(make_gateway: Callable[..., Gateway]) -> None:
    """No worker goes on filtering with a policy that nobody can change any more."""
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    family = gateway.family()
    family[0].kill()
    gone, alive = psutil.wait_procs(family, timeout=20)
    for process in alive:
        process.kill()
    assert not alive, f"orphans: {alive}"
    assert gone
