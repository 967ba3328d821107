"""Whoever drips a body byte by byte is shown out; whoever waits, thinks or has a slow site in front of them is not."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator

import pytest

from addons.flownotes import flow_notes, unfinished_flows
from addons.pacing import LOOKS
from addons.uploadpace import FRUITLESS, UploadPace
from logstore.record import Ending
from tests.addons.host import Host
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

RATE, SECONDS = 100, 30.0
BLOCKED = "games.schoolgate.test"

type Look = Callable[[float], int]


@pytest.fixture
def look(host: Host) -> Look:
    """Look at every connection of the host; the time is told."""
    pace = UploadPace(host.live, RATE, SECONDS)
    master = host.master
    assert master is not None
    return lambda at: host.call(lambda: pace.look(list(master.server.connections.values()), at))


@contextlib.contextmanager
def uploading(host: Host, origin: Origin, name: str, how: str, path: str = "/upload", *, tls: bool = False):
    """A request whose body is on its way; `how` is the header that says how long it is."""
    with Raw(host) as raw:
        where = f"http://{name}{path}"
        if tls:
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name)
            where = path
        raw.send(f"POST {where} HTTP/1.1\r\nHost: {name}\r\n{how}\r\n\r\n".encode())
        wait_for(lambda: origin.seen(name), "the upload to begin")
        yield raw


def sent(host: Host, name: str) -> int:
    """Bytes of its upload that the gateway has seen."""

    def seen() -> int:
        flows = [flow for each in unfinished_flows().values() for flow in each if flow.request.pretty_host == name]
        return sum(flow_notes(flow).bytes_up for flow in flows)

    return int(host.call(seen))


def ending(host: Host, name: str) -> Ending | None:
    (row,) = [row for row in host.rows() if row.host == name]
    return host.endings().get(row.id)


def cut(host: Host, what: str) -> float:
    return host.live.metrics.slow_cut.labels(what)._value.get()


@pytest.mark.parametrize(
    ("how", "drip"),
    [("Content-Length: 1000000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n"), ("Content-Length: 9", b"")],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_dripping_upload_is_ended(
    host: Host, origin: Origin, name: str, look: Look, how: str, drip: bytes, tls: bool
) -> None:
    """A byte now and then, or a body whose last byte never comes: the window is over, the connection too."""
    before = cut(host, "upload")
    with uploading(host, origin, name, how, tls=tls) as raw:
        for moment in range(0, 30, 5):
            raw.send(drip)
            assert look(moment) == 0
        assert look(30) == 1
        assert raw.read_all() == b""
    found = wait_for(lambda: ending(host, name), "the row's ending")
    assert (str(found.kind), found.error) == ("aborted", "upload too slow")
    assert cut(host, "upload") == before + 1


def test_an_upload_that_keeps_the_pace_goes_on(host: Host, origin: Origin, name: str, look: Look) -> None:
    """However long it takes; and when it stops keeping it, a window later it is ended."""
    with uploading(host, origin, name, "Content-Length: 1000000") as raw:
        assert look(0) == 0
        for window in range(1, 6):
            raw.send(bytes(int(RATE * SECONDS)))
            wait_for(lambda size=window * RATE * SECONDS: sent(host, name) >= size, "what was sent to be seen")
            assert look(window * SECONDS) == 0
        assert look(5 * SECONDS + 29) == 0
        assert look(6 * SECONDS) == 1


def test_a_site_that_takes_nothing_is_not_the_clients_fault(host: Host, origin: Origin, name: str, look: Look) -> None:
    """The client would send more; the site does not read."""
    with uploading(host, origin, name, "Content-Length: 900000000", "/deaf") as raw:
        raw.socket.settimeout(2)
        with contextlib.suppress(TimeoutError):
            raw.send(bytes(64_000_000))
        assert [look(moment) for moment in (0, 31, 62, 1000)] == [0, 0, 0, 0]


@contextlib.contextmanager
def waiting(host: Host, origin: Origin, name: str, what: str) -> Iterator[None]:
    """Somebody who has said all they have to say, and waits."""
    with Raw(host) as raw:
        get = f"GET http://{name}/{{}} HTTP/1.1\r\nHost: {name}\r\n"
        match what:
            case "a long poll":
                raw.send(f"{get.format('hang')}\r\n".encode())
                wait_for(lambda: origin.seen(name), "the request")
            case "an event stream":
                raw.send(f"{get.format('slow?pieces=100&pause=0.5')}\r\n".encode())
                assert raw.read_head().startswith(b"HTTP/1.1 200")
            case "a form whose site thinks":
                post = get.replace("GET", "POST").format("deaf")
                raw.send(f"{post}Content-Length: 5\r\n\r\nhello".encode())
                wait_for(lambda: origin.seen(name), "the form")
                wait_for(lambda: all(flow.request.timestamp_end for flow in flows_of(host, name)), "all of it")
            case "a websocket":
                key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
                raw.send(
                    f"{get.format('websocket')}Upgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n".encode()
                )
                assert raw.read_head().startswith(b"HTTP/1.1 101")
            case "a tunnel that is passed through":
                assert raw.tunnel("bank.example:443") == 200
                raw.secure("bank.example", ssl._create_unverified_context())
                raw.send(b"GET /hang HTTP/1.1\r\nHost: bank.example\r\n\r\n")
            case "a browser between two pages":
                raw.send(f"{get.format('page')}\r\n".encode())
                assert raw.answer().status == 200
        yield


def flows_of(host: Host, name: str) -> list:
    return host.call(lambda: [f for each in unfinished_flows().values() for f in each if f.request.pretty_host == name])


@pytest.mark.parametrize(
    "what",
    [
        "a long poll",
        "an event stream",
        "a form whose site thinks",
        "a websocket",
        "a browser between two pages",
        "a tunnel that is passed through",
    ],
)
def test_whoever_waits_is_left_alone(host: Host, origin: Origin, name: str, look: Look, what: str) -> None:
    """For as long as the other timeouts let them."""
    with waiting(host, origin, name, what):
        assert [look(moment) for moment in range(0, 3600, 60)] == [0] * 60


def test_what_is_thrown_away_has_an_end_too(host: Host, origin: Origin, name: str, look: Look) -> None:
    """An upload that was refused is read so that its client sees our page; not for ever, byte by byte."""
    before = cut(host, "nothing")
    with Raw(host) as raw:
        raw.send(
            f"POST http://{BLOCKED}/{name} HTTP/1.1\r\nHost: {BLOCKED}\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        assert raw.answer().status == 403
        handler = next(each for each in connections(host) if each.client.peername == raw.socket.getsockname())
        looks = FRUITLESS * LOOKS
        for number in range(looks):
            last = handler.timeout_watchdog.last_activity
            raw.send(b"x")
            wait_for(lambda last=last: handler.timeout_watchdog.last_activity != last, "the byte to arrive")
            assert look(number * SECONDS / LOOKS) == 0
        assert look(SECONDS * FRUITLESS) == 1
        assert raw.read_all() == b""
    assert cut(host, "nothing") == before + 1


@pytest.mark.parametrize(
    ("octets", "then", "expected"),
    [
        (60, b"\0", ("aborted", "half a ClientHello")),
        (None, b"\x14\x03\x03\x40\0", ("tls-refused", "tls")),
    ],
    ids=["half a ClientHello", "a certificate was shown"],
)
def test_the_row_of_a_drip_says_how_far_the_client_came(
    host: Host, name: str, look: Look, octets: int | None, then: bytes, expected: tuple[str, str]
) -> None:
    """A handshake byte by byte: that it ends is its client's doing."""
    with Raw(host) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(client_hello(name)[:octets])
        if octets is None:
            assert raw.socket.recv(1)
        handler = next(each for each in connections(host) if each.client.peername == raw.socket.getsockname())
        for number in range(FRUITLESS * LOOKS):
            last = handler.timeout_watchdog.last_activity
            raw.send(then[number : number + 1] or b"\0")
            wait_for(lambda last=last: handler.timeout_watchdog.last_activity != last, "the byte to arrive")
            assert look(number * SECONDS / LOOKS) == 0
        assert look(SECONDS * FRUITLESS) == 1
        found = wait_for(lambda: [row for row in host.rows() if row.host == name] and ending(host, name), "the row")
    assert (str(found.kind), found.error) == expected


def client_hello(name: str) -> bytes:
    """The first bytes of TLS."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def connections(host: Host) -> list:
    master = host.master
    assert master is not None
    return host.call(lambda: list(master.server.connections.values()))
