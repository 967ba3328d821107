"""The school day through the chain of addons: every row as a flow, from evidence to answer, without a socket.

The client is not handed in: the person signs in, the address has a place, and `identify` must come to the same client.
What must come out is an answer of ours exactly when the row says so, and a row in the spool either way.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.http import HTTPFlow, Request
from mitmproxy.test import tflow

from addons import build_addons
from addons.flownotes import connection_notes, flow_notes
from categories.names import canonical_url
from identity.basic import Cost, hash_password
from identity.directory import Directory, Person, Place
from policy.model import Action, Signal
from tests.addons.host import Host
from tests.scenarios.reading import Scenario, load_scenarios

PRESET = Path(__file__).resolve().parents[2] / "policy" / "presets" / "trust.yaml"
PASSWORD = "seven-green-lanterns"
CHEAP = Cost(memory=64, passes=1)
HASH = hash_password(PASSWORD, CHEAP)
FROM_CONNECTION = {Signal.NO_SNI}
"""Signals a connection raises, not a request."""


def sayable(scenario: Scenario) -> bool:
    """Whether a flow can say it: odd ports and forged names are refused before the policy, and tried in `tests/e2e`."""
    return not scenario.claims and scenario.signals <= {Signal.IP_LITERAL, Signal.NO_SNI, Signal.WRAPPED_URL}


SCENARIOS = [scenario for scenario in load_scenarios() if sayable(scenario)]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A worker's parts, not listening."""
    made = Host(tmp_path_factory.mktemp("host"), "127.0.0.1:9", policy=PRESET.read_text(encoding="utf-8"))
    yield made
    made.live.spool.shut()


def directory(scenario: Scenario) -> Directory:
    """The people and places that make the row's client."""
    places = []
    if scenario.site is not None:
        groups = frozenset() if scenario.user else scenario.groups
        places.append(Place(scenario.address, scenario.site, device=scenario.device, groups=groups))
    people = {}
    if scenario.user is not None:
        band = None if scenario.band is None else str(scenario.band)
        person = Person(scenario.user, HASH, band=band, groups=scenario.groups, shared=scenario.shared)
        people[scenario.user] = person
    return Directory(people, places, scenario.id)


def flow_of(scenario: Scenario) -> HTTPFlow:
    """The row as the host would hand it over."""
    flow = tflow.tflow()
    flow.client_conn.peername = (scenario.address, 50000)
    url = canonical_url(scenario.url)
    flow.request = Request.make(scenario.method, "http://placeholder/", headers={"user-agent": "test"})
    flow.request.data.scheme = url.scheme.encode()
    flow.request.data.host, flow.request.data.port = url.host, url.port
    rest = scenario.url.partition("://")[2] or scenario.url
    flow.request.data.path = ("/" + rest.partition("/")[2]).encode() if "/" in rest else b"/"
    flow.request.headers["host"] = f"[{url.host}]" if ":" in url.host else url.host
    if scenario.verified:
        proof = base64.b64encode(f"{scenario.user}:{PASSWORD}".encode()).decode()
        flow.request.headers["proxy-authorization"] = f"Basic {proof}"
    connection_notes(flow.client_conn).signals.update(scenario.signals & FROM_CONNECTION)
    return flow


async def run(addons: list[Any], hook: str, argument: Any) -> None:
    """One hook through the chain, in order; an exception ends the test, not only the addon."""
    for addon in addons:
        handler = getattr(addon, hook, None)
        if handler is not None:
            result = handler(argument)
            if inspect.isawaitable(result):
                await result


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
async def test_the_chain_does_what_the_row_says(host: Host, scenario: Scenario) -> None:
    """From a password and an address to a page, or to passage."""
    if scenario.user is not None and not scenario.verified:
        pytest.skip("a name without a password is nobody's: such rows are for decide")
    live = host.live
    live.now = lambda: scenario.at
    live.directory = directory(scenario)
    addons = build_addons(live)
    flow = flow_of(scenario)
    before = len(host.rows())
    await run(addons, "client_connected", flow.client_conn)
    await run(addons, "http_connect" if scenario.method == "CONNECT" else "requestheaders", flow)
    notes = flow_notes(flow)
    assert notes.client.band == (scenario.band or notes.client.band)
    assert (notes.client.user, notes.client.site) == (scenario.user, scenario.site)
    assert notes.verdict is not None
    assert notes.verdict.action is scenario.action, notes.verdict.because
    if scenario.method == "CONNECT":
        return
    stopped = scenario.action in (Action.BLOCK, Action.WARN)
    assert (flow.response is not None) == stopped
    assert len(host.rows()) == before + 1
    row = host.rows()[-1]
    assert (row.blocked, row.action, row.user) == (stopped, str(scenario.action), scenario.user)


def test_most_rows_can_be_said() -> None:
    """The chain is tried on more than the issue's 150 rows."""
    assert len(SCENARIOS) >= 150
