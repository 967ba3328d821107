"""The straight way and the host's: the same bytes in, the same hooks, the same bytes out, the same state after.

Shows: `addons.straight`. The two layers are driven side by side, by scripts that Hypothesis makes of ordinary messages,
of messages that no two programs read alike, of hooks that answer, kill, wait or hold, and of ends in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import ctx, http
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpClient, HTTPMode

from addons.flownotes import flow_notes
from addons.httplayers import HeadLimits, install
from addons.inplace import DirectHttpLayer
from addons.straight import StraightHttpLayer, StraightStream
from tests.addons.messages import ANSWERED, ASKED, GET, OK

HOOKS = ("requestheaders", "request", "responseheaders", "response")
ACTS = ("pass", "pass", "pass", "kill", "answer", "wait", "stop", "close", "rename", "upload", "pieces", "older")
PAGES = {
    "hold": (True, False, False),
    "hold and shut": (False, False, False),
    "fill": (True, True, False),
    "fill and shut": (False, True, False),
    "read on": (True, False, True),
    "read on and shut": (False, True, True),
}
"""Acts that hold a page: whether it is shown in the end, whether no more can be held, whether it is read in turns."""
ACTS = (*ACTS, *PAGES)


class Page:
    """A page that is held, and shown or not."""

    cut = False
    seconds = 1.0

    def __init__(self, flow: http.HTTPFlow, *, shown: bool, full: bool, busy: bool) -> None:
        self.busy = busy
        self.held = 0
        self.kept = b""
        self.flow = flow
        self.shown = shown
        self.full = full

    def hold(self, chunk: bytes) -> None:
        self.kept += chunk
        self.held += len(chunk)

    def settle(self, body: bytes) -> bool | None:
        self.hold(body)
        return None if self.busy or self.full else self.decide(last=True)

    def anew(self) -> bool:
        return self.busy

    async def read_on(self) -> None:
        self.busy = False

    def take(self, chunk: bytes) -> None:
        pass

    def release(self) -> bytes:
        return self.kept

    def decide(self, *, last: bool) -> bool:
        if not self.shown:
            self.flow.response = http.Response.make(403, b"closed page", {"content-type": "text/html"})
        return self.shown

    def passes(self, chunk: bytes, *, last: bool = False) -> bool:
        return True

    def left(self) -> None:
        self.kept = b""


def said(message: http.Message | None) -> Any:
    """Everything a message says but when."""
    if message is None:
        return None
    return {name: value for name, value in vars(message.data).items() if not name.startswith("timestamp")}


@dataclass
class Addons:
    """In the place of the chain: writes down each hook, and does what the script says."""

    acts: dict[tuple[str, int], str]
    told: list[Any] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def call(self, hook: commands.StartHook) -> Any:
        flow = getattr(hook, "flow", None)
        self.told.append((hook.name, said(flow.request) if flow else None, said(flow.response) if flow else None))
        if flow is None:
            return None
        number = self.counts[hook.name] = self.counts.get(hook.name, 0) + 1
        act = self.acts.get((hook.name, number), "pass")
        if hook.name == "page_read":
            flow_notes(flow).check.busy = False
        if hook.name == "responseheaders" and flow.response is not None and act != "close":
            flow.response.stream = lambda chunk: (chunk, b"!") if chunk else b""
        self._act(act, hook.name, flow)
        return object() if act == "wait" else None

    def tell(self, kind: type[commands.StartHook], flow: http.HTTPFlow) -> Any:
        return self.call(kind(flow))

    def _act(self, act: str, name: str, flow: http.HTTPFlow) -> None:
        if act == "kill" and flow.killable:
            flow.kill()
        elif act == "stop":
            flow.intercepted = True  # somebody looks at it, and lets it go on
        elif act == "answer" and name in ("requestheaders", "request") and flow.response is None:
            flow.response = http.Response.make(403, b"closed", {"content-type": "text/plain"})
        elif act in PAGES and name == "responseheaders":
            shown, full, busy = PAGES[act]
            flow_notes(flow).check = Page(flow, shown=shown, full=full, busy=busy)
        elif act == "close" and name == "responseheaders" and flow.response is not None:
            flow.response.headers["connection"] = "close"
        elif act == "rename" and name == "requestheaders":
            flow.request.headers["accept"] = "nothing"
            flow.request.path = "/other"
        elif act == "upload" and name == "request":
            flow.request.content = b"put in"
        elif act == "pieces" and name == "responseheaders" and flow.response is not None:
            flow.response.headers.pop("content-length", None)
            flow.response.headers["transfer-encoding"] = "chunked"
        elif act == "older" and flow.response is not None:
            flow.response.http_version = "HTTP/1.0"


class Wire:
    """One connection's HTTP layer, with both its ends."""

    def __init__(self, kind: type[DirectHttpLayer], acts: dict[tuple[str, int], str]) -> None:
        self.client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), state=ConnectionState.OPEN)
        self.server = Server(address=("school.example", 443), tls=True)
        self.server.state = ConnectionState.OPEN
        context = Context(self.client, options)
        context.server = self.server
        self.addons = Addons(acts)
        self.layer = kind(context, HTTPMode.transparent)
        self.sent: dict[str, bytes] = {"client": b"", "server": b""}
        self.log: list[str] = []
        self.waiting: list[commands.StartHook] = []
        self.give(events.Start())

    def give(self, event: events.Event) -> None:
        ctx.master = self  # type: ignore[assignment]
        for command in self.layer.handle_event(event):
            self._do(command)

    def _do(self, command: commands.Command) -> None:
        if isinstance(command, commands.SendData):
            self.sent[self._name(command.connection)] += command.data
        elif isinstance(command, commands.StartHook):
            if "waiting" not in command.__dict__:
                self.addons.call(command)
            command.__dict__.pop("waiting", None)
            if command.blocking:
                self.waiting.append(command)
        elif isinstance(command, commands.CloseConnection):
            self.log.append(f"close {self._name(command.connection)}")
            command.connection.state = ConnectionState.CLOSED
        elif isinstance(command, commands.OpenConnection):
            self.log.append("open")
            self.layer_reply = command
            self.waiting.append(command)  # type: ignore[arg-type]
        elif isinstance(command, commands.RequestWakeup):
            self.log.append(f"clock {command.delay}")

    def _name(self, connection: Any) -> str:
        return "client" if connection is self.client else "server"

    def resume(self) -> None:
        """Let what waits go on; no further origin can be reached."""
        for _ in range(20):
            if not self.waiting:
                return
            command: Any = self.waiting.pop(0)
            if isinstance(command, commands.OpenConnection):
                command.connection.error = "refused"
                self.give(events.OpenConnectionCompleted(command, "refused"))
            else:
                if (flow := command.__dict__.get("flow")) is not None:
                    flow.intercepted = False
                self.give(events.HookCompleted(command))

    def step(self, step: tuple[str, bytes]) -> None:
        who, data = step
        if who == "go on":
            self.resume()
            return
        connection = self.client if who.startswith("client") else self.server
        if connection.state is ConnectionState.CLOSED:
            return
        if who.endswith("leaves"):
            connection.state &= ~ConnectionState.CAN_READ
            if connection in self.layer.connections or connection is self.server:
                self.give(events.ConnectionClosed(connection))
            return
        self.give(events.DataReceived(connection, data))

    def state(self) -> Any:
        """Where everything stands."""
        found = {}
        for connection, handler in self.layer.connections.items():
            inner = handler.child_layer if isinstance(handler, HttpClient) else handler
            place = getattr(inner, "state", None)
            found[self._name(connection)] = (
                getattr(place, "__name__", None),
                getattr(inner, "stream_id", None),
                bytes(getattr(inner, "buf", b"")),
                said(getattr(inner, "request", None)),
                said(getattr(inner, "response", None)),
                getattr(inner, "request_done", None),
                getattr(inner, "response_done", None),
                getattr(inner, "_blank", None),
                getattr(inner, "_tail", None),
                getattr(inner, "_waiting", None) is None,
                connection.state,
            )
        streams = {
            number: (stream.client_state.__name__, stream.server_state.__name__, stream.flow.live, stream.flow.error)
            for number, stream in self.layer.streams.items()
            if hasattr(stream, "flow")
        }
        return found, {number: (*most, str(error)) for number, (*most, error) in streams.items()}


