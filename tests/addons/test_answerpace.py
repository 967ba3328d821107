"""Whoever drips an answer, or takes one at a drip, is ended; whoever streams, waits or has all there is is not.

Shows: `proxy.connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from addons import answerpace
from addons.answerpace import CREDIT, AnswerPace
from addons.flownotes import connection_notes, flow_notes, unfinished_flows
from logstore.record import Ending
from tests.addons.host import Host
from tests.addons.site import Site
from tests.rig.clients import Raw
from tests.rig.waiting import wait_for

RATE, SECONDS, LONGEST = 100, 30.0, 3600.0
ENOUGH = int(RATE * SECONDS)
PATIENCE = (CREDIT + 1) * SECONDS
"""How long a client may take nothing whose kernel has taken as much as it holds."""
ACKNOWLEDGED = 8_000_000
"""Bytes after whose reading the client's kernel surely has told that it took `ENOUGH`."""
LOT = 900_000_000
"""More than all buffers between a site and a client that takes nothing."""
STILL = 5
"""Looks in a row at which nothing has moved before all buffers count as full."""
type Look = Callable[[float], int]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Behind every name."""
    made = Site()
    with made.listener:
        yield made


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Host]:
    """A host whose every site is that one."""
    with Host(tmp_path_factory.mktemp("host"), site.address).running() as running:
        yield running


@pytest.fixture
def look(host: Host) -> Look:
    """Look at every connection of the host, where those of the tests before are over; the time is told."""
    wait_for(lambda: not connections(host), "what other tests left behind to end")
    pace = AnswerPace(host.live, RATE, SECONDS, LONGEST)
    return lambda at: host.call(lambda: pace.look(connections(host), at))


def connections(host: Host) -> list:
    master = host.master
    assert master is not None
    return list(master.server.connections.values())


def flows_of(host: Host, name: str) -> list:
    return host.call(lambda: [f for each in unfinished_flows().values() for f in each if f.request.pretty_host == name])


def received(host: Host, name: str) -> int:
    """Bytes of its answer that the gateway has seen."""
    (flow,) = flows_of(host, name)
    return flow_notes(flow).bytes_down


def say(host: Host, end: socket.socket, data: bytes) -> None:
    """Send it from a site, and see it arrive."""
    before = {each.client: each.timeout_watchdog.last_activity for each in connections(host)}
    end.sendall(data)
    wait_for(
        lambda: any(each.timeout_watchdog.last_activity != before.get(each.client) for each in connections(host)),
        "the gateway to hear it",
        every=0.01,
    )


def ask(raw: Raw, name: str, more: str = "") -> None:
    raw.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n{more}\r\n".encode())


def ending(host: Host, name: str) -> Ending | None:
    (row,) = [row for row in host.rows() if row.host == name]
    return host.endings().get(row.id)


def cut(host: Host, what: str) -> float:
    return host.live.metrics.slow_cut.labels(what)._value.get()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n"


def test_a_site_that_drips_its_head_is_given_up_on(host: Host, site: Site, name: str, look: Look) -> None:
    """A head has an end; whoever waited for it gets our page."""
    before = cut(host, "answer")
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            for moment, octet in zip(range(0, 30, 5), HEAD, strict=False):
                say(host, end, bytes([octet]))
                assert look(moment) == 0
            assert look(30) == 1
            assert raw.answer().status == 502
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error) == ("error", "answer too slow")
    assert cut(host, "answer") == before + 1


def test_a_site_that_drips_a_body_of_a_known_length_is_given_up_on(
    host: Host, site: Site, name: str, look: Look
) -> None:
    """Its client sees that the answer is not whole. The head has a window of its own."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            assert look(0) == 0
            say(host, end, HEAD + b"Content-Length: 1000000\r\n\r\n")
            for moment in range(29, 59, 5):
                say(host, end, b"x")
                assert look(moment) == 0
            assert look(59) == 1
            head, _, body = raw.read_all().partition(b"\r\n\r\n")
            assert b"1000000" in head
            assert body == b"xxxxxx"
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error) == ("error", "answer too slow")


WORKING = b"HTTP/1.1 102 Processing\r\n\r\n"


