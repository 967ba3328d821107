"""What the first bytes of a device become that knows of no proxy. With sockets: tests/e2e/test_transparent.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mitmproxy import http, options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.test import taddons, tflow, tutils

from addons import httplayers
from addons.clienthello import LONGEST
from addons.flownotes import connection_notes
from addons.nextlayer import GatewayNextLayer
from addons.refusedbytes import RefusedBytes
from addons.shortway import HandOver
from addons.tlslayers import GatewayServerTls
from addons.transparent import TransparentLayer, address_request
from proxy.dispatch import DispatchManager
from tests.addons.test_clienthello import extension, listed, message, real_hello, recorded, server_name

WANTED = ("203.0.113.10", 443)


class Listener:
    """Hears what the layers ask; answers a CONNECT when it is told to."""

    name = "nextlayer"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.errors = 0
        self.refused: list[RefusedBytes] = []
        self.status: int | None = None
        self.kills = False

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self.asked.append((flow.request.host, flow.request.port))
        if self.kills:
            flow.kill()
        if self.status is not None:
            flow.response = http.Response.make(self.status)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        self.errors += 1

    def refused_bytes(self, data: RefusedBytes) -> None:
        self.refused.append(data)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    with taddons.context() as context:
        context.master.addons = DispatchManager(context.master)
        context.master.addons.add(listener)
        yield listener


def arrived(wanted: tuple[str, int] = WANTED) -> TransparentLayer:
    client = tflow.tclient_conn()
    client.sockname = wanted
    client.tls, client.timestamp_tls_setup = False, None
    return TransparentLayer(Context(client, options.Options()))


def told(one: TransparentLayer, *pieces: bytes) -> list[commands.Command]:
    """What it does when these bytes come."""
    done = list(one.handle_event(events.Start()))
    for piece in pieces:
        done += one.handle_event(events.DataReceived(one.context.client, piece))
    return done


def closes(done: list[commands.Command]) -> bool:
    return any(isinstance(command, commands.CloseConnection) for command in done)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("lessons.example", "lessons.example"),
        ("LESSONS.Example.", "lessons.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        (None, "203.0.113.10"),
    ],
)
def test_the_name_in_the_hello_is_what_a_connect_would_have_asked_for(
    listener: Listener, name: str | None, asked: str
) -> None:
    hello = recorded(message(*([extension(0, server_name(name.encode("idna")))] if name else [])))
    one = arrived()
    assert not closes(told(one, hello))
    assert listener.asked == [(asked, 443)]
    assert one.context.server.address == (asked, 443)
    assert connection_notes(one.context.client).wanted == WANTED


@pytest.mark.parametrize("said", [b"192.0.2.7", b"no name", b"a..b", b"\xff\xfe", b"2001:db8::1", b"x" * 300])
def test_what_is_no_name_goes_by_the_address(listener: Listener, said: bytes) -> None:
    """An address as a server name, too: the one the device meant counts."""
    told(arrived(), recorded(message(extension(0, server_name(said)))))
    assert listener.asked == [WANTED]


@pytest.mark.parametrize("names", [[b"lessons.example", b"blocked.example"], []])
def test_several_names_are_none(listener: Listener, names: list[bytes]) -> None:
    body = listed(*(b"\0" + listed(name) for name in names))
    told(arrived(), recorded(message(extension(0, body))))
    assert listener.asked == [WANTED]


def test_a_hello_in_pieces_is_waited_for(listener: Listener) -> None:
    hello = real_hello("lessons.example", ["h2", "http/1.1"])
    one = arrived()
    done = told(one, *(hello[at : at + 1] for at in range(len(hello) - 1)))
    assert not listener.asked
    (clock,) = [command for command in done if isinstance(command, commands.RequestWakeup)]
    assert clock.delay == httplayers.limits.seconds
    list(one.handle_event(events.DataReceived(one.context.client, hello[-1:])))
    assert listener.asked == [("lessons.example", 443)]
    assert not list(one.handle_event(events.Wakeup(clock))), "the clock ends with what it was for"


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        (b"\x16", "half a ClientHello"),
        (b"\x16\x03\x01\x02", "half a ClientHello"),
        (b"GE", "half a request"),
        (b"", None),
    ],
)
def test_who_leaves_in_the_middle_has_a_row(listener: Listener, begun: bytes, why: str | None) -> None:
    """Who has said nothing has none: browsers connect in advance."""
    one = arrived()
    told(one, *([begun] if begun else []))
    assert closes(list(one.handle_event(events.ConnectionClosed(one.context.client))))
    assert [refused.why for refused in listener.refused] == ([why] if why else [])


@pytest.mark.parametrize("begun", [b"\x16", b"GE"])
def test_who_is_cut_in_the_middle_has_not_left(listener: Listener, begun: bytes) -> None:
    """The row says that it was us."""
    one = arrived()
    told(one, begun)
    connection_notes(one.context.client).cut = "the gateway stopped"
    list(one.handle_event(events.ConnectionClosed(one.context.client)))
    assert [refused.why for refused in listener.refused] == ["the gateway stopped"]


@pytest.mark.parametrize(
    "begun", [b"\x16", real_hello("lessons.example", [])[:60], b"GE"], ids=["one byte", "a hello", "a method"]
)
def test_who_dribbles_is_shown_out(listener: Listener, begun: bytes) -> None:
    one = arrived()
    (clock,) = [command for command in told(one, begun) if isinstance(command, commands.RequestWakeup)]
    assert closes(list(one.handle_event(events.Wakeup(clock))))
    told_of = [(refused.why, refused.reason) for refused in listener.refused]
    assert told_of == [("it took too long to say what it wants", "guard")], "slow, and no way round the filter"
    assert not listener.asked


def test_a_hello_without_end_is_cut_off(listener: Listener) -> None:
    record = b"\x16\x03\x01\x40\x00"
    one, done = arrived(), list[commands.Command]()
    start = record + b"\x01\xff\xff\xff" + b"x" * (0x4000 - 4)
    done = told(one, start, *(record + b"x" * 0x4000 for _ in range(LONGEST // 0x4000)))
    assert closes(done)
    assert [refused.why for refused in listener.refused] == ["a ClientHello without end"]


def test_a_hello_in_two_pieces_goes_the_short_way_once_its_clock_is_over(listener: Listener) -> None:
    """As one that came whole does at once."""
    hello = real_hello("lessons.example", [])
    one = arrived()
    (clock,) = [command for command in told(one, hello[:60]) if isinstance(command, commands.RequestWakeup)]
    list(one.handle_event(events.DataReceived(one.context.client, hello[60:])))
    one.context.client.timestamp_tls_setup = 1.0
    one._child = Deaf(one.context)
    assert not hands_over(one.handle_event(events.DataReceived(one.context.client, b"x"))), (
        "the clock must find its layer"
    )
    assert not list(one.handle_event(events.Wakeup(clock)))
    assert hands_over(one.handle_event(events.DataReceived(one.context.client, b"x")))


class Deaf(layer.Layer):
    """A layer that hears nothing."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()


