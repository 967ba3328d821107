"""Hooks are called where they stand, once each, and those that wait are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context

from addons.inplace import forked
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Browser
from tests.rig.origin import Origin

HOOKS = ["requestheaders", "request", "responseheaders", "response"]


class Listener:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.told.append("requestheaders")

    def request(self, flow: http.HTTPFlow) -> None:
        self.told.append("request")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self.told.append("responseheaders")

    def response(self, flow: http.HTTPFlow) -> None:
        self.told.append("response")


class Patient(Listener):
    """The same, slowly."""

    async def requestheaders(self, flow: http.HTTPFlow) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        self.told.append("requestheaders")

    async def responseheaders(self, flow: http.HTTPFlow) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        self.told.append("responseheaders")


class Stopping(Listener):
    """Has somebody look at each request first."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        super().requestheaders(flow)
        flow.intercept()
        asyncio.get_running_loop().call_later(0.01, flow.resume)


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [Listener, Patient, Stopping])
def test_every_hook_is_called_once_and_in_order(host: Host, name: str, scheme: str, kind: type[Listener]) -> None:
    """For each page of a kept connection, whether or not an addon takes its time."""
    addon, master = kind(), host.master
    assert master is not None
    host.call(lambda: master.addons.add(addon))
    with Browser(host) as pupil:  # type: ignore[arg-type]
        assert [pupil.fetch(f"{scheme}://{name}/page").status for _ in range(3)] == [200] * 3
    assert addon.told == HOOKS * 3


def test_a_fork_is_what_the_hosts_would_be() -> None:
    """The same ends and options, and layers of its own."""
    context = Context(Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)), Options())
    ours, theirs = forked(context), context.fork()
    assert vars(ours) == vars(theirs)
    assert ours.server is context.server
    assert ours.layers is not context.layers