options = Options()


@pytest.fixture(scope="module", autouse=True)
def host_layers() -> Iterator[None]:
    """Ours in the host's place, and its context as it was afterwards."""
    before = getattr(ctx, "master", None)
    for name, kind, default in (
        ("stream_large_bodies", str | None, None),
        ("body_size_limit", str | None, None),
        ("validate_inbound_headers", bool, True),
        ("store_streamed_bodies", bool, False),
        ("websocket", bool, True),
        ("rawtcp", bool, False),
        ("keep_host_header", bool, False),
        ("connection_strategy", str, "lazy"),
        ("proxy_debug", bool, False),
    ):
        if name not in options:
            options.add_option(name, kind, default, "")
    install(HeadLimits())
    yield
    if before is not None:
        ctx.master = before


def both(steps: list[tuple[str, bytes]], acts: dict[tuple[str, int], str]) -> tuple[Wire, Wire]:
    """The same script on both ways; every step must leave both in the same place."""
    straight, long = Wire(StraightHttpLayer, acts), Wire(DirectHttpLayer, acts)
    for number, step in enumerate(steps):
        failures = []
        for wire in (straight, long):
            try:
                wire.step(step)
                failures.append(None)
            except (NotImplementedError, AssertionError, AttributeError) as failure:  # the host's own, in both
                failures.append(type(failure))
        where = f"after step {number}, {step}"
        assert failures[0] == failures[1], where
        assert straight.addons.told == long.addons.told, where
        assert straight.sent == long.sent, where
        assert straight.log == long.log, where
        assert straight.state() == long.state(), where
        if failures[0] is not None:
            break
    return straight, long