def test_an_excuse_is_for_the_window_it_came_in(host: Host, site: Site, name: str, look: Look) -> None:
    """Also where that one needs none: a window in which enough came does not save it up for the next."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            assert look(0) == 0
            say(host, end, WORKING * (ENOUGH // len(WORKING) + 1))
            assert look(30) == 0
            say(host, end, b"H")
            assert look(60) == 1


def test_an_excuse_is_for_the_request_it_was_made_to(host: Host, site: Site, name: str, look: Look) -> None:
    """The next request to the same site has a window of its own, and an excuse of its own."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            assert look(0) == 0
            say(host, end, WORKING + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert raw.answer().body == b"ok"
            ask(raw, name)
            end.recv(65536)
            assert look(5) == 0
            say(host, end, b"H")
            assert look(35) == 1


def test_a_site_that_keeps_the_pace_goes_on(host: Host, site: Site, name: str, look: Look) -> None:
    """However long it takes; and when it stops keeping it, a window later it is ended."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            say(host, end, HEAD + b"Content-Length: 1000000\r\n\r\n")
            for window in range(6):
                assert look(window * SECONDS) == 0
                say(host, end, bytes(ENOUGH))
                wait_for(
                    lambda size=ENOUGH * (window + 1): flow_notes(flows_of(host, name)[0]).bytes_down >= size, "it"
                )
            assert look(6 * SECONDS) == 0
            say(host, end, b"x")
            assert look(6 * SECONDS + 29) == 0
            assert look(7 * SECONDS) == 1


@pytest.mark.parametrize("how", [b"Transfer-Encoding: chunked\r\n", b""], ids=["chunked", "until the site closes"])
def test_what_has_no_end_may_be_slow_for_as_long_as_a_tunnel(
    host: Host, site: Site, name: str, look: Look, monkeypatch: pytest.MonkeyPatch, how: bytes
) -> None:
    """Events and long polls come now and then; for hours, not for ever."""
    drip = b"1\r\nx\r\n" if how else b"x"
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            say(host, end, HEAD + how + b"\r\n")
            for moment in range(0, 3600, 60):
                say(host, end, drip)
                assert look(moment) == 0
            (flow,) = flows_of(host, name)
            flow_notes(flow).started -= LONGEST
            say(host, end, drip)
            assert look(3660) == 1
            raw.read_all()
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error, found.reason) == ("error", "answer too slow", "upstream")


@pytest.mark.parametrize("idle", [True, False], ids=["when its idle clock has run out", "before"])
def test_a_client_that_takes_its_answer_at_a_drip_is_shown_out(
    host: Host, site: Site, name: str, look: Look, idle: bool
) -> None:
    """Also when nothing is left but what was kept for it: its connection lasts, and counts, until that is let go."""
    before = cut(host, "reader")
    with reading(host, site, name) as (raw, _, handler):
        if idle:
            host.call(handler._idle)
            wait_for(lambda: handler.client not in handler.transports, "the layers to be done with it")
        for moment in range(0, int(PATIENCE), 5):
            raw.socket.recv(1)
            assert look(moment) == 0
        assert handler in connections(host)  # a kernel may tell late that it took something: patience anew, once
        assert 1 in (look(moment) for moment in range(int(PATIENCE), int(2 * PATIENCE) + 35, 5))
        wait_for(lambda: handler not in connections(host), "the connection to end")
        assert (cut(host, "reader"), handler.outlet.get_write_buffer_size()) == (before + 1, 0)
        assert connection_notes(handler.client).cut == ("nothing moved" if idle else "answer not taken")
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error) == ("aborted", "nothing moved" if idle else "answer not taken")


@contextlib.contextmanager
def reading(host: Host, site: Site, name: str) -> Iterator[tuple[Raw, socket.socket, Any]]:
    """A client that takes no more than the test takes, with as much waiting for it as may; and its connection."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            (handler,) = [each for each in connections(host) if each.client.peername == raw.socket.getsockname()]
            end.sendall(HEAD + f"Content-Length: {LOT}\r\n\r\n".encode())
            end.setblocking(False)
            until_full(host, handler, lambda: end.send(bytes(65536)))
            yield raw, end, handler


def until_full(host: Host, handler: Any, send: Callable[[], object]) -> None:
    """Send what can be sent until nothing more of it moves. That the gateway holds some at one look says little: on
    their way they wait there for a moment, and what then moves between two looks of the pace is the reader's gain.
    Looked at on the loop: one that was kept from working has moved nothing."""
    outlet = handler.outlet
    seen: list[tuple[int | None, int]] = []

    def stands_still() -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                send()
        seen.append(host.call(lambda: (answerpace._moved(outlet, answerpace._TAKEN), outlet.get_write_buffer_size())))
        return seen[-1][1] > 0 and seen[-STILL:] == [seen[-1]] * STILL

    wait_for(stands_still, "all buffers to be full")


def test_a_client_that_takes_enough_goes_on(host: Host, site: Site, name: str, look: Look) -> None:
    """A slow line is no attack, however much waits for it."""
    with reading(host, site, name) as (raw, end, handler):
        assert look(0) == 0
        for window in range(1, 4):
            taken = 0
            while taken < ACKNOWLEDGED:
                taken += len(raw.socket.recv(65536))
            until_full(host, handler, lambda: end.send(bytes(65536)))
            assert look(window * SECONDS) == 0
        assert [look(window * SECONDS) for window in range(4, 4 + CREDIT)] == [0] * (CREDIT - 1) + [1]


def test_the_idle_clock_is_not_for_who_is_slow_to_take(host: Host, site: Site, name: str, look: Look) -> None:
    """It hears no byte that leaves full buffers: only the pace of the client says how long it is waited for."""
    with reading(host, site, name) as (_, _, handler):
        clock = handler.timeout_watchdog
        clock.last_activity -= 80
        assert look(0) == 0
        assert host.call(clock._loop.time) - clock.last_activity < 40


def test_what_is_not_taken_is_let_go_where_nobody_keeps_a_pace(host: Host, site: Site, name: str) -> None:
    """`proxy.answer_rate` is 0, or the kernel does not count: no device is shut out by what it left behind."""
    with reading(host, site, name) as (_, _, handler):
        handler.timeout_watchdog.seconds = 0.05
        host.call(handler._idle)
        wait_for(lambda: handler not in connections(host), "the connection to end")


def test_a_site_is_not_to_blame_while_we_hold_the_exchange(host: Host, site: Site, name: str, look: Look) -> None:
    """Its small answer is all there, and a page is still looked at, or a record waits for its disk."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            (handler,) = [each for each in connections(host) if each.client.peername == raw.socket.getsockname()]
            assert look(0) == 0
            say(host, end, b"HT")
            with handler.timeout_watchdog.disarm():
                assert [look(30), look(60)] == [0, 0]
            say(host, end, b"TP")
            assert [look(90), look(120)] == [0, 0]
            say(host, end, b"/1")
            assert look(150) == 1


def test_a_tunnel_whose_client_takes_nothing_is_ended(host: Host, site: Site, look: Look) -> None:
    """Of what passes unread only the reader's pace is known; the row has its bytes, and says why."""
    with Raw(host) as raw:
        assert raw.tunnel("bank.example:443") == 200
        raw.send(client_hello("bank.example"))
        end, _ = site.listener.accept()
        with end:
            (handler,) = [each for each in connections(host) if each.client.peername == raw.socket.getsockname()]
            end.setblocking(False)
            until_full(host, handler, lambda: end.send(bytes(65536)))
            assert look(0) == 0
            assert [look(window * SECONDS) for window in range(1, CREDIT + 2)] == [0] * CREDIT + [1]
    found = wait_for(lambda: ending(host, "bank.example"), "the row's ending")
    assert (str(found.kind), found.error) == ("bypassed", "answer not taken")
    assert found.bytes_down > 0


def client_hello(name: str) -> bytes:
    """The first bytes of TLS."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


@contextlib.contextmanager
def websocket(host: Host, site: Site, name: str) -> Iterator[tuple[Raw, socket.socket]]:
    """Both ends of one that is open."""
    with Raw(host) as raw:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        ask(raw, name, f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}")
        with site.asked() as end:
            accept = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nContent-Length: 0\r\n"
            upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            end.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + accept + b"\r\n")
            assert raw.read_head().startswith(b"HTTP/1.1 101")
            yield raw, end


def test_a_websocket_may_be_slow(host: Host, site: Site, name: str, look: Look) -> None:
    """It has no end, and says little."""
    with websocket(host, site, name) as (_, end):
        for moment in range(0, 3600, 60):
            say(host, end, b"\x81\x01x")
            assert look(moment) == 0


def test_a_websocket_whose_client_takes_nothing_is_ended(host: Host, site: Site, name: str, look: Look) -> None:
    """Its row says why."""
    frame = b"\x82\x7e" + (60_000).to_bytes(2) + bytes(60_000)
    rest = b""

    def send() -> None:
        nonlocal rest
        rest = rest or frame
        rest = rest[end.send(rest) :]

    with websocket(host, site, name) as (raw, end):
        (handler,) = [each for each in connections(host) if each.client.peername == raw.socket.getsockname()]
        end.setblocking(False)
        until_full(host, handler, send)
        assert look(0) == 0
        assert [look(window * SECONDS) for window in range(1, CREDIT + 2)] == [0] * CREDIT + [1]
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error) == ("websocket", "answer not taken")


@pytest.mark.parametrize("what", ["a site that thinks", "an answer that is all there"])
def test_whoever_waits_is_left_alone(host: Host, site: Site, name: str, look: Look, what: str) -> None:
    """Silence is the idle clock's."""
    with Raw(host) as raw:
        ask(raw, name)
        with site.asked() as end:
            if what == "an answer that is all there":
                say(host, end, HEAD + b"Content-Length: 2\r\n\r\nok")
                assert raw.answer().status == 200
            assert [look(moment) for moment in range(0, 3600, 60)] == [0] * 60


@pytest.mark.parametrize("idle", [True, False], ids=["when its idle clock has run out", "before"])
def test_a_stop_lets_go_of_what_is_not_taken(tmp_path: Path, name: str, idle: bool) -> None:
    """A client that takes nothing of the rest of its answer is given `proxy.drain`, and not a moment more."""
    site = Site()
    with site.listener, Host(tmp_path, site.address).running() as host, reading(host, site, name) as (_, _, handler):
        if idle:
            host.call(handler._idle)
            wait_for(lambda: handler.client not in handler.transports, "the layers to be done with it")
        assert host.master is not None
        stop = asyncio.run_coroutine_threadsafe(host.master.drain(0.1), host.loop)
        assert stop.result(10) == 1
        assert not connections(host)
