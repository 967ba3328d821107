"""Heads of answers, at the layer that reads them: what they may cost, and what is no answer."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from mitmproxy import options
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http._events import RequestHeaders, ResponseHeaders, ResponseProtocolError
from mitmproxy.test import tflow, tutils

from addons.originheads import BoundedHttp1Client

ENOUGH = 1.0
"""Seconds of processor time; what is read more than once takes several."""


@pytest.fixture
def asked() -> BoundedHttp1Client:
    """A connection to an origin that was just asked for something."""
    made = BoundedHttp1Client(context.Context(tflow.tclient_conn(), options.Options()))
    assert not list(made.handle_event(events.Start()))
    assert len(list(made.handle_event(RequestHeaders(1, tutils.treq(), end_stream=True)))) == 1
    return made


def hear(asked: BoundedHttp1Client, packets: Iterable[bytes]) -> tuple[list[commands.Command], float]:
    """What comes of these packets, and the processor time they took."""
    came = [events.DataReceived(asked.conn, packet) for packet in packets]
    before = time.process_time()
    done = [command for event in came for command in asked.handle_event(event)]
    return done, time.process_time() - before


def told(done: list[commands.Command]) -> list[object]:
    """What the exchange is told."""
    return [command.event for command in done if isinstance(command, http_layers.ReceiveHttp)]


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n"], ids=["CRLF", "LF", "CRLF LF", "LF CRLF"])
def test_many_interim_answers_at_once_are_read_once(asked: BoundedHttp1Client, end: bytes) -> None:
    """However many of them a packet holds; the answer behind them is the answer."""
    much = (b"HTTP/1.1 103" + end) * (256 * 1024 // 16)
    done, seconds = hear(asked, [much + b"HTTP/1.1 204 No Content\r\n\r\n"])
    first = told(done)[0]
    assert isinstance(first, ResponseHeaders)
    assert first.response.status_code == 204
    assert seconds < ENOUGH


@pytest.mark.parametrize("first", [b"HTTP/1.1 103 x\r\n", b"HTTP/1.1 200 OK\r\n"], ids=["interim", "final"])
def test_a_dripped_head_is_read_once(asked: BoundedHttp1Client, first: bytes) -> None:
    """A line a packet, and never whole; nor is what has come copied for every packet."""
    asked.longest = 4_000_000
    done, seconds = hear(asked, [first, *[b"X: " + b"y" * 115 + b"\r\n"] * 20_000])
    assert not done
    assert seconds < ENOUGH


def test_the_end_of_an_interim_answer_is_found_wherever_packets_are_cut(asked: BoundedHttp1Client) -> None:
    """Octet by octet, with every kind of end, one behind the other."""
    heads = b"HTTP/1.1 103 x\r\nX: y\r\n\r\nHTTP/1.1 102 x\nX: y\n\nHTTP/1.1 100 x\r\n\nHTTP/1.1 204 x\r\n\r\n"
    done, _ = hear(asked, [bytes([octet]) for octet in heads])
    first = told(done)[0]
    assert isinstance(first, ResponseHeaders)
    assert first.response.status_code == 204


def test_how_far_one_was_looked_at_says_nothing_of_the_next(asked: BoundedHttp1Client) -> None:
    """A short one behind the end of a long one that came in pieces."""
    long = b"HTTP/1.1 103 x\r\nX: " + b"y" * 100
    done, _ = hear(asked, [long, b"\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n"])
    assert [type(event) for event in told(done)][:1] == [ResponseHeaders]


def test_the_limit_is_for_a_head_without_end(asked: BoundedHttp1Client) -> None:
    """What came of the body with it does not count."""
    asked.longest = 100
    done, _ = hear(asked, [b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n" + b"y" * 1000])
    assert [type(event) for event in told(done)][:1] == [ResponseHeaders]


ODD = (b"HTTP/1.1  103 x", b"HTTP/1.1\t103 x", b"HTTP/1.1 0103 x", b"HTTP/1.1 +103 x", b"HTTP/1.1 1_03 x")


@pytest.mark.parametrize("line", [*ODD, b"HTTP/1.2 103 x"], ids=repr)
def test_an_interim_answer_in_an_odd_spelling_is_an_error(asked: BoundedHttp1Client, line: bytes) -> None:
    """The host reads it as an interim one, and would pass it on as the last word."""
    done, _ = hear(asked, [line + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    assert isinstance(done[0], commands.CloseConnection)
    (error,) = told(done)
    assert isinstance(error, ResponseProtocolError)
    assert "protocol error" in error.message


def test_another_protocol_is_an_answer(asked: BoundedHttp1Client) -> None:
    """101 is the last that comes in HTTP."""
    done, _ = hear(asked, [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
    first = told(done)[0]
    assert isinstance(first, ResponseHeaders)
    assert first.response.status_code == 101