def hands_over(done: Iterable[commands.Command]) -> bool:
    return any(isinstance(command, HandOver) for command in done)


@pytest.mark.parametrize("status", [400, 403, 407, 503])
def test_what_is_refused_is_closed_without_a_word(listener: Listener, status: int) -> None:
    """No answer of a proxy is ever sent to who knows of none; the row is `http_connect_error`'s."""
    listener.status = status
    one = arrived()
    done = told(one, real_hello("lessons.example", []))
    assert closes(done)
    assert not any(isinstance(command, commands.SendData) for command in done)
    assert (listener.errors, one.context.server.address) == (1, None)
    assert not list(one.handle_event(events.DataReceived(one.context.client, b"more")))


def test_who_is_cut_off_by_an_addon_is_cut_off(listener: Listener) -> None:
    listener.kills = True
    one = arrived()
    assert closes(told(one, real_hello("lessons.example", [])))
    assert one.context.server.address is None
    assert not list(one.handle_event(events.DataReceived(one.context.client, b"more")))


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-x\r\n", b"\x16\xff\xff", b"\x05\x01\x00", b"get / HTTP/1.1\r\n", b"A" * 25, b"\0"]
)
def test_anything_else_is_closed_with_its_row(listener: Listener, said: bytes) -> None:
    one = arrived()
    assert closes(told(one, said))
    (refused,) = listener.refused
    assert (refused.why, refused.status) == ("not TLS or HTTP", None)
    assert (url := connection_notes(one.context.client).connect) is not None
    assert (url.host, url.port) == WANTED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6))