@pytest.mark.parametrize("question", ASKED)
def test_every_question(question: bytes) -> None:
    """However it is written, it is answered, refused or waited for as by the host; and so is the one after it."""
    both([("client", question), ("server", OK), ("client", GET), ("server", OK)], {})


@pytest.mark.parametrize("question", ASKED)
def test_every_question_behind_an_ordinary_one(question: bytes) -> None:
    """What is known of the one before it is never taken for what this one says."""
    later = GET.replace(b"page=1", b"page=2")
    asked = [("client", GET), ("server", OK), ("client", question), ("server", OK)]
    both([*asked, ("client", later), ("server", OK)], {})


@pytest.mark.parametrize("act", PAGES)
def test_a_whole_page_that_is_held(act: str) -> None:
    """It is shown, or our page is, and the next exchange is as it would have been."""
    straight, _ = both(
        [("client", GET), ("server", OK), ("client", GET), ("server", OK)], {("responseheaders", 1): act}
    )
    shown = straight.sent["client"].startswith(b"HTTP/1.1 200 OK")
    assert shown is PAGES[act][0]
    assert straight.sent["client"].count(b"hello") == 1 + shown


def test_empty_lines_before_a_question() -> None:
    """The clock that runs for a head that has begun stops with it, or an idle pupil would be told of a slow one."""
    both([("client", b"\r\n\r\n"), ("client", GET), ("server", OK), ("client", b"\r\n"), ("client", GET)], {})


@pytest.mark.parametrize("answer", ANSWERED)
def test_every_answer(answer: bytes) -> None:
    """However it is written; and the next exchange is as it would have been."""
    both([("client", GET), ("server", answer), ("client", GET), ("server", OK), ("server leaves", b"")], {})


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("act", sorted(set(ACTS)))
def test_whatever_a_hook_does(name: str, act: str) -> None:
    """An addon may answer, kill, wait, hold a page, close the connection or change what is asked."""
    steps = [("client", GET), ("go on", b""), ("server", OK), ("go on", b""), ("client", GET), ("server", OK)]
    both(steps, {(name, 1): act})


def test_ordinary_exchanges_take_the_straight_way() -> None:
    """Else all of this would compare the host with itself."""
    wire = Wire(StraightHttpLayer, {})
    for number in range(3):
        wire.step(("client", GET))
        stream = wire.layer.streams[1 + 2 * number]
        assert type(stream) is StraightStream
        assert stream.waits_for_answer
        wire.step(("server", OK))
        assert stream.server_state.__name__ == "_over"
    assert wire.sent["client"] == OK.replace(b"hello", b"hello!") * 3
    assert wire.sent["server"] == GET * 3


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data`, cut at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """Up to four exchanges, whole or in pieces, with ends, pauses and words out of turn in between."""
    steps: list[tuple[str, bytes]] = []
    cuts = st.one_of(st.just([]), st.lists(st.integers(0, 400), max_size=2))
    for _ in range(draw(st.integers(1, 4))):
        for who, texts in (("client", ASKED), ("server", ANSWERED)):
            usual = GET if who == "client" else OK
            text = draw(st.one_of(st.just(usual), st.just(usual), st.sampled_from(texts)))
            steps += [(who, part) for part in pieces(text, draw(cuts))]
            if draw(st.booleans()):
                steps.append(("go on", b""))
        if draw(st.integers(0, 5)) == 0:
            steps.append((draw(st.sampled_from(["client leaves", "server leaves"])), b""))
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(steps)))
        steps.insert(place, (draw(st.sampled_from(["client leaves", "server leaves", "server"])), b"HTTP/1.1 2"))
    return steps


acts = st.dictionaries(st.tuples(st.sampled_from(HOOKS), st.integers(1, 3)), st.sampled_from(ACTS), max_size=3)


@settings(max_examples=800)
@given(steps=scripts(), acts=acts)
def test_any_script(steps: list[tuple[str, bytes]], acts: dict[tuple[str, int], str]) -> None:
    """Step for step, the two ways cannot be told apart."""
    both(steps, acts)
