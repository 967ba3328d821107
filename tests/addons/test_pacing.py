"""Every connection is looked at, whatever is wrong with another, and for who is gone nothing is kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.connection import Client

from addons.answerpace import AnswerPace
from addons.pacing import LOOKS, Pace
from addons.uploadpace import UploadPace
from tests.addons.host import Host
from tests.rig.clients import Raw
from tests.rig.waiting import wait_for

RATE, SECONDS = 100, 30.0
PACES = [lambda live: UploadPace(live, RATE, SECONDS), lambda live: AnswerPace(live, RATE, SECONDS, 3600.0)]


class Counted(Pace[int]):
    """Cuts a connection at its third look."""

    name = "counted"

    def _window(self, handler: Any, flows: list, before: int | None, at: float) -> int:
        return (before or 0) + 1

    def _too_slow(self, window: int, at: float) -> str | None:
        return "upload" if window == 3 else None

    def _cut(self, handler: Any, flows: list, window: int) -> None:
        handler.transports[handler.client].handler.cancel("too slow")


def connections(host: Host) -> list:
    master = host.master
    assert master is not None
    return host.call(lambda: list(master.server.connections.values()))


def failures(host: Host, name: str) -> float:
    return host.live.metrics.hook_failures.labels(name)._value.get()


def look(host: Host, pace: Pace, handlers: list) -> int:
    return int(host.call(lambda: pace.look(handlers, 0.0)))


def test_who_is_too_slow_is_cut_and_counted(host: Host) -> None:
    """Each by its own window, which goes from look to look, and with its connection."""
    pace = Counted(host.live, RATE, SECONDS)
    before = host.live.metrics.slow_cut.labels("upload")._value.get()
    assert pace.pause == SECONDS / LOOKS
    with Raw(host) as early, Raw(host) as late:
        wait_for(lambda: len(connections(host)) >= 2, "both")
        ends = {early.socket.getsockname(): "early", late.socket.getsockname(): "late"}
        known = {ends[each.client.peername]: each for each in connections(host) if each.client.peername in ends}
        assert look(host, pace, [known["early"]]) == 0
        assert look(host, pace, list(known.values())) == 0
        assert look(host, pace, list(known.values())) == 1
        assert early.read_all() == b""
        assert look(host, pace, []) == 0
        assert [look(host, pace, [known["late"]]) for _ in range(3)] == [0, 0, 1], "what was gone is new"
    assert host.live.metrics.slow_cut.labels("upload")._value.get() == before + 2


@pytest.mark.parametrize("make", PACES, ids=["uploads", "answers"])
def test_a_fault_of_ours_cuts_nobody(host: Host, make: Any) -> None:
    """It is counted, and the connection after it is looked at."""
    pace = make(host.live)
    odd = SimpleNamespace(client=Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)))
    before = failures(host, pace.name)
    counted = Counted(host.live, RATE, SECONDS)
    with Raw(host) as raw:
        wait_for(lambda: connections(host), "it")
        assert look(host, pace, [odd]) == 0
        assert failures(host, pace.name) == before + 1
        handlers = [SimpleNamespace(), *connections(host)]
        assert sum(look(host, counted, handlers) for _ in range(3)) >= 1
        assert raw.read_all() == b""