def test_whatever_comes_is_decided_waited_for_or_closed(listener: Listener, pieces: list[bytes]) -> None:
    """And never goes anywhere undecided."""
    one = arrived()
    listener.asked.clear()
    done = told(one, *pieces)
    assert not any(isinstance(command, commands.OpenConnection) for command in done)
    assert one.context.server.address is None or listener.asked


@pytest.mark.parametrize(
    ("target", "host", "goes"),
    [
        ("/", "lessons.example", ("lessons.example", 80)),
        ("/", "lessons.example:80", ("lessons.example", 80)),
        ("/", "lessons.example:8443", ("lessons.example", 80)),  # the Host header's port is looked at by who decides
        ("/", None, ("203.0.113.10", 80)),
        ("/", "", ("203.0.113.10", 80)),
        ("/", "two words", ("203.0.113.10", 80)),
        ("/", "[2001:db8::1]", ("2001:db8::1", 80)),
        ("http://other.example/", "lessons.example", ("other.example", 80)),
        ("http://other.example:8080/", "lessons.example", None),
        ("https://other.example:80/", "lessons.example", None),
        ("https://other.example/", "lessons.example", None),
    ],
)
def test_a_request_gets_the_address_a_proxys_client_would_have_written(
    target: str, host: str | None, goes: tuple[str, int] | None
) -> None:
    request = tutils.treq(host="", port=0, scheme=b"", authority=b"", path=b"/", headers=http.Headers())
    if target != "/":
        request.url = target
        request.headers.clear()
    if host is not None:
        request.headers["host"] = host
    fault = address_request(request, ("203.0.113.10", 80))
    if goes is None:
        assert fault == "an address of another port"
    else:
        assert fault is None
        assert (request.data.host, request.data.port, request.data.scheme) == (*goes, b"http")


def test_a_connect_is_no_request_of_such_a_device() -> None:
    request = tutils.treq(method=b"CONNECT", host="lessons.example", port=443, authority=b"lessons.example:443")
    assert address_request(request, ("203.0.113.10", 80)) == "a CONNECT that was redirected"


def test_a_connect_that_was_redirected_is_refused_where_it_stands(listener: Listener) -> None:
    """Nothing outside has to say that its row is written: there may be nothing outside any more."""
    one = arrived(("203.0.113.10", 80))
    done = told(one, b"CONNECT games.example:443 HTTP/1.1\r\nHost: games.example:443\r\n\r\n")
    assert closes(done)
    assert not [command for command in done if isinstance(command, commands.StartHook)]
    assert [(refused.why, refused.status) for refused in listener.refused] == [("a CONNECT that was redirected", 400)]


def test_the_chain_knows_what_to_do_inside(listener: Listener) -> None:
    """Behind the decision everything is as in a CONNECT's tunnel."""
    one = arrived()
    told(one, real_hello("lessons.example", []))
    inside = one._child
    assert isinstance(inside, NextLayer)
    GatewayNextLayer().next_layer(inside)
    assert isinstance(inside.layer, GatewayServerTls)
