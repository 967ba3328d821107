"""The service's log after something broke: what a developer needs, and nobody's browsing (design §5.9).

Shows: `proxy.faults`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.clients import Raw
from tests.rig.gateway import HILLVIEW, Gateway
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e

BREAKS = """
import asyncio, gc, sys, threading


def fails(said):
    raise RuntimeError(f"broken by {said}")


async def waits_and_fails(said):
    fails(said)


def break_it():
    from addons.straight import StraightHttpLayer

    whole = StraightHttpLayer.handle_event

    def handle_event(self, event):
        said = f"{getattr(event, 'data', b'')!r} of {self.context.client.peername}"
        loop = asyncio.get_running_loop()
        if "/callback" in said:
            loop.call_soon(fails, said)
        if "/task" in said:
            loop.create_task(waits_and_fails(said), name=said)
            loop.call_later(0.2, gc.collect)  # nobody waits for it, which only its end tells
        if "/socket" in said:
            loop.call_exception_handler({"message": "RuntimeError of a socket", "transport": said})
        if "/thread" in said:
            threading.Thread(target=fails, args=(said,)).start()
        if "/layer" in said:
            fails(said)
        return whole(self, event)

    StraightHttpLayer.handle_event = handle_event


class Breaker:
    def find_spec(self, name, path=None, target=None):
        if name == "proxy.worker":
            sys.meta_path.remove(self)
            break_it()


sys.meta_path.insert(0, Breaker())
"""
"""Has a worker fail where its client tells it to."""


@pytest.fixture
def fragile(make_gateway: Callable[..., Gateway], tmp_path: Path) -> Gateway:
    folder = tmp_path / "breaks"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BREAKS)
    return make_gateway(environment={"PYTHONPATH": str(folder)}).start()


def test_what_breaks_is_told_without_who_asked_for_what(fragile: Gateway, name: str) -> None:
    for way in ("callback", "task", "socket", "thread", "layer"):
        before = fragile.output.count("RuntimeError")
        with Raw(fragile, source=HILLVIEW) as raw:
            raw.send(f"GET http://{name}/{way} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                raw.read_all()
        wait_for(lambda seen=before: fragile.output.count("RuntimeError") > seen, f"a traceback of the {way}")
    told = fragile.output
    assert told.count('sitecustomize.py", line') >= 4
    assert name not in told
    assert HILLVIEW not in told
