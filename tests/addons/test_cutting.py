"""Whatever is under way when a connection ends has one row, and that says who ended it: the client, or the gateway.

Shows: `addons.endingwords`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.cutting import cut
from addons.flownotes import connection_notes
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Raw, trusting
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

type Row = tuple[str, str, str | None]
"""Method, ending and error of a row."""


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running


def request(name: str, path: str, *more: str, method: str = "GET", inside: bool = False) -> bytes:
    """A whole head; `inside` a tunnel, or to the proxy."""
    target = path if inside else f"http://{name}{path}"
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {name}", *more, "", ""]).encode()


def client_hello(name: str) -> bytes:
    """The first bytes of TLS."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


# -- how far a client came ---------------------------------------------------------------------------------------------


def half_a_head(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/page", inside=inside)[:-5])


def half_a_head_behind_an_answer(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/page", inside=inside))
    assert raw.answer().status == 200
    half_a_head(raw, name, inside=inside)


def half_a_head_ahead(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/hang", inside=inside) + request(name, "/page", inside=inside)[:-5])


def a_request_ahead(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/hang", inside=inside) + request(name, "/page", inside=inside))


def half_a_head_ahead_behind_empty_lines(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/hang", inside=inside) + b"\r\n\r\nGE")


def an_answer_awaited(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/hang", inside=inside))


def half_an_answer(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/slow?pieces=100&pause=0.2", inside=inside))
    assert raw.read_head().startswith(b"HTTP/1.1 200")


def half_an_upload(raw: Raw, name: str, *, inside: bool = False) -> None:
    raw.send(request(name, "/upload", "Content-Length: 100", method="POST", inside=inside) + b"x" * 50)


def an_upload_that_was_told_to_go_on(raw: Raw, name: str, *, inside: bool = False) -> None:
    more = ("Content-Length: 100", "Expect: 100-continue")
    raw.send(request(name, "/upload", *more, method="POST", inside=inside))
    assert raw.read_head().startswith(b"HTTP/1.1 100")


def a_websocket(raw: Raw, name: str, *, inside: bool = False) -> None:
    key = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    raw.send(request(name, "/websocket", *key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", inside=inside))
    assert raw.read_head().startswith(b"HTTP/1.1 101")


def a_tunnel(raw: Raw, name: str) -> None:
    assert raw.tunnel(f"{name}:443") == 200


def first_octets_of_tls(raw: Raw, name: str, octets: int, *, to_us: bool = False) -> None:
    if not to_us:
        a_tunnel(raw, name)
    raw.send(client_hello(name)[:octets])


def half_a_word(raw: Raw, name: str) -> None:
    a_tunnel(raw, name)
    raw.send(b"GE")


def a_whole_hello(raw: Raw, name: str) -> None:
    a_tunnel(raw, name)
    raw.send(client_hello(name))
    assert raw.socket.recv(1)


def a_tunnel_that_is_passed_through(raw: Raw, name: str) -> None:
    assert raw.tunnel("bank.example:443") == 200
    raw.send(client_hello("bank.example"))
    assert raw.socket.recv(1)


AT_THE_PROXY: list[tuple[Callable[..., None], list[Row]]] = [
    (half_a_head, [("-", "refused", "half a request")]),
    (half_a_head_behind_an_answer, [("GET", "response", None), ("-", "refused", "half a request")]),
    (half_a_head_ahead, [("GET", "aborted", "client left"), ("-", "refused", "half a request")]),
    (a_request_ahead, [("GET", "aborted", "client left"), ("-", "refused", "left before its turn")]),
    (
        half_a_head_ahead_behind_empty_lines,
        [("GET", "aborted", "client left"), ("-", "refused", "half a request")],
    ),
    (an_answer_awaited, [("GET", "aborted", "client left")]),
    (half_an_answer, [("GET", "aborted", "client left")]),
    (half_an_upload, [("POST", "aborted", "client left")]),
    (an_upload_that_was_told_to_go_on, [("POST", "aborted", "client left")]),
    (a_websocket, [("GET", "websocket", None)]),
]
"""Each way, and the rows of a client that leaves then."""

IN_A_TUNNEL: list[tuple[Callable[..., None], list[Row]]] = [
    (way, [("CONNECT", "aborted", row[2]) if row[0] == "-" else row for row in rows]) for way, rows in AT_THE_PROXY
]
"""What is half there is no refusal in a tunnel."""


def tls(octets: int, *, to_us: bool) -> Callable[[Raw, str], None]:
    def first_octets(raw: Raw, name: str) -> None:
        first_octets_of_tls(raw, name, octets, to_us=to_us)

    first_octets.__name__ = f"{octets} of TLS {'to the proxy' if to_us else 'in a tunnel'}"
    return first_octets


BEFORE_TLS: list[tuple[Callable[..., None], list[Row]]] = [
    (a_tunnel, [("CONNECT", "aborted", "nothing asked")]),
    (half_a_word, [("CONNECT", "aborted", "half a request")]),
    (a_whole_hello, [("CONNECT", "tls-refused", "tls")]),
    (a_tunnel_that_is_passed_through, [("CONNECT", "bypassed", None)]),
    *((tls(octets, to_us=False), [("CONNECT", "aborted", "half a ClientHello")]) for octets in (1, 2, 3, 60)),
    *((tls(octets, to_us=True), [("-", "refused", "half a ClientHello")]) for octets in (1, 2, 3, 60)),
]

WAYS = [
    *(pytest.param(way, rows, False, id=f"{way.__name__}, at the proxy") for way, rows in AT_THE_PROXY),
    *(pytest.param(way, rows, True, id=f"{way.__name__}, in a tunnel") for way, rows in IN_A_TUNNEL),
    *(pytest.param(way, rows, None, id=way.__name__) for way, rows in BEFORE_TLS),
]


@contextlib.contextmanager
def come_so_far(host: Host, name: str, way: Callable[..., None], inside: bool | None) -> Iterator[Raw]:
    """A client that came so far, all of which the gateway has heard."""
    with Raw(host) as raw:
        place = raw.socket.getsockname()
        if inside:
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name, trusting(host))
        way(raw, name, **({} if inside is None else {"inside": inside}))
        wait_for(lambda: heard(host, place), "the gateway to have heard it", every=0.02)
        yield raw


def connections(host: Host) -> list[Any]:
    assert host.master is not None
    return list(host.master.server.connections.values())


def heard(host: Host, place: tuple[str, int]) -> bool:
    """Whether all that came from there was heard: it is accepted, and nothing has come for a while."""
    clocks = [one.timeout_watchdog for one in connections(host) if one.client.peername == place]
    return bool(clocks) and host.call(lambda: host.loop.time() - clocks[0].last_activity > 0.1)


def rows_of(host: Host, number: int) -> list[Row]:
    """What is recorded, once as many rows as that have their endings and no connection is left to add to them."""
    wait_for(lambda: not connections(host), "the connection to be over")
    wait_for(lambda: len(host.endings()) >= number, "the rows")
    endings = host.endings()
    return [(row.method, str(endings[row.id].kind), endings[row.id].error) for row in host.rows()]


@pytest.mark.parametrize("leave", [socket.SHUT_WR, None], ids=["FIN", "reset"])
@pytest.mark.parametrize(("way", "rows", "inside"), WAYS)
def test_whoever_leaves_has_a_row_of_each_request(
    host: Host, name: str, way: Callable[..., None], rows: list[Row], inside: bool | None, leave: int | None
) -> None:
    """However far they came, one each, and it says that they left."""
    with come_so_far(host, name, way, inside) as raw:
        if leave is None:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            raw.socket.shutdown(leave)
            with contextlib.suppress(OSError):
                raw.socket.settimeout(0.3)
                raw.read_all()
    assert sorted(rows_of(host, len(rows)), key=str) == sorted(rows, key=str)


BY_US: dict[str | None, str | None] = {
    "tls": "the gateway stopped",
    "client left": "the gateway stopped",
    "half a request": "the gateway stopped",
    "half a ClientHello": "the gateway stopped",
    "left before its turn": "the gateway stopped",
    "nothing asked": "nothing asked",
    None: "the gateway stopped",
}
"""What a row says of a client that was cut, by what it says of one that left."""


@pytest.mark.parametrize(("way", "rows", "inside"), WAYS)
def test_whoever_is_cut_by_a_stop_has_not_left(
    host: Host, name: str, way: Callable[..., None], rows: list[Row], inside: bool | None
) -> None:
    """The same rows, which say that the gateway stopped."""
    with come_so_far(host, name, way, inside):
        assert host.master is not None
        asyncio.run_coroutine_threadsafe(host.master.drain(0.2), host.loop).result(10)
        found = rows_of(host, len(rows))
    expected: list[Row] = []
    for method, ending, error in rows:
        if ending == "response":
            expected.append((method, ending, error))
        else:  # a certificate that is shown was not refused
            expected.append((method, "aborted" if ending == "tls-refused" else ending, BY_US[error]))
    assert sorted(found, key=str) == sorted(expected, key=str)


BY_SILENCE: dict[str | None, str] = {"client left": "nothing moved", "left before its turn": "nothing moved"}
"""What a row says of a client that the idle clock ended, by what it says of one that left; all else is the same."""

AWAITED = (an_answer_awaited, a_request_ahead, half_a_head_ahead, half_a_head_ahead_behind_empty_lines)
"""It is the site that says nothing."""


@pytest.mark.parametrize(("way", "rows", "inside"), [one for one in WAYS if one.values[0] not in AWAITED])
def test_whoever_says_no_more_has_not_left(
    host: Host, name: str, way: Callable[..., None], rows: list[Row], inside: bool | None
) -> None:
    """The idle clock ends it: what is half there says so, and a certificate that was shown was refused."""
    with come_so_far(host, name, way, inside):
        (handler,) = connections(host)
        host.call(handler._idle)
        found = rows_of(host, len(rows))
    ended: dict[str, str | None] = {"bypassed": "nothing moved", "websocket": "nothing moved", "response": None}
    expected = [(method, kind, ended.get(kind, BY_SILENCE.get(error, error))) for method, kind, error in rows]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(("way", "rows", "inside"), [one for one in WAYS if one.values[0] in AWAITED])
def test_whatever_stands_behind_a_silent_site_is_closed_before_its_turn(
    host: Host, name: str, way: Callable[..., None], rows: list[Row], inside: bool
) -> None:
    """Our page about the site ends the connection; what was asked ahead, whole or half, has the row of that."""
    with come_so_far(host, name, way, inside) as raw:
        (handler,) = connections(host)
        host.call(handler._idle)
        assert raw.answer().status == 504
        assert raw.read_all() == b""
        found = rows_of(host, len(rows))
    expected = [
        ("GET", "error", "no answer") if row[0] == "GET" else (*row[:2], "closed before its turn") for row in rows
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("clock", "why"), [("idle", "nothing moved"), ("longest", "open too long")])
def test_a_tunnel_that_passes_unread_says_which_clock_ended_it(host: Host, name: str, clock: str, why: str) -> None:
    """Its sockets are a relay's, which has clocks of its own."""
    setattr(host.addon("Relaying"), clock, 0.3)
    with Raw(host) as raw:
        a_tunnel_that_is_passed_through(raw, name)
        with contextlib.suppress(ConnectionResetError):
            raw.read_all()
        assert rows_of(host, 1) == [("CONNECT", "bypassed", why)]


def test_a_tunnel_that_passes_unread_and_is_left_has_no_such_word(host: Host, name: str) -> None:
    """Nor has one that its site ended."""
    with Raw(host) as raw:
        a_tunnel_that_is_passed_through(raw, name)
        wait_for(lambda: connection_notes(connections(host)[0].client).passed.taken, "the relay")  # type: ignore[union-attr]
    assert rows_of(host, 1) == [("CONNECT", "bypassed", None)]


@pytest.mark.parametrize(
    ("way", "error"), [(a_request_ahead, "answer not taken"), (half_a_head_ahead, "half a request")]
)
@pytest.mark.parametrize("inside", [False, True], ids=["at the proxy", "in a tunnel"])
def test_whoever_is_shown_out_has_not_left_what_was_asked_ahead(
    host: Host, name: str, way: Callable[..., None], error: str, inside: bool
) -> None:
    """It took nothing of the answer before: `addons.answerpace`."""
    with come_so_far(host, name, way, inside):
        (handler,) = connections(host)
        host.call(lambda: handler.show_out("answer not taken"))
        found = rows_of(host, 2)
    ahead = ("CONNECT", "aborted", error) if inside else ("-", "refused", error)
    assert sorted(found) == sorted([("GET", "aborted", "answer not taken"), ahead])


def test_where_nothing_is_left_to_end_no_word_is(host: Host, name: str) -> None:
    """A connection whose client has left was ended by nobody else."""
    with come_so_far(host, name, an_answer_awaited, inside=False):
        (handler,) = connections(host)
    assert rows_of(host, 1) == [("GET", "aborted", "client left")]
    assert not host.call(lambda: cut(handler, "too late"))
    assert connection_notes(handler.client).cut is None


def test_what_is_no_longer_allowed_says_so(host: Host, name: str) -> None:
    """A download that is cut by a change of the policy was not left by its reader; the first reason stays."""
    with come_so_far(host, name, half_an_answer, inside=False):
        (handler,) = connections(host)
        assert host.call(lambda: (cut(handler, "no longer allowed"), cut(handler, "too slow"))) == (True, True)
        assert rows_of(host, 1) == [("GET", "aborted", "no longer allowed")]
        assert connection_notes(handler.client).cut == "no longer allowed"


def test_a_slow_head_in_a_tunnel_is_no_way_round_the_filter(host: Host, name: str) -> None:
    """It is answered as one at the proxy is; the row says where to, and blames nobody."""
    with come_so_far(host, name, half_a_head, inside=True) as raw:
        assert raw.answer().status == 408
    assert rows_of(host, 1) == [("-", "refused", "the request head took too long")]
    (row,) = host.rows()
    assert (row.host, row.reason, row.categories, row.category) == (name, "guard", (), None)
